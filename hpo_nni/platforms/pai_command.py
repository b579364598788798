"""The `PAI` command: what people type at MaxCompute's command line, and what the service takes.

    PAI -name=easy_rec_ext -project=algo_public
        -Dversion="0.4.2"
        -Dcluster={"ps":{"count":1,"cpu":1000},"worker":{"count":3,"cpu":1000}}

The service takes an XFlow: two names and parameters, all strings. Command lines and the settings
files of EasyRec's older tuner (`-Dkey=value` lines of an ini) both become one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.errors import CommandSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_HEAD = re.compile(r"\s*PAI(?=\s|$)", re.IGNORECASE)
_OPTION = re.compile(r"-(name|project|D[A-Za-z_][\w.]*)(=|\s+)", re.IGNORECASE)
_PARAMETER = re.compile(r"D[A-Za-z_][\w.]*")
_NAMES = ("name", "project")
_GAP = re.compile(r"(?:\s|\\\r?\n)*")
_BARE = re.compile(r"[^\s'\"\\]+")
_PLAIN_VALUE = re.compile(r"(?![-{\[])[^\s'\"\\;]+")
_CLOSING = {"{": "}", "[": "]"}
_AS_IN = "as in PAI -name=easy_rec_ext -project=algo_public -Dversion=0.4.2"


@dataclass(frozen=True)
class XFlow:
    """What the service runs.

    Attributes:
        name: the algorithm's, as `-name`.
        project: where the algorithm lives, as `-project`; not the one that pays.
        parameters: `-Dkey=value`, without the `-D`.
    """

    name: str
    project: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return format_pai_command(self)


def is_pai_command(text: str) -> bool:
    """Whether this is a `PAI` command and not an SQL statement.

    >>> is_pai_command("pai -name=x -project=y"), is_pai_command("select 1")
    (True, False)
    """
    return _HEAD.match(text) is not None


def parse_pai_command(text: str) -> XFlow:
    """Read a command; lines may end in a backslash, and the command in a semicolon.

    A value is bare up to the next space, in single quotes (nothing in them is special), in double
    quotes (a backslash protects a quote or backslash), or begins with a bracket and reaches to the
    one that closes it, spaces and line ends included.

    >>> parse_pai_command('''PAI -name=a -project="b" -Dc={"d": 1} -De='f g';''').parameters
    {'c': '{"d": 1}', 'e': 'f g'}

    Raises:
        CommandSyntaxError: with the place.
    """
    return _Parser(text).parse()


def xflow_from_pairs(pairs: Iterable[tuple[str, str]]) -> XFlow:
    """Make the same of `-name`, `-project` and `-Dkey` with their values, as an ini has them.

    Quotes around a whole value are taken off; everything else stays as it is.

    Raises:
        CommandSyntaxError: a key is no option of PAI or is there twice, or -name or -project lack.
    """
    options = [_Option(key, _unquote(value)) for key, value in pairs]
    for key, fact in _faults(options):
        raise CommandSyntaxError(key, 0, fact, hint=_AS_IN)
    return _assemble(options)


def format_pai_command(xflow: XFlow) -> str:
    """The command as a person would type it, one parameter in a line.

    >>> print(format_pai_command(XFlow("a", "b", {"c": '{"d": 1}', "e": "f"})))
    PAI -name=a -project=b
        -Dc='{"d": 1}'
        -De=f
    """
    head = f"PAI -name={_quote(xflow.name)} -project={_quote(xflow.project)}"
    lines = [f"    -D{key}={_quote(value)}" for key, value in xflow.parameters.items()]
    return "\n".join([head, *lines])


def _quote(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


class _Option(NamedTuple):
    """An option with its dash, its value, and its offset in the command."""

    key: str
    value: str
    offset: int = 0

    @property
    def name(self) -> str:
        """`name`, `project`, or `D` and the parameter's name."""
        bare = self.key.removeprefix("-")
        return bare.lower() if bare.lower() in _NAMES else bare


