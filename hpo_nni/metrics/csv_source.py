"""Metrics from a table in CSV whose first line names its columns."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.lines import LineSource
from hpo_nni.metrics.numeric import first_step, step_keys, to_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_MAX_ROW = 1 << 16  # characters in quotes; without a bound a lone quote would swallow the rest
_DELIMITERS = (",", "\t", ";")


class CsvSource(LineSource):
    """The rows of one file; the delimiter is the first of comma, tab, semicolon in its header.

    Without a step column, the k-th row is step k. Empty cells are metrics that were not measured.
    A row without any number that names a wanted metric or the step is a new header, as after a
    restart; a row that has more or fewer cells than the header is damaged. Quoted cells may hold
    delimiters and line ends.
    """

    def __init__(self, path: Path, metrics: Collection[str], *, step_key: str = "") -> None:
        super().__init__(path)
        self._metrics = tuple(metrics)
        self._step_keys = step_keys(step_key)
        self._must_have_step = bool(step_key)
        self._delimiter = ","
        self._columns: list[str] = []
        self._pending = ""  # the lines of a row whose quotes are still open
        self._rows = 0
        self._seen: dict[str, None] = {}

    @classmethod
    def open(cls, path: Path, metrics: Sequence[str], options: Mapping[str, str]) -> CsvSource:
        """The door for `open_source`; the option is `step_key`."""
        return cls(path, metrics, step_key=options.get("step_key", ""))

    @property
    def seen(self) -> Collection[str]:
        """The names of the columns."""
        return self._seen.keys()

    def finish(self) -> list[MetricPoint]:
        """Return what is left, a last line without an end included."""
        found = super().finish()
        if self._pending:
            self._damage.report(f"line {self._lines}: the file ends within quotes")
        return found

    def _begin(self) -> None:
        self._columns = []
        self._pending = ""

    def _read_line(self, line: str) -> Iterable[MetricPoint]:
        text = self._pending + line
        self._pending = ""
        if not text.strip():
            return ()
        if not self._columns:
            self._delimiter = next((sign for sign in _DELIMITERS if sign in text), ",")
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                self._damage.report(f"line {self._lines}: {error}")
            elif len(text) > _MAX_ROW:
                self._damage.report(f"line {self._lines}: quotes that are not closed")
            else:
                self._pending = text + "\n"
            return ()
        return self._read_row([cell.strip() for cell in cells])

    def _read_row(self, cells: list[str]) -> Iterable[MetricPoint]:
        if self._is_header(cells):
            self._columns = cells
            self._seen.update(dict.fromkeys(cells))
            return ()
        if len(cells) != len(self._columns):
            self._damage.report(
                f"line {self._lines} has {len(cells)} cells, the header {len(self._columns)}"
            )
            return ()
        self._rows += 1
        row = dict(zip(self._columns, cells, strict=True))
        step = first_step(row.get(key) for key in self._step_keys)
        if step is None and self._must_have_step:
            self._damage.report(f"line {self._lines} has no step under {self._step_keys[0]!r}")
            return ()
        values = self._values(row)
        return (MetricPoint(self._rows if step is None else step, values),) if values else ()

    def _is_header(self, cells: list[str]) -> bool:
        if not self._columns:
            return True
        names = {*self._metrics, *self._step_keys}
        return not names.isdisjoint(cells) and all(to_number(cell) is None for cell in cells)

    def _values(self, row: Mapping[str, str]) -> dict[str, float]:
        values = {}
        for name in self._metrics:
            cell = row.get(name, "")
            number = to_number(cell)
            if number is not None:
                values[name] = number
            elif cell:
                self._damage.report(f"line {self._lines}: {name} is {cell!r}, no number")
        return values
