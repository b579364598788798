"""The SQLite database under the ledger: where it may lie, its migrations, its transactions.

A connection belongs to the process that opened it: nobody may take it over a fork. Its threads
share it. A signal handler must not use a ledger that the interrupted code may be using; it raises,
and what it interrupted is rolled back.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.filesystem import filesystem_type, is_network
from hpo_nni.ledger.schema import MIGRATIONS, Migration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FILE_NAME = "hpo_nni.sqlite"
PATIENCE = 60.0  # seconds that a writer waits for the others
PAUSE = 0.01


class Database:
    """An open database, migrated to the newest schema.

    Raises:
        LedgerError: the directory cannot hold it, the file is damaged, or newer than this code.
    """

    def __init__(self, directory: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.path = directory / FILE_NAME
        self._lock = threading.RLock()
        _make_directory(directory)
        with self._letters():
            self._connection = sqlite3.connect(
                self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(migrations)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the connection; a second time is silent."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block or nothing; one writer at a time, the others wait.

        Raises:
            LedgerError: SQLite refused, with SQLite's own error as its cause.
        """
        with self._lock, self._letters():
            try:
                # IMMEDIATE: a transaction that reads first and writes later could not wait.
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, which sees one state of the database."""
        with self._lock, self._letters():
            return self._connection.execute(statement, parameters).fetchall()

    def _prepare(self, migrations: Sequence[Migration]) -> None:
        _until_free(self._connection, "PRAGMA journal_mode = WAL")
        # FULL: an intent is on the disk before a platform hears of it (docs/adr/0002-ledger.md).
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._version() != len(migrations):
            self._migrate(migrations)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction() as connection:
            version = self._version()  # again: another process may have been faster
            if version > len(migrations):
                raise LedgerError(
                    f"{self.path} has version {version}, "
                    f"and this hpo_nni knows versions up to {len(migrations)}",
                    hint="use the newer hpo_nni that wrote it, or another "
                    "experimentWorkingDirectory",
                )
            for migration in migrations[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(migrations)}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def _letters(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}", hint=_hint(error)) from error


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"{directory} cannot hold the ledger: {error.strerror}",
            hint="set experimentWorkingDirectory to a directory that you may write to",
        ) from error
    kind = filesystem_type(directory)
    if is_network(kind):
        raise LedgerError(
            f"{directory} lies on a network file system ({kind}), where SQLite cannot lock files",
            hint="set experimentWorkingDirectory to a local disk; configs, models and logs of the "
            "jobs may stay where they are",
        )


def _until_free(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that SQLite refuses, without waiting, while others open the database."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(statement).fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return


def _hint(error: sqlite3.Error) -> str:
    text = str(error)
    hints = {
        "locked": "another process has held the ledger for a minute: look for one that hangs",
        "unable to open": "check that you may write to this directory and that the disk has room",
        "readonly": "check that you may write to this directory",
        "full": "make room on the disk",
        "not a database": "the file is not a ledger: move it away, and a new one will be made",
        "malformed": "the file is damaged: move it away with its -wal and -shm files, and keep it; "
        "`sqlite3 FILE .recover` can read what is left",
    }
    return next((hint for words, hint in hints.items() if words in text), "")
