"""What lies at a path, a URI or in a table, told apart from what lay there before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import PlatformError, TransientPlatformError
from hpo_nni.platforms.maxcompute_tables import tables_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hpo_nni.platforms.maxcompute_tables import MaxComputeTables, TablePath
    from hpo_nni.stores.base import Store, StoredFile
    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.retry import Retrier

logger = logging.getLogger(__name__)

NOT_TOLD = "not told"
SMALL = 1 << 20  # bytes; files up to that count by their content, larger ones by size and time
_MADE = {"__pycache__", ".git", ".ipynb_checkpoints"}  # by running code or looking at it


class Versions:
    """Looks at what goes into a day, and at what comes out of it.

    Args:
        folder: what relative paths are relative to.
        accounts: how stores and tables are reached.
        retrier: tries again what may pass.
    """

    def __init__(self, folder: Path, accounts: Accounts, retrier: Retrier) -> None:
        self._folder = folder
        self._accounts = accounts
        self._retrier = retrier

    def of(self, place: str) -> str:
        """The version of a path, a URI or a table; empty where nothing is.

        Files on this machine count by their content, if they are not larger than 1 MiB, others by
        size and time; objects by what their store says, tables and partitions by when they were
        last written, or `NOT_TOLD`.

        Raises:
            StoreError: a folder has too many files, or the store refuses.
            TransientPlatformError: the service did not answer for long.
        """
        table = next(tables_in(place), None)
        if table is not None:
            return self._of_table(table)
        store = self._accounts.store(place)
        top = place if "://" in place else str(self._folder / place)
        files = self._retrier(lambda: store.list_tree(top)) or self._of_prefix(store, top)
        read = _reader_of(top) if "://" not in place else _versions_of
        facts = [fact for file in files for fact in read(file)]
        return digest(facts) if facts else ""

    def _of_prefix(self, store: Store, top: str) -> list[StoredFile]:
        """The files of a checkpoint that goes by their common beginning: `model.ckpt-8000`."""
        folder, _, name = top.rpartition("/")
        if not (folder and name):
            return []
        files = self._retrier(lambda: store.list_files(folder))
        return [file for file in files if file.name.startswith(f"{name}.")]

    def _of_table(self, table: TablePath) -> str:
        """By its name alone, where this account may run jobs on it and not look at it."""
        try:
            return self._retrier(lambda: self._tables.version(table))
        except TransientPlatformError:
            raise
        except PlatformError as error:
            logger.info("%s counts by its name: %s", table, error.message)
            return NOT_TOLD

    @cached_property
    def _tables(self) -> MaxComputeTables:
        from hpo_nni.platforms.maxcompute_service import MaxComputeService  # noqa: PLC0415 - as odps
        from hpo_nni.platforms.maxcompute_tables import MaxComputeTables  # noqa: PLC0415 - likewise

        return MaxComputeTables(MaxComputeService(self._accounts.connect_maxcompute()))


def digest(facts: object) -> str:
    """A short name of JSON values: the same for equal ones, in any process."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def _versions_of(file: StoredFile) -> Iterator[list[str]]:
    yield [file.name, file.version]


def _reader_of(top: str) -> Callable[[StoredFile], Iterator[list[str]]]:
    """Facts of the files below a folder of this machine, or of one file."""
    root = Path(top.removeprefix("file://"))
    folder = root if root.is_dir() else root.parent

    def read(file: StoredFile) -> Iterator[list[str]]:
        if _MADE & set(Path(file.name).parts):
            return
        version = f"{file.size}:{file.version}"
        if file.size <= SMALL:
            with contextlib.suppress(OSError):  # gone by now, or not ours to read
                version = hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
        yield [file.name, version]

    return read
