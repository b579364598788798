"""Metrics from rows that a statement selects: each row a step, each column a metric."""

from __future__ import annotations

import errno
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from hpo_nni.errors import PlatformError
from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.damage import Damage, Presence
from hpo_nni.metrics.numeric import step_keys, to_number, to_step

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

logger = logging.getLogger(__name__)

_SHOWN = 60  # characters of a statement in messages


class Selected(Protocol):
    """What a statement gave."""

    @property
    def columns(self) -> Sequence[str]:
        """Their names, as the service spells them."""
        ...

    @property
    def rows(self) -> Sequence[Sequence[object]]:
        """A value for each column; None for NULL."""
        ...


class TableReader(Protocol):
    """What is needed of a service that has tables; all of it raises PlatformError."""

    def begin(self, statement: str) -> str:
        """Submit a statement; returns what `result` takes."""
        ...

    def result(self, query: str) -> Selected | None:
        """Return what it selected; None while it runs."""
        ...

    def select(self, statement: str) -> Selected:
        """Submit a statement, and wait for what it selects with all the patience there is."""
        ...


class Statement:
    """A statement and who can run it: for tables what a path is for files."""

    def __init__(self, text: str, reader: TableReader) -> None:
        self.text = text
        self.reader = reader

    def __str__(self) -> str:
        words = " ".join(self.text.split())
        return words if len(words) <= _SHOWN else f"{words[:_SHOWN]} ..."


class TableSource:
    """The rows of one statement, which is run again at each poll that finds it ended.

    A row gives a point: under `step_key`, or `step`, `global_step`, `epoch`, else the k-th row is
    step k. NULL is a metric that was not measured; NaN and infinity are values. Rows that are new
    or different since the last time are given. Columns are found in any case of letters, for the
    service may not keep it.
    """

    def __init__(self, statement: Statement, metrics: Sequence[str], *, step_key: str = "") -> None:
        self._statement = statement
        self._metrics = tuple(metrics)
        self._step_keys = step_keys(step_key)
        self._must_have_step = bool(step_key)
        self._damage = Damage(str(statement))
        self._presence = Presence(str(statement))
        self._query = ""
        self._last: list[tuple[object, ...]] | None = None
        self._given: list[str] = []
        self._seen: dict[str, None] = {}
        self._rows = 0

    @classmethod
    def open(
        cls, path: Statement, metrics: Sequence[str], options: Mapping[str, str]
    ) -> TableSource:
        """The door for `open_source`; the option is `step_key`."""
        return cls(path, metrics, step_key=options.get("step_key", ""))

    @property
    def damaged(self) -> int:
        """How many cells were no numbers; each time the rows had changed."""
        return self._damage.count

    @property
    def seen(self) -> Collection[str]:
        """The names of the columns."""
        return self._seen.keys()

    def poll(self) -> list[MetricPoint]:
        """Return what the last statement has selected anew, and submit it again if it has ended."""
        reader = self._statement.reader
        try:
            selected = reader.result(self._query) if self._query else None
            if selected is not None or not self._query:
                self._query = ""
                self._query = reader.begin(self._statement.text)
        except PlatformError as error:
            self._query = ""
            self._lost(error)
            return []
        return [] if selected is None else self._take(selected)

    def finish(self) -> list[MetricPoint]:
        """Run the statement once more, now that nothing is written any more.

        Raises:
            PlatformError: it worked before and does not now, so the score may be in what is
                missing. Of one that never worked, `account` tells.
        """
        try:
            return self._take(self._statement.reader.select(self._statement.text))
        except PlatformError as error:
            if self._last is not None:
                raise
            self._lost(error)
            return []

    def account(self) -> str:
        """Whether the statement worked, and how many rows it gave."""
        if self._presence.absence:
            return f"{self._statement} {self._presence.absence}"
        return f"{self._statement} gave {self._rows} row(s)"

    def _lost(self, error: PlatformError) -> None:
        self._presence.lost(OSError(errno.EIO, error.message))

    def _take(self, selected: Selected) -> list[MetricPoint]:
        """The points that the last rows did not have."""
        self._presence.found()
        self._seen.update(dict.fromkeys(selected.columns))
        rows = [tuple(row) for row in selected.rows]
        self._rows = len(rows)
        if rows == self._last:
            return []
        self._last = rows
        places = self._places(selected.columns)
        points = [
            point
            for number, row in enumerate(rows, start=1)
            if (point := self._point(number, row, places)) is not None
        ]
        before, self._given = set(self._given), [repr(point) for point in points]
        news = zip(points, self._given, strict=True)
        return [point for point, shown in news if shown not in before]

    def _places(self, columns: Sequence[str]) -> dict[str, int]:
        exact = {name: place for place, name in enumerate(columns)}
        folded = {name.lower(): place for place, name in enumerate(columns)}
        found = {
            name: exact.get(name, folded.get(name.lower()))
            for name in (*self._step_keys, *self._metrics)
        }
        return {name: place for name, place in found.items() if place is not None}

    def _point(
        self, number: int, row: tuple[object, ...], places: Mapping[str, int]
    ) -> MetricPoint | None:
        steps = [_plain(row[places[key]]) for key in self._step_keys if key in places]
        step = next((found for one in steps if (found := to_step(one)) is not None), None)
        if step is None and self._must_have_step:
            self._damage.report(f"row {number} has no step under {self._step_keys[0]!r}")
            return None
        values = {}
        for name in self._metrics:
            cell = _plain(row[places[name]]) if name in places else None
            value = to_number(cell)
            if value is not None:
                values[name] = value
            elif cell is not None:
                self._damage.report(f"row {number}: {name} is {cell!r}, no number")
        return MetricPoint(number if step is None else step, values) if values else None


def _plain(cell: object) -> object:
    """A decimal as a float; every other cell as it is."""
    return float(cell) if isinstance(cell, Decimal) else cell
