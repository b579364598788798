"""Jinja in trial.ini, with lines that still know where they came from.

The rendering itself is in `sandbox`, which imports Jinja; a file without tags does not pay for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.trial.calendar import SOME_DAY
from hpo_nni.trial.ini import Line, split_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.trial.calendar import Calendar

_DELIMITERS = re.compile(r"\{[{%#]")
_COMMENT_LINE = re.compile(r"[ \t]*[#;](?!\})")  # `#}` closes a comment of Jinja's
_CONTROL = re.compile(r"[\x00-\x02]")
_COMMENT, _SHELL_LENGTH = "\x01", "\x02"  # a comment line; the `{#` of the shell's `${#name}`
_MARKER = re.compile(r"\x00(\d+)\x00")


def render(text: str, name: str, calendar: Calendar | None = None) -> list[Line]:
    r"""Render a file's text; lines of nothing but tags are left out.

    Comment lines (`#` or `;` first) are not rendered, so that a tag can be commented out, and the
    shell's `${#name}` opens no comment. Beside Jinja's own there are the filters add_days,
    add_hours, add_weeks and date_format (also as strftime), and the function date_range.

    Args:
        text: what the user wrote.
        name: the file's name, for messages.
        calendar: the days that the trial walks through: `date_list` and the like are known then.

    Raises:
        SettingsError: every fault that can be seen before rendering, or the first one in it.

    >>> lines = render("a\n{% for i in [1, 2] %}\nk{{i}}\n{% endfor %}", "trial.ini")
    >>> [(line.number, line.text) for line in lines]
    [(1, 'a'), (3, 'k1'), (3, 'k2')]
    """
    source = split_lines(text)
    protected = [_protect(line.text) for line in source]
    if not any(_DELIMITERS.search(line) for line in protected):
        return source
    problems = [
        Problem(f"{name}:{line.number}", "a control character stands in this line")
        for line in source
        if _CONTROL.search(line.text)
    ]
    if problems:
        raise SettingsError(problems)
    from hpo_nni.trial.sandbox import render_marked  # noqa: PLC0415  (imports Jinja)

    return _number(render_marked("\n".join(protected), name, calendar), source)


def asks_for_days(text: str) -> bool:
    """Whether a file's text has a place for the days that a trial command names.

    >>> asks_for_days("{% for day in date_list %}x{% endfor %}"), asks_for_days("x")
    (True, False)
    """
    from hpo_nni.trial.sandbox import free_names  # noqa: PLC0415  (imports Jinja)

    protected = "\n".join(_protect(line.text) for line in split_lines(text))
    return bool(_DELIMITERS.search(protected)) and bool(free_names(protected) & {*SOME_DAY.words})


def _protect(line: str) -> str:
    if _COMMENT_LINE.match(line):
        return _COMMENT
    return line.replace("${#", f"${_SHELL_LENGTH}")


def _number(marked: str, source: Sequence[Line]) -> list[Line]:
    """Take the markers out of rendered text and give each line the number they tell."""
    lines: list[Line] = []
    number, after_tag = 1, False
    for line in marked.split("\n"):
        number = _number_of(line, number)
        text = _MARKER.sub("", line)
        if text.strip() or not source[number - 1].text.strip():
            restored = source[number - 1].text if text == _COMMENT else text
            lines.append(Line(restored.replace(_SHELL_LENGTH, "{#"), number, after_tag))
            after_tag = False
        else:
            after_tag = True
        number = int((_MARKER.findall(line) or [number])[-1])
    return lines


def _number_of(line: str, current: int) -> int:
    """The number of the last marker before the first character that is not white space."""
    parts = _MARKER.split(line)
    for text, marker in zip(parts[::2], [*parts[1::2], ""], strict=True):
        if text.strip() or not marker:
            return current
        current = int(marker)
    return current
