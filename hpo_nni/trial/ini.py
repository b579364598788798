"""The ini reader of trial.ini: sections, keys and values that know their lines.

`configparser` forgets where things stood and ends values too early for commands and JSON. The rules
here, which docs/guide/trial-ini.md tells to users:

- `key = value` or `key: value`, split at the first `=` or `:`; keys keep their case.
- A line whose first character is `#` or `;` is a comment. A `#` further on belongs to the value.
- A value goes on in the next line while a quote or bracket that it began with is open, while its
  line ends in a backslash, and in lines that are indented deeper than its key (save for a
  `key =` below a line of template tags: the body of a loop). Lines stay lines.
- Quotes around a whole value are taken off.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COMMENT = re.compile(r"\s*[#;]")
_HEADER = re.compile(r"\[([^\[\]]+)\]\s*([#;].*)?")
_ENTRY = re.compile(r"\s*([^=:]*?)\s*[=:](.*)", re.DOTALL)
_NEW_KEY = re.compile(r"\s*[\w.-]+\s*[=:]")
_CLOSING = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True)
class Line:
    """One line of text.

    Attributes:
        number: its number in the file that the user wrote.
        after_tag: whether a line with nothing but template tags stood above it there.
    """

    text: str
    number: int
    after_tag: bool = False


@dataclass(frozen=True)
class Entry:
    """One key with its value; quotes around the whole value are gone."""

    section: str
    key: str
    value: str
    line: int


@dataclass
class Section:
    """One section with its entries in the order of the file."""

    name: str
    line: int
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Ini:
    """A file that has been read as far as it could be.

    Attributes:
        name: the file's, for messages.
        problems: what could not be read, and what is there twice.
    """

    name: str
    sections: dict[str, Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, line: int, section: str = "", key: str = "") -> str:
        """The place as problems give it.

        >>> Ini("trial.ini").where(12, "metric_config", "final_mode")
        'trial.ini:12 [metric_config] final_mode'
        """
        place = f"{self.name}:{line}" if line else self.name
        return " ".join(part for part in (place, section and f"[{section}]", key) if part)


def read_text(path: Path) -> str:
    """Return the text of a settings file; raises SettingsError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"the trial's settings cannot be read: {error.strerror}"
        raise SettingsError([Problem(path.name, message, f"looked for {path}")]) from error
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8: {error.reason} at byte {error.start}"
        raise SettingsError([Problem(path.name, message)]) from error


