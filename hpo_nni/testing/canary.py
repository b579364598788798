"""Looking for secrets where none may be: in files, texts, arguments and environments.

A value is found plain, URL-encoded, JSON-escaped, and within anything that is base64, as NNI's
arguments are. Nothing here shares code with what hides secrets (`hpo_nni/secrets.py`).
"""

from __future__ import annotations

import binascii
import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PAUSE = 0.25


class Canaries:
    """Values that would be noticed anywhere.

    >>> canaries = Canaries(["s3cr/t+Value="])
    >>> canaries.found_in(b"k=s3cr%2Ft%2BValue%3D"), canaries.found_in(b"nothing here")
    (True, False)
    >>> import base64
    >>> canaries.found_in(base64.b64encode(b'{"key": "s3cr/t+Value="}'))
    True
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._values = [value.encode() for value in values]

    def found_in(self, data: bytes) -> bool:
        """Whether any of the values stands there, in whatever spelling."""
        return any(self._is_in(one) for one in (data, *_decoded(data)))

    def files(self, folder: Path, before: Iterable[Path] = ()) -> list[Path]:
        """The files below a folder that hold one; those in `before` are not looked at."""
        known = set(before)
        return [
            path
            for path in sorted(folder.rglob("*"))
            if path not in known and not path.is_symlink() and path.is_file() and self._in(path)
        ]

    def _in(self, path: Path) -> bool:
        try:
            return self.found_in(path.read_bytes())
        except FileNotFoundError:  # it was a temporary one
            return False

    def _is_in(self, data: bytes) -> bool:
        texts = (data, unquote_to_bytes(data), unquote_to_bytes(data.replace(b"+", b"%20")))
        spelt = (*texts, _ESCAPE.sub(_unescaped, data)) if b"\\" in data else texts
        return any(value in text for value in self._values for text in spelt)


class ProcessWatch:
    """Reads `/proc/*/cmdline` and `environ` again and again, for the length of a `with` block.

    Args:
        mark: processes that have this in their arguments or environment are looked at.
        canaries: what must not be in any of their arguments.
        private: what must not be in their environments either.

    Attributes:
        seen: how many different processes were looked at.
        findings: `place: command` of everything that was found.
    """

    def __init__(self, mark: str, canaries: Canaries, private: Canaries) -> None:
        self._mark = mark.encode()
        self._canaries = canaries
        self._private = private
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._known: set[tuple[int, bytes]] = set()
        self.findings: list[str] = []

    @property
    def seen(self) -> int:
        """See the class."""
        return len(self._known)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            for folder in Path("/proc").glob("[0-9]*"):
                self._look(folder)

    def _look(self, folder: Path) -> None:
        try:
            arguments = (folder / "cmdline").read_bytes()
            key = (int(folder.name), arguments)
            if key in self._known:
                return
            environment = (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is not ours
            return
        if self._mark not in arguments + environment:
            return
        self._known.add(key)
        command = arguments.replace(b"\0", b" ").decode(errors="replace")[:120]
        if self._canaries.found_in(arguments):
            self.findings.append(f"arguments: {command}")
        if self._private.found_in(environment):
            self.findings.append(f"environment: {command}")


def _decoded(data: bytes) -> Iterator[bytes]:
    """All that a text may be base64 of, whatever stands before it in the same run."""
    for found in _BASE64.finditer(data):
        run = found[0].replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):
            part = run[shift:]
            part = part[:-1] if len(part) % 4 == 1 else part  # no text has such a length
            yield binascii.a2b_base64(part + b"=" * (-len(part) % 4))


def _unescaped(found: re.Match[bytes]) -> bytes:
    try:
        return str(json.loads(b'"' + found[0] + b'"')).encode("utf-8", "replace")
    except ValueError:
        return found[1]
