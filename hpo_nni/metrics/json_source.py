"""Metrics from JSON: a file of one object per line, or one document that is written again.

A file called `*.jsonl` or `*.ndjson` has lines. Of any other, its content tells: where it is no
document as a whole but has a line that is an object by itself, it has lines.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from hpo_nni.metrics.damage import Damage, Presence
from hpo_nni.metrics.json_keys import JsonKey, PointReader
from hpo_nni.metrics.lines import LineSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from hpo_nni.metrics.base import MetricPoint, MetricSource

MAX_DOCUMENT_BYTES = 1 << 26
_LINE_SUFFIXES = {".jsonl", ".ndjson"}
_UNREADABLE = (ValueError, RecursionError)


class JsonLinesSource(LineSource):
    """One object per line; without a step, the k-th object that has a metric is step k."""

    def __init__(self, path: Path, metrics: Collection[str], *, step_key: str = "") -> None:
        super().__init__(path)
        self._reader = PointReader(metrics, step_key, self._damage)
        self._position = 0

    @property
    def seen(self) -> Collection[str]:
        """The paths of the numbers in the objects."""
        return self._reader.seen.keys()

    def _read_line(self, line: str) -> Iterable[MetricPoint]:
        if not line.strip():
            return ()
        where = f"line {self._lines}"
        try:
            record = json.loads(line)
        except _UNREADABLE as error:
            self._damage.report(f"{where} is not JSON: {error}")
            return ()
        if not isinstance(record, dict):
            self._damage.report(f"{where} is JSON, but no object")
            return ()
        point = self._reader.record(record, self._position + 1, where)
        if point is None:
            return ()
        self._position += 1
        return (point,)


class JsonSource:
    """A JSON file of whichever form its content shows.

    A document is read again when its time, length or inode has changed, and gives the points that
    are new or different: of an object, one per version (the k-th version is step k if it says no
    step); of a list of objects, one for each; of an object whose metrics are lists, one for each
    entry. A half-written document is read at its next change, and is damage only in the end.
    """

    def __init__(self, path: Path, metrics: Sequence[str], *, step_key: str = "") -> None:
        self._path = path
        self._metrics = metrics
        self._step_key = step_key
        self._damage = Damage(str(path))
        self._presence = Presence(path)
        self._reader = PointReader(metrics, step_key, self._damage)
        self._signature: tuple[int, ...] = ()
        self._content = 0
        self._given: list[str] = []
        self._versions = 0
        self._lines: JsonLinesSource | None = None

    @classmethod
    def open(cls, path: Path, metrics: Sequence[str], options: Mapping[str, str]) -> MetricSource:
        """The door for `open_source`; the option is `step_key`."""
        step_key = options.get("step_key", "")
        if path.suffix in _LINE_SUFFIXES:
            return JsonLinesSource(path, metrics, step_key=step_key)
        return cls(path, metrics, step_key=step_key)

    @staticmethod
    def check(where: str, text: str) -> None:
        """Raise MetricError for a key that cannot be used."""
        del where
        JsonKey(text)

    @property
    def damaged(self) -> int:
        """How many records could not be used; those of a document, each time it was read."""
        return self._damage.count + (self._lines.damaged if self._lines else 0)

    @property
    def seen(self) -> Collection[str]:
        """The paths of the numbers in the document or the lines."""
        return (self._lines or self._reader).seen

    def poll(self) -> list[MetricPoint]:
        """Return what is new; costs one `stat` where nothing is."""
        if self._lines is not None:
            return self._lines.poll()
        data = self._read_if_changed()
        return self._take(data, is_final=False) if data is not None else []

    def finish(self) -> list[MetricPoint]:
        """Return what is left; a document that still is none is damage now."""
        found: list[MetricPoint] = []
        if self._lines is None:
            self._signature = ()
            data = self._read_if_changed()
            found = self._take(data, is_final=True) if data is not None else []
        return found + self._lines.finish() if self._lines is not None else found

    def account(self) -> str:
        """Whether there is a document, and of how many versions."""
        if self._lines is not None:
            return self._lines.account()
        if self._presence.absence and not self._versions:
            return f"{self._path} {self._presence.absence}"
        return f"{self._path} was read in {self._versions} version(s)"

    def _read_if_changed(self) -> bytes | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a third of what Path.stat costs
            if self._signed(status) == self._signature:
                return None
            with self._path.open("rb") as file:
                self._signature = self._signed(os.fstat(file.fileno()))
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError as error:
            self._presence.lost(error)
            return None
        self._presence.found()
        if len(data) > MAX_DOCUMENT_BYTES:
            self._damage.report(f"is longer than {MAX_DOCUMENT_BYTES} bytes and is not read")
            return None
        return data

    def _signed(self, status: os.stat_result) -> tuple[int, ...]:
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _take(self, data: bytes, *, is_final: bool) -> list[MetricPoint]:
        if hash(data) == self._content:
            return []
        text = data.decode("utf-8-sig", "replace")
        try:
            document = json.loads(text)
        except _UNREADABLE as error:
            if _has_lines(text):
                return self._switch_to_lines()
            if is_final and text.strip():
                self._damage.report(f"is no JSON document: {error}")
            return []
        self._content = hash(data)
        return self._news(document)

    def _news(self, document: Any) -> list[MetricPoint]:
        """The points that the last version did not have."""
        points = self._reader.document(document, self._versions + 1)
        self._versions += 1
        before, self._given = self._given, [repr(point) for point in points]
        return [
            point
            for index, point in enumerate(points)
            if index >= len(before) or self._given[index] != before[index]
        ]

    def _switch_to_lines(self) -> list[MetricPoint]:
        """It has lines after all; while it had only one, that was a document."""
        self._lines = JsonLinesSource(self._path, self._metrics, step_key=self._step_key)
        found = self._lines.poll()
        is_given = [repr(point) for point in found[: len(self._given)]] == self._given
        return found[len(self._given) :] if is_given else found


def _has_lines(text: str) -> bool:
    """Whether some line is an object by itself, from its first column on."""
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                json.loads(line)
            except _UNREADABLE:
                continue
            return True
    return False
