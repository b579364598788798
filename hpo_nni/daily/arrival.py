"""Whether the data of a project's day is there, with the accounts of its trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.platforms.maxcompute_tables import parse_table
from hpo_nni.trial.day_data import DayData
from hpo_nni.trial.retry import Patience, Retrier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.calendar import Calendar

PATIENCE = Patience(first=1.0, longest=8.0, total=30.0)  # `wait.every` is the patience of days


@dataclass(frozen=True)
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

    def faults(self, where: str) -> Iterator[Problem]:
        """What can never be found out with these accounts."""
        for pattern in self.patterns:
            if pattern.startswith("odps://"):
                if parse_table(pattern) is None:
                    hint = "as in odps://project/tables/name/dt={bizdate}"
                    yield Problem(where, f"{pattern} names no table", hint)
                elif self.accounts.odps is None:
                    yield Problem(where, f"{pattern} needs a section [odps_config] in the ini")
            elif "://" in pattern:
                problem = self.accounts.find_problem(pattern)
                if problem is not None:
                    yield Problem(where, problem.message, problem.hint)

    def missing(
        self, calendar: Calendar, day: datetime, pause: Callable[[float], object]
    ) -> list[str]:
        """What of a day is not there yet, or cannot be asked for: then with the reason.

        Args:
            calendar: how days are written.
            day: the newest one.
            pause: sleeps, before a service that was busy is asked again.

        Raises:
            SettingsError: credentials lead nowhere.
        """
        data = DayData(self.accounts, Retrier(pause, PATIENCE))
        found = []
        for pattern in self.patterns:
            place = calendar.fill(pattern, day)
            try:
                found += data.missing([place if "://" in place else str(self.folder / place)])
            except SettingsError:  # it will not get better by itself
                raise
            except HpoNniError as error:
                found.append(f"{place} ({error.message})")
        return found
