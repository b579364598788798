"""The days that one day of a project is about: those that are tuned on, and those held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.trial.calendar import Calendar, Unit

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Window:
    """The last days up to the newest one.

    >>> from datetime import datetime
    >>> window = Window(datetime(2026, 10, 8), Unit.DAY, tuning=2, holdout=3)
    >>> window.name, window.tuned_on.words["date_list"], window.held_out
    ('20261008', [20261004, 20261005], ('20261006', '20261007', '20261008'))
    """

    newest: datetime
    unit: Unit
    tuning: int
    holdout: int

    @property
    def name(self) -> str:
        """The newest day's."""
        return self.newest.strftime(self.unit.spelling)

    @property
    def whole(self) -> Calendar:
        """All of them: what champion and challengers walk through."""
        return self._last(self.tuning + self.holdout, before=0)

    @property
    def tuned_on(self) -> Calendar:
        """What the sweep sees."""
        return self._last(self.tuning, before=self.holdout)

    @property
    def held_out(self) -> tuple[str, ...]:
        """The names of the days that the sweep does not see."""
        days = self._last(self.holdout, before=0)
        return tuple(days.name(day) for day in days.days())

    def _last(self, count: int, *, before: int) -> Calendar:
        last = self.newest - before * self.unit.length
        return Calendar(last - (count - 1) * self.unit.length, last, self.unit)
