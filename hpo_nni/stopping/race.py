"""Drop a configuration that is worse on the same days: a sequential test at a stated level.

Trials walk the same days, one evaluation a day. From what they had on the days that they share,
each gets a distribution of its worth (`worth.py`), and so a chance to be the best of all. A trial
is dropped when its days have made it so much less probable to be the best as the level says: of n
trials, each began with a chance of one in n. That bounds the probability that the best one is ever
dropped, whatever the number of looks and of opponents; docs/adr/0019-racing-over-days.md has the
argument, and what of it was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.stopping.base import History

LEAST_DAYS = 2  # a single day, with whatever befell it, drops nobody
# What of the level the model of a trial's worth may spend; the rest is for tails and for noise that
# it does not know.
MODELLED = 0.7
HEAVY = 1.0  # excess kurtosis of the noise from which a trial is judged without its worst day


@dataclass(frozen=True)
class DayRaceRule:
    """Drop a trial whose chance to be the best has shrunk to the level's share of what it was.

    A step of a history is a day. A day that a trial lacks is missing, not bad.

    Attributes:
        level: the probability that the best trial is ever dropped; above 0, below 1.
    """

    direction: Direction
    level: float = 0.05

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Compare the trial's chance to be the best of all with what the level leaves to it."""
        figures: dict[str, float] = {"step": trial.steps[-1], "days": len(trial.steps)}
        early = _too_early(trial, peers)
        if early:
            return Verdict(keep=True, reason=early, figures=figures)
        # numpy and scipy load when a race has something to judge, not when NNI starts
        from hpo_nni.stopping.worth import Days, Worth  # noqa: PLC0415

        days = Days.of([trial, *peers.values()], self.direction.sign)
        worth = Worth.of(days)
        if worth is not None and worth.tails > HEAVY:
            worth = Worth.of(days.without(0, int(worth.left[0].argmin())))
        if worth is None:
            reason = "the trials do not differ yet by more than their days do"
            return Verdict(keep=True, reason=reason, figures=figures)
        chance, allowed = worth.chance(0), MODELLED * self.level / (len(peers) + 1)
        keep = chance > allowed
        rival = worth.best_but(0)
        difference, common = days.difference(0, rival)
        reason = (
            f"over {len(trial.steps)} days it has a chance of {chance:.2g} to be the best of "
            f"{len(peers) + 1} trials, {'' if keep else 'not '}more than the {allowed:.2g} that a "
            f"level of {self.level:g} leaves to it; {_against(peers, rival, difference, common)}"
        )
        figures |= {
            "chance": chance,
            "allowed": allowed,
            "level": self.level,
            "trials": len(peers) + 1,
            "difference": difference,
            "common_days": common,
            "noise": worth.noise,
            "drift": worth.drift,
        }
        return Verdict(keep=keep, reason=reason, figures=figures)


def _too_early(trial: History, peers: Mapping[str, History]) -> str:
    """Why there is nothing to judge; empty where there is."""
    days = len(trial.steps)
    if days < LEAST_DAYS:
        return f"it has {days} of the {LEAST_DAYS} days that come before the first verdict"
    if not peers:
        return "no other trial has had a day yet"
    ends = [peer.steps[-1] for peer in peers.values() if peer.is_complete]
    return "it is at its end" if ends and trial.steps[-1] >= max(ends) else ""


def _against(peers: Sequence[str] | Mapping[str, History], row: int, gap: float, days: int) -> str:
    """How the trial did beside one of its peers, by its row in the table, from 1."""
    name = list(peers)[row - 1]
    if not days:
        return f"it shares no day with trial {name}, the best of the others"
    return f"on {days} common days it has {gap:+.3g} on average against trial {name}"