def split_lines(text: str) -> list[Line]:
    """Number the lines of a text; any line ending, a byte-order mark is dropped."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return [Line(line, number) for number, line in enumerate(plain.split("\n"), start=1)]


def read_ini(lines: Sequence[Line], name: str) -> Ini:
    """Read an ini file; faults go to `problems` of the result, and reading goes on after them.

    >>> ini = read_ini([Line("[a]", 1), Line("key = 'x=1'", 2)], "trial.ini")
    >>> ini.sections["a"].entries
    [Entry(section='a', key='key', value='x=1', line=2)]
    """
    ini = Ini(name)
    section: Section | None = None
    position = 0
    while position < len(lines):
        line = lines[position]
        header = _HEADER.fullmatch(line.text.strip())
        if not line.text.strip() or _COMMENT.match(line.text):
            position += 1
        elif header:
            section = _open_section(ini, header[1].strip(), line.number)
            position += 1
        else:
            position = _read_entry(ini, section, lines, position)
    return ini


def _open_section(ini: Ini, name: str, line: int) -> Section:
    first = ini.sections.get(name)
    if first is None:
        ini.sections[name] = Section(name, line)
    else:
        message = f"this section began already in line {first.line}"
        ini.problems.append(Problem(ini.where(line, name), message, "merge the two"))
    return ini.sections[name]


def _read_entry(ini: Ini, section: Section | None, lines: Sequence[Line], position: int) -> int:
    """Read the entry at `position`; return the position of the line after it."""
    line = lines[position]
    match = _ENTRY.fullmatch(line.text)
    if not match or not re.fullmatch(r"\S+", match[1]):
        message = f"expected 'key = value' or '[section]', found {_shorten(line.text.strip())!r}"
        hint = "indent a line that continues the value above it"
        ini.problems.append(Problem(ini.where(line.number), message, hint))
        return position + 1
    key = match[1]
    if section is None:
        message = "this key stands before the first [section]"
        ini.problems.append(Problem(ini.where(line.number, key=key), message))
        section = Section("", 0)
    value, end = _read_value(ini, section.name, match, lines, position)
    twin = next((entry for entry in section.entries if entry.key == key), None)
    if twin:
        ini.problems.append(_twice(ini, twin, line.number))
    else:
        section.entries.append(Entry(section.name, key, value, line.number))
    return end


def _twice(ini: Ini, first: Entry, line: int) -> Problem:
    where = ini.where(line, first.section, first.key)
    if first.line == line:  # a Jinja loop gives the same line several times
        hint = "put the loop's variable into the key, as in cmd_{{ bizdate }}"
        return Problem(where, "the loop sets this key several times", hint)
    return Problem(where, f"this key is set already in line {first.line}")


def _read_value(
    ini: Ini, section: str, match: re.Match[str], lines: Sequence[Line], position: int
) -> tuple[str, int]:
    first = match[2].strip()
    opened = _open_at_end(first)
    if opened:
        end = _end_of_open_value(lines, position, first)
        if end is not None:
            texts = [first, *(line.text for line in lines[position + 1 : end])]
            return _unquote("\n".join(texts).rstrip()), end
        where = ini.where(lines[position].number, section, match[1])
        ini.problems.append(Problem(where, f"the {opened} that opens this value is never closed"))
        first = first[1:] if opened.startswith("quote") else first
    end = _end_of_indented_value(lines, position)
    rest = [line.text.rstrip() for line in lines[position + 1 : end] if not _is_comment(line)]
    while rest and not rest[-1]:
        rest.pop()
    body = textwrap.dedent("\n".join(rest))
    return _unquote("\n".join(part for part in (first, body) if part)), end


def _end_of_open_value(lines: Sequence[Line], position: int, value: str) -> int | None:
    """The position after the line that closes the value's quote or bracket; None without one."""
    for end in range(position + 1, len(lines)):
        value += "\n" + lines[end].text
        if not _open_at_end(value.rstrip()):
            return end + 1
    return None


def _end_of_indented_value(lines: Sequence[Line], position: int) -> int:
    indent = _indent(lines[position].text)
    end = position + 1
    while end < len(lines):
        text = lines[end].text
        is_new = lines[end].after_tag and _NEW_KEY.match(text)  # the indented body of a loop
        is_deeper = bool(text.strip()) and _indent(text) > indent and not is_new
        is_glued = lines[end - 1].text.endswith("\\") and not _COMMENT.match(lines[end - 1].text)
        is_gap = not text.strip() or _COMMENT.match(text)
        if not (is_deeper or is_glued or is_gap):
            break
        end += 1
    return end


def _open_at_end(value: str) -> str:
    """The quote or bracket that a value begins with and does not close; empty if there is none."""
    opening = value[:1]
    if opening in {'"', "'"}:
        count = len(re.findall(rf"(?<!\\){opening}", value))
        return f"quote {opening}" if count % 2 else ""
    if opening in _CLOSING:
        bare = re.sub(r"\"(\\.|[^\"\\])*\"|'(\\.|[^'\\])*'", "", value)
        brackets = [bare.count(bracket) - bare.count(_CLOSING[bracket]) for bracket in _CLOSING]
        return f"bracket {opening}" if any(balance > 0 for balance in brackets) else ""
    return ""


def _unquote(value: str) -> str:
    """Take off quotes around the whole value, not those of its first and last words.

    >>> _unquote('"PAI -Dx="1" -Dy=2"'), _unquote('"a b" --name "c"'), _unquote('"0.4.2"')
    ('PAI -Dx="1" -Dy=2', '"a b" --name "c"', '0.4.2')
    """
    quote = value[:1]
    if quote not in {'"', "'"} or len(value) < 2 or not value.endswith(quote):
        return value
    second = re.search(rf"(?<!\\){quote}", value[1:-1])
    ends_a_word = second is not None and value[second.end() + 1].isspace()
    return value if ends_a_word else value[1:-1].strip()


def _is_comment(line: Line) -> bool:
    return _COMMENT.match(line.text) is not None


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
