"""Whether the data of a day is there: files, objects, partitions of tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, PlatformError, Problem, SettingsError
from hpo_nni.platforms.maxcompute_tables import MaxComputeTables, tables_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hpo_nni.platforms.maxcompute_tables import TablePath
    from hpo_nni.stores.base import Store
    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.calendar import Calendar

_NOT_THERE = {"NoSuchObject", "NoSuchPartition", "NoSuchTable"}  # classes of pyodps


@dataclass
class Arrival:
    """Looks for what a day needs.

    Attributes:
        patterns: paths, URIs and `odps://project/tables/name/dt=...`, with `{bizdate}` and the
            like in them.
        folder: where relative paths begin.
        accounts: those of the trials.
    """

    patterns: Sequence[str]
    folder: Path
    accounts: Accounts
    _tables: MaxComputeTables | None = None
    _stores: dict[str, Store] = field(default_factory=dict)

    def faults(self, where: str) -> Iterator[Problem]:
        """What can never be found out with these accounts."""
        for pattern in self.patterns:
            if pattern.startswith("odps://"):
                if not list(tables_in(pattern)):
                    hint = "as in odps://project/tables/name/dt={bizdate}"
                    yield Problem(where, f"{pattern} names no table", hint)
                elif self.accounts.odps is None:
                    yield Problem(where, f"{pattern} needs a section [odps_config] in the ini")
            elif "://" in pattern:
                problem = self.accounts.find_problem(pattern)
                if problem is not None:
                    yield Problem(where, problem.message, problem.hint)

    def missing(self, calendar: Calendar, day: datetime) -> list[str]:
        """What of a day is not there yet, or cannot be asked for: then with the reason."""
        wanted = [calendar.fill(pattern, day) for pattern in self.patterns]
        found = []
        for place in wanted:
            try:
                if not self._is_there(place):
                    found.append(place)
            except SettingsError:  # credentials that lead nowhere do not get better
                raise
            except HpoNniError as error:
                found.append(f"{place} ({error.message})")
        return found

    def _is_there(self, place: str) -> bool:
        if place.startswith("odps://"):
            return all(self._has_rows(path) for path in tables_in(place))
        if "://" not in place:
            return (self.folder / place).exists()
        folder, _, name = place.rstrip("/").rpartition("/")
        if place.endswith("/"):
            return bool(self._store(place).list_files(place.rstrip("/")))
        return any(file.name == name for file in self._store(place).list_files(folder))

    def _has_rows(self, path: TablePath) -> bool:
        if self._tables is None:
            from hpo_nni.platforms.maxcompute_service import MaxComputeService  # noqa: PLC0415

            connection = self.accounts.connect_maxcompute(os.environ)
            self._tables = MaxComputeTables(MaxComputeService(connection))
        try:
            return self._tables.facts(path).rows != 0
        except PlatformError as error:
            if type(error.__cause__).__name__ in _NOT_THERE:
                return False
            raise

    def _store(self, uri: str) -> Store:
        scheme = uri.partition("://")[0]
        if scheme not in self._stores:
            self._stores[scheme] = self.accounts.store(uri)
        return self._stores[scheme]
