"""Commands in Markdown pages, with what they print: read from the page, held against the truth.

A block of the language `console` shows commands behind `$ ` and, below each, what it prints on
standard output and error. A command goes on in the next line behind a backslash. A line `...`
stands for any lines, `<id>` or `<any words>` in small letters for anything in a line, and a last
line `[exit 2]` for the exit code, which is 0 without it. Several spaces count as one.

A block of the language `sh` shows commands alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_LINES = "..."
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\[exit (\d+)\]")
_WILD = re.compile(r"<[a-z. ]+>")


@dataclass(frozen=True)
class Command:
    """A command as a page shows it.

    Attributes:
        line: where it stands in the page.
        printed: the lines below it, with their wildcards; empty in a block `sh`.
    """

    text: str
    line: int
    printed: tuple[str, ...] = ()
    exit_code: int = 0

    @property
    def states_a_fact(self) -> bool:
        """Whether the page says something about what is printed."""
        return any(_WILD.sub("", line).strip() not in {"", ANY_LINES} for line in self.printed)


def read_commands(page: str) -> list[Command]:
    r"""The commands of a page, in its order.

    >>> read_commands("```console\n$ false\n...\n[exit 1]\n```\n")
    [Command(text='false', line=2, printed=('...',), exit_code=1)]
    """
    found: list[Command] = []
    for fence in _FENCE.finditer(page):
        indent, language, body = fence.groups()
        first = page.count("\n", 0, fence.start()) + 2
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        if language == "console":
            found += _read_console(lines, first)
        elif language in {"sh", "bash", "shell"}:
            found += _read_script(lines, first)
    return found


def difference(command: Command, printed: str, exit_code: int) -> str:
    r"""What a command did that its page does not say; empty where they agree.

    >>> difference(Command("x", 1, ("...", "<n> done")), "begin\n3 done", 0)
    ''
    """
    if exit_code != command.exit_code:
        return f"the exit code is {exit_code}, not {command.exit_code}"
    lines = [line.rstrip() for line in printed.splitlines()]
    for stated in command.printed:
        if stated != ANY_LINES and not any(_line_fits(stated, line) for line in lines):
            return f"this line is not printed: {stated}"
    if not _fits(command.printed, lines):
        return "there are other lines, or the lines stand in another order"
    return ""


def _read_console(lines: Sequence[str], first: int) -> list[Command]:
    found: list[Command] = []
    rest = list(enumerate(lines, start=first))
    while rest:
        number, line = rest.pop(0)
        if not line.startswith("$ "):
            raise ValueError(f"line {number}: a block `console` begins with a command behind `$ `")
        text = line.removeprefix("$ ")
        while text.endswith("\\") and rest:
            text += "\n" + rest.pop(0)[1]
        printed: list[str] = []
        while rest and not rest[0][1].startswith("$ "):
            printed.append(rest.pop(0)[1].rstrip())
        code = _EXIT.fullmatch(printed[-1]) if printed else None
        shown = printed[:-1] if code else printed
        found.append(Command(text, number, tuple(shown), int(code[1]) if code else 0))
    return found


def _read_script(lines: Sequence[str], first: int) -> list[Command]:
    commands = (
        (number, line.partition(" #")[0].strip()) for number, line in enumerate(lines, first)
    )
    return [Command(text, number) for number, text in commands if text and text[0] != "#"]


def _line_fits(stated: str, line: str) -> bool:
    pattern = ".+".join(map(re.escape, _WILD.split(_narrow(stated))))
    return re.fullmatch(pattern, _narrow(line)) is not None


def _narrow(line: str) -> str:
    return re.sub(" +", " ", line)


def _fits(stated: Sequence[str], lines: Sequence[str]) -> bool:
    @cache
    def fits_from(s: int, n: int) -> bool:
        if s == len(stated):
            return n == len(lines)
        if stated[s] == ANY_LINES:
            return fits_from(s + 1, n) or (n < len(lines) and fits_from(s, n + 1))
        return n < len(lines) and _line_fits(stated[s], lines[n]) and fits_from(s + 1, n + 1)

    return fits_from(0, 0)
