"""Sources that are text files of one record per line: what they have in common."""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING

from hpo_nni.metrics.damage import Damage
from hpo_nni.metrics.growing import GrowingFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from hpo_nni.metrics.base import MetricPoint
    from hpo_nni.metrics.growing import Chunk


class LineSplitter:
    """Cuts bytes, in pieces of any size, into lines of bounded length.

    Args:
        ends: the single bytes that end a line.
        limit: what is kept of a longer line, in bytes.
    """

    def __init__(self, ends: bytes, limit: int) -> None:
        self._end = re.compile(b"[" + re.escape(ends) + b"]")
        self._limit = limit
        self._rest = b""
        self._is_cut = False

    def feed(self, data: bytes) -> Iterable[tuple[bytes, bool]]:
        """Yield the lines that `data` completes, each with whether it was cut."""
        *whole, rest = self._end.split(data)
        for line in whole:
            yield self._take(line)
        self._hold(rest)

    def flush(self) -> Iterable[tuple[bytes, bool]]:
        """Yield the last line, if it has no end."""
        if self._rest:
            yield self._take(b"")

    def _take(self, line: bytes) -> tuple[bytes, bool]:
        self._hold(line)
        taken = (self._rest, self._is_cut)
        self._rest, self._is_cut = b"", False
        return taken

    def _hold(self, data: bytes) -> None:
        room = self._limit - len(self._rest)
        self._is_cut = self._is_cut or len(data) > room
        self._rest += data[:room]


class LineSource(abc.ABC):
    """A growing text file; a subclass says what one line means.

    Bytes that are no UTF-8 become U+FFFD. When the file begins anew, an unfinished last line of
    the old one is forgotten.

    Attributes:
        line_ends: the single bytes that end a line.
        line_bytes: what is kept of a longer line, which is reported.
    """

    line_ends = b"\n"
    line_bytes = 1 << 20

    def __init__(self, path: Path) -> None:
        self._path = path
        self._damage = Damage(str(path))
        self._growing = GrowingFile(path)
        self._splitter = LineSplitter(self.line_ends, self.line_bytes)
        self._lines = 0

    @property
    def damaged(self) -> int:
        """How many records could not be used."""
        return self._damage.count

    @property
    @abc.abstractmethod
    def seen(self) -> Collection[str]:
        """The names that did occur."""

    @abc.abstractmethod
    def _read_line(self, line: str) -> Iterable[MetricPoint]:
        """Return the points of one line, which comes without its end."""

    def _read_cut_line(self, line: str) -> Iterable[MetricPoint]:
        """Return what the beginning of a line that was too long gives; it is reported already."""
        del line
        return ()

    def _begin(self) -> None:  # noqa: B027 - most lines stand for themselves
        """Forget what was known of the old file; a new one begins."""

    def poll(self) -> list[MetricPoint]:
        """Return what is new; costs one `stat` where nothing is."""
        return self._read(self._growing.read())

    def finish(self) -> list[MetricPoint]:
        """Return what is left, a last line without an end included."""
        found = self._read(self._growing.drain())
        self._growing.release()
        for line, is_cut in self._splitter.flush():
            found += self._one(line, is_cut=is_cut)
        return found

    def account(self) -> str:
        """How many lines were read."""
        absence = self._growing.presence.absence
        if absence and not self._lines:
            return f"{self._path} {absence}"
        return f"{self._path} has {self._lines} line(s)"

    def _read(self, chunks: Iterable[Chunk]) -> list[MetricPoint]:
        found: list[MetricPoint] = []
        for data, begins in chunks:
            if begins:
                self._splitter = LineSplitter(self.line_ends, self.line_bytes)
                self._lines = 0
                self._begin()
            for line, is_cut in self._splitter.feed(data):
                found += self._one(line, is_cut=is_cut)
        return found

    def _one(self, line: bytes, *, is_cut: bool) -> Iterable[MetricPoint]:
        self._lines += 1
        text = line.decode("utf-8", "replace").rstrip("\r")
        if is_cut:
            self._damage.report(f"line {self._lines} has more than {self.line_bytes} bytes")
            return self._read_cut_line(text)
        return self._read_line(text.removeprefix("\ufeff") if self._lines == 1 else text)
