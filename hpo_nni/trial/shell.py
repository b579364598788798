r"""Values in text and in shell commands.

Text takes values as they are. A command takes them quoted for the place where they stand, so that
a value, whoever proposed it (NNI's page lets anyone add trials), is always data to the shell: never
a second command, a second word or a variable.

| the `${name}` stands       | a value of safe characters | any other value                       |
|----------------------------|----------------------------|---------------------------------------|
| outside quotes             | as it is                   | in single quotes                      |
| in single quotes           | as it is                   | with its single quotes escaped        |
| in double quotes           | as it is                   | with ", \, $ and backquotes escaped   |
| in a comment               | not filled                 | not filled                            |
| where quoting is uncertain | as it is                   | a fault                               |

Safe are letters, digits and `_@%+=:,./-`. Uncertain is all that follows one of `_HAZARDS`: there
the shell, or a second program, reads the text in ways that this small reader does not follow.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{([^{}$\n]+)\}")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_PLAIN, _SINGLE, _DOUBLE = "", "'", '"'
_WORD = r"(?<![^\s;&|(])(?:\S*/)?"  # where a word begins; it may have a folder in front
_TEXT_FLAG = r"\s+(?:[-+][\w-]+\s+(?:\w+\s+)?)*-\w*c(?!\w)"  # `-c`, after other options
_HAZARDS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?<!<)<<-?\s*['\"\\\w]", "a here-document"),
        ("`", "backquotes"),
        (r"\$?\(\(", "arithmetic"),
        (r"\$'", "a $'...' string"),
        (r"\$\{[^}\n]*[\"'`$\\]", "quotes inside ${...}"),
        (_WORD + r"eval\s", "eval"),
        (_WORD + r"ssh\s", "ssh"),
        (_WORD + r"(?:ba|da|z|k)?sh" + _TEXT_FLAG, "sh -c"),
        (_WORD + r"python[\d.]*" + _TEXT_FLAG, "python -c"),
    )
)
_CASE = re.compile(_WORD + r"case\s")
_UNSAFE_IN_SQL = re.compile(r"['\"`;\\\n]|--")
_COMMENT = re.compile(r"(?<![^\s;&|()])#[^\n]*")


@dataclass(frozen=True)
class Filled:
    """A text after substitution.

    Attributes:
        used: the names that were replaced.
        unknown: names in `${...}` that nothing is known of; they were left as they are.
        faults: why the text cannot be used.
    """

    text: str
    used: frozenset[str]
    unknown: tuple[str, ...]
    faults: tuple[str, ...] = ()


def fill_text(text: str, words: Mapping[str, tuple[str, ...]]) -> Filled:
    """Replace each known `${name}` by its words with spaces between them.

    >>> fill_text("model_${exp_id}", {"exp_id": ("x1",)}).text
    'model_x1'
    """
    names = _PLACEHOLDER.findall(text)
    filled = _PLACEHOLDER.sub(
        lambda match: " ".join(words[match[1]]) if match[1] in words else match[0], text
    )
    return Filled(
        filled,
        frozenset(name for name in names if name in words),
        tuple(dict.fromkeys(name for name in names if name not in words)),
    )


def fill_sql(statement: str, words: Mapping[str, tuple[str, ...]]) -> Filled:
    """As `fill_text`; a value that would not stay one value in SQL is a fault.

    >>> fill_sql("select ${x}", {"x": ("1; drop table t",)}).faults
    ("${x} is '1; drop table t', which does not stay one value in SQL",)
    """
    filled = fill_text(statement, words)
    values = {name: " ".join(words[name]) for name in sorted(filled.used)}
    faults = tuple(
        f"${{{name}}} is {value!r}, which does not stay one value in SQL"
        for name, value in values.items()
        if _UNSAFE_IN_SQL.search(value)
    )
    return replace(filled, faults=faults)


def fill_command(command: str, words: Mapping[str, tuple[str, ...]]) -> Filled:
    """Replace each known `${name}` in a command of a POSIX shell or Bash, quoted as above.

    >>> print(fill_command("train --lr ${lr} '${lr}'", {"lr": ("it's; rm x",)}).text)
    train --lr 'it'"'"'s; rm x' 'it'"'"'s; rm x'
    """
    return _Reader(command, words).read()


class _Reader:
    """One pass over a command; knows in which quotes it is."""

    def __init__(self, command: str, words: Mapping[str, tuple[str, ...]]) -> None:
        self._command = command
        self._words = words
        self._position = 0
        self._quotes = [_PLAIN]
        self._hazard = ""
        self._parts: list[str] = []
        self._used: dict[str, None] = {}
        self._unknown: dict[str, None] = {}
        self._faults: dict[str, None] = {}

    def read(self) -> Filled:
        while self._position < len(self._command):
            placeholder = _PLACEHOLDER.match(self._command, self._position)
            if placeholder and placeholder[1] in self._words:
                self._fill(placeholder[1])
                self._position = placeholder.end()
                continue
            if placeholder:
                self._unknown[placeholder[1]] = None
            end = self._position + self._step()
            self._parts.append(self._command[self._position : end])
            self._position = end
        open_quotes = "".join(self._quotes)
        if open_quotes and not self._hazard:
            self._faults[f"the quote {open_quotes[-1]} is never closed"] = None
        text = "".join(self._parts)
        return Filled(text, frozenset(self._used), tuple(self._unknown), tuple(self._faults))

    def _fill(self, name: str) -> None:
        self._used[name] = None
        words = self._words[name]
        text = " ".join(words)
        if "\0" in text:
            self._faults[f"the value of ${{{name}}} holds a NUL character"] = None
        if self._hazard and not all(_SAFE.fullmatch(word) for word in words):
            message = f"${{{name}}} is {text!r}, which cannot be quoted safely after {self._hazard}"
            self._faults[message] = None
        if self._quotes[-1] == _PLAIN:
            self._parts.append(" ".join(shlex.quote(word) for word in words))
        elif self._quotes[-1] == _SINGLE:
            self._parts.append(text.replace("'", "'\"'\"'"))
        else:
            self._parts.append(re.sub(r'[\\"$`]', r"\\\g<0>", text))

    def _step(self) -> int:
        """Note what begins or ends at the position; return how many characters that takes."""
        character, quote = self._command[self._position], self._quotes[-1]
        if quote == _SINGLE:
            if character == _SINGLE:
                self._quotes.pop()
            return 1
        if character == "\\":
            return 2
        self._note_hazard()
        if character == _DOUBLE and quote == _DOUBLE:
            self._quotes.pop()
        elif character == _DOUBLE:
            self._quotes.append(_DOUBLE)
        elif quote == _PLAIN:
            return self._step_unquoted(character)
        elif self._command.startswith("$(", self._position):
            self._quotes.append(_PLAIN)
            return 2
        return 1

    def _step_unquoted(self, character: str) -> int:
        comment = _COMMENT.match(self._command, self._position)
        if comment:
            return len(comment[0])
        if character == _SINGLE:
            self._quotes.append(_SINGLE)
        elif character == "(":
            self._quotes.append(_PLAIN)
        elif character == ")" and len(self._quotes) > 1:
            self._quotes.pop()
        return 1

    def _note_hazard(self) -> None:
        if self._hazard:
            return
        for pattern, name in _HAZARDS:
            if pattern.match(self._command, self._position):
                self._hazard = name
        if len(self._quotes) > 1 and _CASE.match(self._command, self._position):
            self._hazard = "case inside brackets"
