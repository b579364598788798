"""Records in a transaction: looked up, added, changed."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.records import JobRecord
from hpo_nni.ledger.rows import Record, encode, from_row, insert, select, to_row

if TYPE_CHECKING:
    from collections.abc import Mapping


def find(connection: sqlite3.Connection, kind: type[Record], key: str) -> Record | None:
    """The record with this id, or of a job this name; None if there is none."""
    column = "name" if kind is JobRecord else "id"
    row = connection.execute(select(kind, f"WHERE {column} = ?"), [encode(key)]).fetchone()
    return None if row is None else from_row(kind, row)


def add(connection: sqlite3.Connection, record: Record, what: str) -> None:
    """Write a new record; LedgerError, about `what`, where its id is taken or nobody owns it."""
    try:
        connection.execute(insert(type(record)), to_row(record))
    except sqlite3.IntegrityError as error:
        if "FOREIGN KEY" in str(error):
            raise LedgerError(f"{what} belongs to something that is not in the ledger") from error
        raise LedgerError(
            f"the ledger already holds what {what} would be called",
            hint="ids and names are used once in a working directory, and upper and lower case "
            "count as one: choose another name, or start again under a new id",
        ) from error


def change(
    connection: sqlite3.Connection, table: str, key: tuple[str, str], changes: Mapping[str, Any]
) -> None:
    """Change columns of the row whose column `key[0]` is `key[1]`; LedgerError without one."""
    column, value = key
    settings = ", ".join(f'"{name}" = ?' for name in changes)
    cursor = connection.execute(
        f'UPDATE {table} SET {settings} WHERE "{column}" = ?',  # noqa: S608  # our own names
        [*map(encode, changes.values()), encode(value)],
    )
    if cursor.rowcount == 0:
        raise LedgerError(f"the ledger has no {value!r} among its {table}")
