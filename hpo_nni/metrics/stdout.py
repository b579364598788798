r"""Metrics from what a job prints: one regular expression per metric, line by line.

A metric's key is an expression with one group, as in `validation: accuracy=([0-9\.]+)`; with
several, the one that is named `value`. The group is widened so that it also takes signs,
exponents, `nan` and `inf`: who writes `[0-9\.]+` means "the number", and half of `9.5e-05` would
be a wrong one. A key without a group and without anything else that makes it an expression is a
name: it is followed by `=`, `:` or blanks, and the number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpo_nni.errors import MetricError
from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.lines import LineSource
from hpo_nni.metrics.numeric import NUMBER, to_number, to_step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_SPECIAL = frozenset("\\[]{}()*+?^$|")
_TOKEN = re.compile(
    r"\\."  # an escape
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"  # a character class
    r"|\(\?#[^)]*\)"  # a comment
    r"|(?P<group>\((?:\?P<(?P<name>\w+)>|(?!\?)))",  # what opens a group that captures
    re.DOTALL,
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NAMED_NUMBER = re.compile(rf"([A-Za-z_][\w./@-]{{0,99}})[\"']?\s*[:=]\s*{NUMBER}")
_LOOK_AT_LINES = 2000
_MAX_SEEN = 100


class NumberPattern:
    r"""An expression and the group in it that is a number.

    >>> NumberPattern(r"accuracy=([0-9\.]+)").find("accuracy=9.5e-05, accuracy=nan")
    ['9.5e-05', 'nan']
    >>> NumberPattern("ndcg@10").find("recall 0.2  ndcg@10: 0.31")
    ['0.31']

    Raises:
        MetricError: it is no regular expression, or it does not say which group is the number.
    """

    def __init__(self, key: str) -> None:
        self._group: str | int = 1
        if not _SPECIAL & set(key):
            between = r"[\"']?(?:\s*[:=]\s*|\s+)" if key[-1:].isalnum() else r"\s*"
            self._regex = re.compile(rf"(?<![\w.@/-]){re.escape(key)}{between}({NUMBER})")
            return
        try:
            compiled = re.compile(key)
        except re.error as error:
            raise _not_an_expression(key, error) from None
        except (RecursionError, OverflowError) as error:
            raise MetricError(f"this expression is too large: {error}") from None
        if compiled.groups > 1 or "value" in compiled.groupindex:
            self._group = "value"
        if self._group not in {1, *compiled.groupindex} or not compiled.groups:
            raise _no_number(key, compiled.groups)
        self._regex = re.compile(_widen(key, self._group))

    def find(self, line: str) -> list[str]:
        """The texts of all numbers in a line; a group that took no part gives none."""
        group = self._group
        return [match[group] for match in self._regex.finditer(line) if match[group] is not None]


class StdoutSource(LineSource):
    """The metrics in one log file.

    The k-th match of a metric is its step k, also beyond a restart of the file, for a log does not
    tell where its trainer resumed. With `step_regex`, a line that matches it says the step of its
    own metrics and of those in the lines below; what stands above the first one is step 0.
    A carriage return ends a line too, so that each state of a progress bar counts.
    """

    line_ends = b"\r\n"
    line_bytes = 1 << 16

    def __init__(self, path: Path, metrics: Collection[str], *, step_regex: str = "") -> None:
        super().__init__(path)
        self._patterns = {key: NumberPattern(key) for key in metrics}
        self._step_pattern = NumberPattern(step_regex) if step_regex else None
        self._step = 0
        self._counts = dict.fromkeys(metrics, 0)
        self._seen: dict[str, None] = {}

    @classmethod
    def open(cls, path: Path, metrics: Sequence[str], options: Mapping[str, str]) -> StdoutSource:
        """The door for `open_source`; the option is `step_regex`."""
        return cls(path, metrics, step_regex=options.get("step_regex", ""))

    @staticmethod
    def check(where: str, text: str) -> None:
        """Raise MetricError for a key or a `step_regex` that cannot be used."""
        del where
        NumberPattern(text)

    @property
    def seen(self) -> Collection[str]:
        """The keys that matched, and what else in the first lines looks like `name=number`."""
        return self._seen.keys()

    def _read_line(self, line: str) -> Iterable[MetricPoint]:
        if not line:
            return []
        line = _ANSI.sub("", line) if "\x1b" in line else line
        if self._lines <= _LOOK_AT_LINES:
            self._look(line)
        if self._step_pattern is not None:
            self._take_step(line)
        points: dict[int, dict[str, float]] = {}
        for key, pattern in self._patterns.items():
            for text in pattern.find(line):
                self._take(key, text, points)
        return [MetricPoint(step, values) for step, values in points.items()]

    _read_cut_line = _read_line

    def _take(self, key: str, text: str, points: dict[int, dict[str, float]]) -> None:
        number = to_number(text)
        if number is None:
            self._damage.report(f"line {self._lines}: {text!r}, which {key!r} found, is no number")
            return
        self._counts[key] += 1
        self._seen[key] = None
        step = self._counts[key] if self._step_pattern is None else self._step
        points.setdefault(step, {})[key] = number

    def _take_step(self, line: str) -> None:
        assert self._step_pattern is not None
        for text in self._step_pattern.find(line)[:1]:
            step = to_step(text)
            if step is None:
                self._damage.report(
                    f"line {self._lines}: {text!r}, which step_regex found, is no step"
                )
            else:
                self._step = step

    def _look(self, line: str) -> None:
        if len(self._seen) < _MAX_SEEN:
            self._seen.update(dict.fromkeys(_NAMED_NUMBER.findall(line)))


def _not_an_expression(key: str, error: re.error) -> MetricError:
    caret = f"\n    {key}\n    {' ' * error.pos}^" if error.pos is not None else ""
    return MetricError(
        f"not a regular expression: {error.msg}{caret}",
        hint="characters such as ( [ * + ? have a meaning; a backslash takes it away",
    )


def _no_number(key: str, groups: int) -> MetricError:
    if not groups:
        return MetricError(
            f"{key!r} has no group that holds the number",
            hint="put parentheses round the number, as in accuracy=([0-9.]+)",
        )
    return MetricError(
        f"{key!r} has {groups} groups, and none of them is named 'value'",
        hint="write (?P<value>...) for the number, or (?:...) for the others",
    )


def _widen(key: str, group: str | int) -> str:
    """Let the group that holds the number take any number."""
    opened = (match for match in _TOKEN.finditer(key) if match["group"])
    at = next(match.end() for match in opened if group in (1, match["name"]))
    return f"{key[:at]}{NUMBER}|{key[at:]}"
