"""Buckets and objects in a directory: one file of data and one of facts for each object.

Keys are free (non-ASCII, `a` beside `a/b`, trailing slashes), file names are not: files are named
by the hash of the key, and the key stands among the facts. A directory can be opened again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.crc import crc64
from hpo_nni.testing.cloud.http import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Facts:
    """What is known of an object without reading it.

    Attributes:
        key: decoded.
        size: in bytes.
        etag: upper case, without quotes.
        crc: CRC-64/XZ of the whole.
        modified: seconds since the epoch.
        kind: `Normal`, `Appendable` or `Multipart`.
        headers: what was sent to be kept: content type, user meta.
    """

    key: str
    size: int
    etag: str
    crc: int
    modified: float
    kind: str = "Normal"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page of a listing."""

    objects: list[Facts]
    prefixes: list[str]
    next_marker: str


@dataclass
class Upload:
    """A multipart upload that has begun."""

    bucket: str
    key: str
    headers: Mapping[str, str]
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Buckets:
    """All objects of a server; every operation is atomic."""

    def __init__(self, directory: Path) -> None:
        self.lock = threading.RLock()
        self._directory = directory
        self._facts: dict[str, dict[str, Facts]] = {}
        for bucket in sorted(p for p in directory.iterdir() if p.is_dir()):
            found = (json.loads(p.read_text("utf-8")) for p in bucket.glob("*.json"))
            self._facts[bucket.name] = {one["key"]: Facts(**one) for one in found}

    def names(self) -> list[str]:
        """All buckets."""
        with self.lock:
            return sorted(self._facts)

    def make(self, bucket: str) -> None:
        """Create a bucket; one that exists stays as it is."""
        with self.lock:
            (self._directory / bucket).mkdir(exist_ok=True)
            self._facts.setdefault(bucket, {})

    def remove(self, bucket: str) -> None:
        """Remove an empty bucket."""
        with self.lock:
            if self._of(bucket):
                raise ServiceError(
                    409, "BucketNotEmpty", "The bucket you tried to delete is not empty."
                )
            del self._facts[bucket]
            (self._directory / bucket).rmdir()

    def facts(self, bucket: str, key: str) -> Facts:
        """What is known of an object, or NoSuchBucket or NoSuchKey."""
        with self.lock:
            facts = self._of(bucket).get(key)
        if facts is None:
            raise ServiceError(404, "NoSuchKey", "The specified key does not exist.", Key=key)
        return facts

    def has(self, bucket: str, key: str) -> bool:
        """Whether the object exists."""
        with self.lock:
            return key in self._of(bucket)

    def read(self, bucket: str, key: str) -> tuple[Facts, bytes]:
        """An object with its data, both of the same moment."""
        with self.lock:
            facts = self.facts(bucket, key)
            return facts, self._file(bucket, key, "data").read_bytes()

    def write(
        self, bucket: str, key: str, data: bytes, headers: Mapping[str, str], kind: str = "Normal"
    ) -> Facts:
        """Replace an object whole."""
        with self.lock:
            self._of(bucket)
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
            crc = self._crc(bucket, key, data)
            facts = Facts(key, len(data), etag, crc, time.time(), kind, dict(headers))
            return self._keep(bucket, facts, data)

    def append(
        self, bucket: str, key: str, position: int, data: bytes, headers: Mapping[str, str]
    ) -> Facts:
        """Add to the end of an appendable object, which `position` must be."""
        with self.lock:
            old = self._of(bucket).get(key)
            if old is None:
                facts = self.write(bucket, key, b"", headers, "Appendable")
            elif old.kind != "Appendable":
                raise ServiceError(
                    409, "ObjectNotAppendable", "The object is not appendable", Key=key
                )
            else:
                facts = old
            if facts.size != position:
                error = ServiceError(
                    409, "PositionNotEqualToLength", "Position is not equal to file length"
                )
                error.headers["x-oss-next-append-position"] = str(facts.size)
                raise error
            whole = self._file(bucket, key, "data").read_bytes() + data
            crc = crc64(data, facts.crc)
            etag = f"{crc:032X}"
            facts = replace(facts, size=len(whole), crc=crc, etag=etag, modified=time.time())
            return self._keep(bucket, facts, whole)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that does not exist is as good as removed."""
        with self.lock:
            if self._of(bucket).pop(key, None):
                self._file(bucket, key, "data").unlink()
                self._file(bucket, key, "json").unlink()

    def page(self, bucket: str, prefix: str, delimiter: str, marker: str, limit: int) -> Page:
        """List in the order of UTF-8 bytes; a common prefix counts as one entry."""
        with self.lock:
            known = dict(self._of(bucket))
        objects: list[Facts] = []
        prefixes: list[str] = []
        last = ""
        for key in sorted(known, key=lambda k: k.encode()):
            if not key.startswith(prefix):
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            entry = key[: cut + len(delimiter)] if cut >= 0 else key
            if entry.encode() <= marker.encode() or entry == last:
                continue
            if len(objects) + len(prefixes) == limit:
                return Page(objects, prefixes, last)
            last = entry
            if cut >= 0:
                prefixes.append(entry)
            else:
                objects.append(known[key])
        return Page(objects, prefixes, "")

    def _crc(self, bucket: str, key: str, data: bytes) -> int:
        """The checksum; of a file that has grown, only the new end is gone through."""
        old = self._facts[bucket].get(key)
        if old and old.size and data.startswith(self._file(bucket, key, "data").read_bytes()):
            return crc64(data[old.size :], old.crc)
        return crc64(data)

    def _of(self, bucket: str) -> dict[str, Facts]:
        if bucket not in self._facts:
            raise ServiceError(
                404, "NoSuchBucket", "The specified bucket does not exist.", BucketName=bucket
            )
        return self._facts[bucket]

    def _keep(self, bucket: str, facts: Facts, data: bytes) -> Facts:
        self._file(bucket, facts.key, "data").write_bytes(data)
        self._file(bucket, facts.key, "json").write_text(json.dumps(asdict(facts)), "utf-8")
        self._facts[bucket][facts.key] = facts
        return facts

    def _file(self, bucket: str, key: str, suffix: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        return self._directory / bucket / f"{name}.{suffix}"
