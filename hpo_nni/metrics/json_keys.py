"""Where a metric lies in a JSON value, and the points that records and documents give.

A key is the name of a member, a path such as `eval.auc` or `folds[0].auc` (a member that has the
whole path as its name goes first), or a JSONPath, which begins with `$`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import MetricError
from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.numeric import first_step, step_keys, to_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hpo_nni.metrics.damage import Damage

MAX_SEEN = 200
_MAX_DEPTH = 5
_TOKEN = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")


class JsonKey:
    """One key.

    >>> JsonKey("folds[-1].auc").find({"folds": [{"auc": 0.5}, {"auc": 0.75}]})
    0.75

    Raises:
        MetricError: a JSONPath that cannot be parsed.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._path: tuple[str | int, ...] = ()
        self._jsonpath: Any = _parse_jsonpath(key) if key.startswith("$") else None
        matches = list(_TOKEN.finditer(key))
        if "".join(match[0] for match in matches) == key:
            self._path = tuple(match[1] or int(match[2]) for match in matches)

    def find(self, value: Any) -> Any:
        """What lies there: None where nothing does; a list for a JSONPath with several matches."""
        if self._jsonpath is not None:
            found = [match.value for match in self._jsonpath.find(value)]
            return found[0] if len(found) == 1 else found or None
        if isinstance(value, dict) and self.key in value:
            return value[self.key]
        for token in self._path or (self.key,):
            if isinstance(token, str) and isinstance(value, dict):
                value = value.get(token)
            elif isinstance(token, int) and isinstance(value, list):
                value = value[token] if -len(value) <= token < len(value) else None
            else:
                return None
        return value


def _parse_jsonpath(key: str) -> Any:
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415 - slow, and few keys are JSONPaths

    try:
        return parse(key)
    except Exception as error:
        raise MetricError(
            f"{key!r} is no JSONPath: {error}", hint="as in $.eval.auc or $.history[*].auc"
        ) from error


class PointReader:
    """Reads the wanted metrics and the step out of JSON values.

    Attributes:
        seen: the paths of numbers that occurred, the first two hundred.
    """

    def __init__(self, metrics: Collection[str], step_key: str, damage: Damage) -> None:
        self._metrics = [JsonKey(key) for key in metrics]
        self._steps = [JsonKey(key) for key in step_keys(step_key)]
        self._must_have_step = bool(step_key)
        self._damage = damage
        self.seen: dict[str, None] = {}

    def record(self, record: dict[str, Any], position: int, where: str) -> MetricPoint | None:
        """The point of one object; None if it has none of the metrics.

        Args:
            record: the object.
            position: its step, if it does not say one.
            where: what to call it in reports of damage.
        """
        self._look(record)
        values = {}
        for key in self._metrics:
            value = key.find(record)
            number = to_number(value)
            if number is not None:
                values[key.key] = number
            elif value is not None:
                self._damage.report(f"{where}: {key.key!r} is {_short(value)}, which is no number")
        if not values:
            return None
        step = first_step(key.find(record) for key in self._steps)
        if step is None and self._must_have_step:
            self._damage.report(f"{where} has no step under {self._steps[0].key!r}")
            return None
        return MetricPoint(position if step is None else step, values)

    def document(self, document: Any, version: int) -> list[MetricPoint]:
        """The points of a whole document: a record, a list of records, or lists of values.

        A single record that says no step has its version as its step.
        """
        if isinstance(document, list):
            return [
                point
                for position, record in enumerate(document, start=1)
                if isinstance(record, dict)
                and (point := self.record(record, position, f"record {position}")) is not None
            ]
        if not isinstance(document, dict):
            return []
        columns = {key.key: key.find(document) for key in self._metrics}
        if any(isinstance(column, list) for column in columns.values()):
            self._look(document)
            return list(self._rows(document, columns))
        point = self.record(document, version, "the document")
        return [point] if point is not None else []

    def _rows(self, document: dict[str, Any], columns: dict[str, Any]) -> Iterator[MetricPoint]:
        """The points of metrics that are lists: the k-th entries belong together."""
        lists = {name: column for name, column in columns.items() if isinstance(column, list)}
        steps = next(
            (found for key in self._steps if isinstance(found := key.find(document), list)), []
        )
        for index in range(max(map(len, lists.values()))):
            values = {
                name: number
                for name, column in lists.items()
                if index < len(column) and (number := to_number(column[index])) is not None
            }
            step = first_step(steps[index : index + 1])
            if values:
                yield MetricPoint(index + 1 if step is None else step, values)

    def _look(self, value: Any, path: str = "", depth: int = 0) -> None:
        """Remember the paths of the numbers in a value."""
        if len(self.seen) >= MAX_SEEN or depth > _MAX_DEPTH:
            return
        if isinstance(value, dict):
            for name, inner in value.items():
                self._look(inner, f"{path}.{name}" if path else name, depth + 1)
        elif isinstance(value, list):
            for index, inner in enumerate(value[:3]):
                self._look(inner, f"{path}[{index}]", depth + 1)
        elif path and to_number(value) is not None:
            self.seen[path] = None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
