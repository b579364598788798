"""Files on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hpo_nni.errors import StoreError


class LocalStore:
    """Local files by path or `file://` URI."""

    def read_text(self, uri: str) -> str:
        """Return the text with its line endings as they are."""
        try:
            return _path(uri).read_bytes().decode("utf-8")
        except OSError as error:
            raise StoreError(f"cannot read {uri}: {error.strerror}", uri=uri) from error
        except UnicodeDecodeError as error:
            raise StoreError(
                f"{uri} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
                uri=uri,
                hint="save it as UTF-8",
            ) from error

    def write_text(self, uri: str, text: str) -> None:
        """Write beside the target, flush to disk, rename over it; keeps the target's mode."""
        path = _path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = path.stat().st_mode if path.exists() else 0o644
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text.encode("utf-8"))
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).chmod(mode)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(f"cannot write {uri}: {error.strerror}", uri=uri) from error


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
