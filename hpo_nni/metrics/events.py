"""Metrics from a directory of TensorBoard event files.

Files are read in the order of their names, which begin with the time of their creation; each
scalar record is a point of its own. A file that appears beside others is followed like them: a
restarted trainer's points come after the old ones, with whatever steps it gives them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hpo_nni.metrics.damage import Damage, Presence
from hpo_nni.metrics.growing import GrowingFile
from hpo_nni.metrics.scalars import ScalarDecoder
from hpo_nni.metrics.tfrecord import RecordReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from hpo_nni.metrics.base import MetricPoint
    from hpo_nni.metrics.growing import Chunk

_MARK = ".tfevents."
_POLL_BYTES = 1 << 20  # twenty thousand scalars, whose points take five times as much
_OPEN_FILES = 32  # older files hardly grow, and there may be thousands of them


class EventSource:
    """The scalars in one directory of event files, or in one such file.

    Subdirectories are not searched: `eval_val/` below a model's directory is a source of its own.
    """

    def __init__(self, path: Path, metrics: Collection[str]) -> None:
        self._path = path
        self._damage = Damage(str(path))
        self._presence = Presence(path)
        self._decoder = ScalarDecoder(metrics, self._damage)
        self._files: dict[str, _EventFile] = {}

    @classmethod
    def open(cls, path: Path, metrics: Sequence[str], options: Mapping[str, str]) -> EventSource:
        """The door for `open_source`; event files have no options."""
        del options
        return cls(path, metrics)

    @property
    def damaged(self) -> int:
        """How many records could not be used."""
        return self._damage.count

    @property
    def seen(self) -> Collection[str]:
        """The tags of all scalars so far."""
        return self._decoder.seen.keys()

    def poll(self) -> list[MetricPoint]:
        """Return what is new; costs a listing of the directory and one `stat` per event file."""
        self._look()
        found = []
        for file in self._files.values():
            for records in file.records(file.growing.read(_POLL_BYTES)):
                found += self._decoder.points(records)
        for file in list(self._files.values())[:-_OPEN_FILES]:
            file.growing.release()
        return found

    def finish(self) -> list[MetricPoint]:
        """Return what is left; a half-written last record is damage now."""
        self._look()
        found = []
        for file in self._files.values():
            for records in file.records(file.growing.drain()):
                found += self._decoder.points(records)
            file.growing.release()
            if file.reader.half_written:
                self._damage.report(
                    f"{file.growing.path.name} ends in the middle of a record;"
                    f" its last {file.reader.half_written} bytes are not used"
                )
        return found

    def account(self) -> str:
        """How many event files there are."""
        if not self._files:
            return f"{self._path} {self._presence.absence or 'has no event files'}"
        return f"{self._path} has {len(self._files)} event file(s)"

    def _look(self) -> None:
        """Take up event files that have appeared."""
        try:
            with os.scandir(self._path) as entries:
                names = [entry.name for entry in entries if _MARK in entry.name]
        except NotADirectoryError:
            self._follow(self._path)
            return
        except OSError as error:
            self._presence.lost(error)
            return
        self._presence.found()
        if any(name not in self._files for name in names):
            for name in sorted(names):
                self._follow(self._path / name)
            self._files = dict(sorted(self._files.items()))

    def _follow(self, path: Path) -> None:
        if path.name not in self._files:
            self._files[path.name] = _EventFile(path, self._damage)


class _EventFile:
    """One event file; a new one under the same name begins anew."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self.growing = GrowingFile(path)
        self.reader = RecordReader(damage)
        self._damage = damage

    def records(self, chunks: Iterable[Chunk]) -> Iterable[list[bytes]]:
        for data, begins in chunks:
            if begins:
                self.reader = RecordReader(self._damage)
            yield self.reader.feed(data)
