"""Tables that MaxCompute holds, and SQL over them, for which SQLite stands in.

SQLite's dialect is not MaxCompute's, but `select` with filters, aggregates, joins and order is the
same in both, and that is what metric tables and row counts need.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Cell: TypeAlias = "int | float | str | None"
Row: TypeAlias = "tuple[Cell, ...]"
_NAN = "NaN in a table"
_AFFINITY = {"bigint": "INTEGER", "double": "REAL", "string": "TEXT"}


class SqlError(Exception):
    """A statement that fails; the text is what the service would say."""


@dataclass(frozen=True)
class Column:
    """A column; `kind` is `bigint`, `double` or `string`."""

    name: str
    kind: str


@dataclass(frozen=True)
class Result:
    """The rows of a query or of a table, under their columns."""

    columns: tuple[Column, ...]
    rows: list[Row]

    def only(self, names: Sequence[str]) -> Result:
        """Some of the columns, in the order in which they are named."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        chosen = [places[name] for name in names]
        rows = [tuple(row[place] for place in chosen) for row in self.rows]
        return Result(tuple(self.columns[place] for place in chosen), rows)


@dataclass(frozen=True)
class Table:
    """A table; one without partition keys has its rows under the empty partition.

    Attributes:
        name: without the project.
        columns: without the partition keys.
        keys: the partition keys, all of them strings.
        rows: by partition, written `dt=20220617` or `dt=20220617/hh=01`.
    """

    name: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...] = ()
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def matching(self, partition: str) -> list[str]:
        """The partitions below a partition, which may leave out trailing keys.

        >>> Table("t", (), ("dt", "hh"), {"dt=1/hh=1": [], "dt=2/hh=1": []}).matching("dt=1")
        ['dt=1/hh=1']
        """
        wanted = [part for part in partition.split("/") if part]
        return [name for name in self.rows if set(wanted) <= set(name.split("/"))]


class Catalog:
    """The tables of one project."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.tables: dict[str, Table] = {}

    def add(self, table: Table) -> None:
        """Hold a table; one of the same name is replaced."""
        self.tables[table.name.lower()] = table

    def get(self, name: str) -> Table | None:
        """A table by its name, in any case of letters, or None."""
        return self.tables.get(name.lower())

    def select(self, statement: str) -> Result:
        """Run one `select`.

        Raises:
            SqlError: in the service's words, from which pyodps makes its exceptions.
        """
        query = _without_settings(statement)
        if not is_query(statement):
            raise SqlError(f"ODPS-0130161:[1,1] Parse exception - only select runs here: {query}")
        database = sqlite3.connect(":memory:")
        try:
            self._load(database, query)
            cursor = database.execute(query)
            names = [entry[0] for entry in cursor.description]
            return _typed(names, cursor.fetchall())
        except sqlite3.Error as error:
            raise SqlError(_service_words(str(error))) from error
        finally:
            database.close()

    def _load(self, database: sqlite3.Connection, query: str) -> None:
        schema = _quoted(self.project)
        database.execute(f"ATTACH ':memory:' AS {schema}")
        words = {word.lower() for word in re.findall(r"\w+", query)}
        for name in words & set(self.tables):
            table = self.tables[name]
            columns = [*table.columns, *(Column(key, "string") for key in table.keys)]
            said = ", ".join(f"{_quoted(c.name)} {_AFFINITY[c.kind]}" for c in columns)
            database.execute(f"CREATE TABLE {schema}.{_quoted(table.name)} ({said})")
            marks = ", ".join("?" for _ in columns)
            database.executemany(
                f"INSERT INTO {schema}.{_quoted(table.name)} VALUES ({marks})",  # noqa: S608
                _with_keys(table),
            )


def is_query(statement: str) -> bool:
    """Whether a statement only reads.

    >>> is_query("set a=b; select 1"), is_query("insert overwrite table t select 1")
    (True, False)
    """
    return re.match(r"(?is)\s*(select|with)\b", _without_settings(statement)) is not None


def _with_keys(table: Table) -> Iterable[Row]:
    for partition, rows in table.rows.items():
        values = tuple(part.partition("=")[2] for part in partition.split("/") if part)
        for row in rows:
            yield (*map(_stored, row), *values)


def _without_settings(statement: str) -> str:
    """A statement without comments, leading `set k=v;` and the last semicolon."""
    bare = re.sub(r"(?m)--.*$", "", statement)
    bare = re.sub(r"(?is)^(\s*set\s+[^;]*;)+", "", bare)
    return bare.strip().rstrip(";")


def _stored(cell: Cell) -> Cell:
    """A cell as SQLite keeps it: it would take NaN for NULL."""
    return _NAN if isinstance(cell, float) and cell != cell else cell  # noqa: PLR0124


def _typed(names: Sequence[str], rows: list[Row]) -> Result:
    columns = []
    for place, name in enumerate(names):
        kinds = {float if row[place] == _NAN else type(row[place]) for row in rows} - {type(None)}
        kind = "bigint" if kinds == {int} else "double" if kinds <= {int, float} else "string"
        columns.append(Column(name, kind if kinds else "string"))
    return Result(tuple(columns), [_fitting(columns, row) for row in rows])


def _fitting(columns: Sequence[Column], row: Row) -> Row:
    """Numbers as the column's type has them: integers beside fractions become fractions."""
    return tuple(
        _fraction(cell) if column.kind == "double" and cell is not None else cell
        for column, cell in zip(columns, row, strict=True)
    )


def _fraction(cell: float | str) -> float:
    return float("nan") if cell == _NAN else float(cell)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _service_words(fault: str) -> str:
    missing = re.match(r"no such table: (.*)", fault)
    if missing:
        return f"ODPS-0130131:[1,15] Table not found - table {missing[1]} cannot be resolved"
    column = re.match(r"no such column: (.*)", fault)
    if column:
        return (
            "ODPS-0130071:[1,8] Semantic analysis exception - "
            f"column {column[1]} cannot be resolved"
        )
    return f"ODPS-0130161:[1,1] Parse exception - {fault}"
