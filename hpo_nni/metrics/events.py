"""Metrics from a directory of TensorBoard event files.

Files are read in the order of their names, which begin with the time of their creation; each
scalar record is a point of its own. A file that appears beside others is followed like them: a
restarted trainer's points come after the old ones, with whatever steps it gives them.

Where the files are is a folder's business (see `remote.py` for those that are not on this machine).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hpo_nni.metrics.damage import Damage, Presence
from hpo_nni.metrics.growing import GrowingFile
from hpo_nni.metrics.scalars import ScalarDecoder
from hpo_nni.metrics.tfrecord import RecordReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hpo_nni.metrics.base import MetricPoint
    from hpo_nni.metrics.growing import Chunk

MARK = ".tfevents."  # in the name of every event file
_POLL_BYTES = 1 << 20  # twenty thousand scalars, whose points take five times as much
_OPEN_FILES = 32  # older files hardly grow, and there may be thousands of them


class Growing(Protocol):
    """A file that grows; `GrowingFile` says what is promised."""

    def read(self, limit: int) -> Iterator[Chunk]:
        """Yield what is new, at most about `limit` bytes."""
        ...

    def drain(self) -> Iterator[Chunk]:
        """Yield everything that is left."""
        ...

    def release(self) -> None:
        """Let go of what is held between reads."""
        ...


class EventFolder(Protocol):
    """Where event files are."""

    @property
    def absence(self) -> str:
        """Why it cannot be read, as the end of a sentence about it; empty if it can."""
        ...

    def look(self) -> Mapping[str, Growing]:
        """Return all event files that have been seen, by name and in the order of names."""
        ...

    def __str__(self) -> str: ...


class EventSource:
    """The scalars in one directory of event files, or in one such file.

    Subdirectories are not searched: `eval_val/` below a model's directory is a source of its own.
    """

    def __init__(self, place: Path | EventFolder, metrics: Collection[str]) -> None:
        self._folder = LocalFolder(place) if isinstance(place, Path) else place
        self._damage = Damage(str(place))
        self._decoder = ScalarDecoder(metrics, self._damage)
        self._files: dict[str, _EventFile] = {}

    @classmethod
    def open(
        cls, path: Path | EventFolder, metrics: Sequence[str], options: Mapping[str, str]
    ) -> EventSource:
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
        for name, file in self._files.items():
            for records in file.records(file.growing.drain()):
                found += self._decoder.points(records)
            file.growing.release()
            if file.reader.half_written:
                self._damage.report(
                    f"{name} ends in the middle of a record;"
                    f" its last {file.reader.half_written} bytes are not used"
                )
        return found

    def account(self) -> str:
        """How many event files there are."""
        if not self._files:
            return f"{self._folder} {self._folder.absence or 'has no event files'}"
        return f"{self._folder} has {len(self._files)} event file(s)"

    def _look(self) -> None:
        """Take up event files that have appeared."""
        found = self._folder.look()
        if len(found) == len(self._files):
            return
        known = self._files
        self._files = {
            name: known.get(name) or _EventFile(growing, self._damage)
            for name, growing in found.items()
        }


class LocalFolder:
    """A directory of event files on this machine, or one such file; costs one listing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._presence = Presence(path)
        self._files: dict[str, GrowingFile] = {}

    @property
    def absence(self) -> str:
        """Why it cannot be read; empty if it can."""
        return self._presence.absence

    def look(self) -> dict[str, GrowingFile]:
        """Return all event files that have been seen."""
        try:
            with os.scandir(self._path) as entries:
                names = [entry.name for entry in entries if MARK in entry.name]
        except NotADirectoryError:
            return self._files or self._follow([self._path])
        except OSError as error:
            self._presence.lost(error)
            return self._files
        self._presence.found()
        if all(name in self._files for name in names):
            return self._files
        return self._follow([self._path / name for name in names])

    def _follow(self, paths: Iterable[Path]) -> dict[str, GrowingFile]:
        for path in paths:
            self._files.setdefault(path.name, GrowingFile(path))
        self._files = dict(sorted(self._files.items()))
        return self._files

    def __str__(self) -> str:
        return str(self._path)


class _EventFile:
    """One event file; a new one under the same name begins anew."""

    def __init__(self, growing: Growing, damage: Damage) -> None:
        self.growing = growing
        self.reader = RecordReader(damage)
        self._damage = damage

    def records(self, chunks: Iterable[Chunk]) -> Iterable[list[bytes]]:
        for data, begins in chunks:
            if begins:
                self.reader = RecordReader(self._damage)
            yield self.reader.feed(data)