def _faults(options: Sequence[_Option]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for option in options:
        if option.name not in _NAMES and not _PARAMETER.fullmatch(option.name):
            yield option.key, f"{option.key!r} is no option of PAI"
        elif option.name in seen:
            yield option.key, f"{option.key} is there twice"
        seen.add(option.name)
    values = {option.name: option.value for option in options}
    missing = [f"-{name}" for name in _NAMES if not values.get(name)]
    if missing:
        yield "", f"{' and '.join(missing)} is missing: which algorithm, of which project?"


def _assemble(options: Sequence[_Option]) -> XFlow:
    values = {option.name: option.value for option in options}
    name, project = (values.pop(key) for key in _NAMES)
    return XFlow(name, project, {key[1:]: value for key, value in values.items()})


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> XFlow:
        head = _HEAD.match(self._text)
        if head is None:
            raise self._error("a command begins with PAI", hint=_AS_IN)
        self._at = head.end()
        options = []
        self._skip_gap()
        while not self._is_at_end():
            options.append(self._option())
            self._skip_gap()
        for key, fact in _faults(options):
            places = [option.offset for option in options if option.key == key]
            self._at = places[-1] if places else len(self._text.rstrip())
            raise self._error(fact, hint=_AS_IN)
        return _assemble(options)

    def _is_at_end(self) -> bool:
        rest = self._text[self._at :].strip()
        if rest.startswith(";") and rest.strip("; \t\r\n"):
            raise self._error("a step is one command", hint="give each command a cmd* of its own")
        return not rest.strip(";")

    def _option(self) -> _Option:
        start = self._at
        option = _OPTION.match(self._text, start)
        if option is None:
            raise self._error(
                "expected -name=..., -project=... or -Dkey=...",
                hint="a value with spaces stands in quotes",
            )
        self._at = option.end()
        if option[1][0] in "dD" and "=" not in option[2]:
            raise self._error(f"expected '=' after -{option[1]}")
        return _Option(f"-{option[1]}", self._value(), start)

    def _value(self) -> str:
        """Everything up to the next space outside quotes and the first bracket."""
        start, parts = self._at, []
        if self._at < len(self._text) and self._text[self._at] in _CLOSING:
            parts.append(self._bracketed())
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in "'\"":
                parts.append(self._quoted(character))
            elif character == "\\" and _GAP.match(self._text, self._at).end() == self._at:  # type: ignore[union-attr]
                parts.append(character)
                self._at += 1
            else:
                bare = _BARE.match(self._text, self._at)
                if bare is None:
                    break
                parts.append(bare[0])
                self._at = bare.end()
                if not self._text[self._at :].strip():  # the semicolon that ends the command
                    parts[-1] = parts[-1].rstrip(";")
        if self._at == start:
            raise self._error("a value is missing", hint="an empty one is written as ''")
        return "".join(parts)

    def _quoted(self, quote: str) -> str:
        start = self._at
        pattern = r"'([^']*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"'
        found = re.compile(pattern, re.DOTALL).match(self._text, start)
        if found is None:
            raise self._error(f"this quote is never closed: {quote}")
        self._at = found.end()
        return found[1] if quote == "'" else re.sub(r'\\([\\"])', r"\1", found[1])

    def _bracketed(self) -> str:
        """A JSON value without quotes around it, as it stands."""
        start = self._at
        open_brackets: list[int] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in "'\"":
                self._quoted(character)
                continue
            if character in _CLOSING:
                open_brackets.append(self._at)
            elif character in _CLOSING.values():
                if _CLOSING[self._text[open_brackets[-1]]] != character:
                    raise self._error(f"{character!r} closes nothing here")
                open_brackets.pop()
            self._at += 1
            if not open_brackets:
                return self._text[start : self._at]
        self._at = open_brackets[-1]
        raise self._error(f"this bracket is never closed: {self._text[self._at]}")

    def _skip_gap(self) -> None:
        gap = _GAP.match(self._text, self._at)
        assert gap is not None
        self._at = gap.end()

    def _error(self, fact: str, *, hint: str = "") -> CommandSyntaxError:
        return CommandSyntaxError(self._text, self._at, fact, hint=hint)
