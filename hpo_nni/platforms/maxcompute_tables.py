"""Tables of MaxCompute as jobs name them: `odps://project/tables/name[/dt=20220617[/hh=01]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.platforms.maxcompute_service import MaxComputeService

NOT_THERE = {"NoSuchObject", "NoSuchTable", "NoSuchPartition"}  # pyodps', of causes
_OUTPUT = re.compile(r"output|result", re.IGNORECASE)  # parameters with tables that a job makes
_PATH = re.compile(
    r"odps://(?P<project>[^/,\s]+)/tables/(?P<name>[^/,\s]+)(?P<partition>(?:/[^/,\s]+)*)/?"
)


@dataclass(frozen=True)
class TablePath:
    """A table, or one partition of it.

    Attributes:
        partition: `dt=20220617/hh=01`; empty for all of the table.
    """

    project: str
    name: str
    partition: str = ""

    def __str__(self) -> str:
        path = f"odps://{self.project}/tables/{self.name}"
        return f"{path}/{self.partition}" if self.partition else path


@dataclass(frozen=True)
class TableFacts:
    """What is there.

    Attributes:
        rows: None where the service does not say.
        partitions: how many the rows are in; 0 for a table without.
    """

    rows: int | None
    partitions: int


def tables_in(text: str) -> Iterator[TablePath]:
    """The tables that a text names.

    >>> [str(one) for one in tables_in("odps://p/tables/t/dt=1,odps://p/tables/u")]
    ['odps://p/tables/t/dt=1', 'odps://p/tables/u']
    """
    for found in _PATH.finditer(text):
        yield TablePath(found["project"], found["name"], found["partition"].strip("/"))


def parse_table(text: str) -> TablePath | None:
    """The table that a text is the name of; None if it is no such name."""
    found = list(tables_in(text))
    return found[0] if len(found) == 1 and _PATH.fullmatch(text) else None


def is_output(parameter: str) -> bool:
    """Whether the tables of a `PAI` command's parameter are made by its job."""
    return _OUTPUT.search(parameter) is not None


def input_tables(parameters: Mapping[str, str]) -> Iterator[TablePath]:
    """The tables that the job of a `PAI` command reads.

    >>> [str(one) for one in input_tables({"train_tables": "odps://p/tables/t/dt=1", "x": "1"})]
    ['odps://p/tables/t/dt=1']
    """
    for name, value in parameters.items():
        if not is_output(name):
            yield from tables_in(value)


class MaxComputeTables:
    """Asks for schemas, partitions and algorithms; reads no rows."""

    def __init__(self, service: MaxComputeService) -> None:
        self._service = service

    def check_project(self, project: str) -> None:
        """Raise PlatformError if there is no such project, or it may not be read."""
        self._service.ask(f"read the project {project}", lambda o: o.get_project(project).reload())

    def has_xflow(self, project: str, name: str) -> bool:
        """Whether a project has an algorithm of this name."""
        return bool(
            self._service.ask(
                f"look for {project}.{name}", lambda o: o.exist_xflow(name, project=project)
            )
        )

    def facts(self, path: TablePath) -> TableFacts:
        """What is there; raises PlatformError if it is not, or may not be seen."""
        return self._service.ask(f"read {path}", lambda o: _facts(o, path))

    def has_rows(self, path: TablePath) -> bool:
        """Whether the table or partition is there, and not empty as far as the service says.

        Raises:
            PlatformError: the service does not tell, as where this account may not see the table.
        """
        try:
            return self.facts(path).rows != 0
        except PlatformError as error:
            if type(error.__cause__).__name__ in NOT_THERE:
                return False
            raise

    def version(self, path: TablePath) -> str:
        """What changes when rows are written: the last time that was done, and how many there are.

        Empty where there is no such table or partition.
        """
        return self._service.ask(f"read {path}", lambda o: _version(o, path))

    def last_partition(self, path: TablePath) -> str:
        """The last partition by name, for a hint; empty where there is none."""
        names = self._service.ask(
            f"list the partitions of {path}",
            lambda o: [one.name for one in _table(o, path).iterate_partitions()],
        )
        return max((name.replace("'", "").replace(",", "/") for name in names), default="")


def _table(odps: Any, path: TablePath) -> Any:
    table = odps.get_table(path.name, project=path.project)
    table.reload()
    return table


def _facts(odps: Any, path: TablePath) -> TableFacts:
    table = _table(odps, path)
    keys = [column.name for column in table.table_schema.partitions]
    spec = path.partition.replace("/", ",")
    if spec and (path.partition.count("=") == len(keys) or not keys):
        partition = table.get_partition(spec)
        partition.reload()
        return TableFacts(_known(partition.record_num), 1)
    if not keys:
        return TableFacts(_known(table.record_num), 0)
    counts = [_known(one.record_num) for one in table.iterate_partitions(spec or None)]
    known = [count for count in counts if count is not None]
    return TableFacts(sum(known) if len(known) == len(counts) else None, len(counts))


def _version(odps: Any, path: TablePath) -> str:
    if not odps.exist_table(path.name, project=path.project):
        return ""
    table = _table(odps, path)
    keys = [column.name for column in table.table_schema.partitions]
    spec = path.partition.replace("/", ",")
    if not spec or not keys:
        return f"{table.last_data_modified_time} {table.record_num}"
    if path.partition.count("=") == len(keys) and not table.exist_partition(spec):
        return ""
    parts = sorted(table.iterate_partitions(spec), key=lambda one: str(one.name))
    for part in parts:
        part.reload()
    return "; ".join(
        f"{part.name} {part.last_data_modified_time} {part.record_num}" for part in parts
    )


def _known(count: int | None) -> int | None:
    return None if count is None or count < 0 else count
