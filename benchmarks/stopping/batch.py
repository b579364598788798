"""Many replays at once: RiskRule and ASHA over arrays, decision by decision as the rules do.

The rules themselves judge one trial in a tenth of a millisecond; the hundred million verdicts of
the benchmark need arrays over all replays. That both decide alike is tested in
tests/testing/test_stopping_benchmark.py.

Curves are oriented: a larger score is better. NaN marks a diverged trial, which is stopped there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CURVES = Path(__file__).with_name("curves.npz")
TRIALS = 64
SLOTS = 4
WINDOW = 8


@dataclass(frozen=True)
class Task:
    """The curves of one task.

    Attributes:
        curves: configurations by epochs.
        units: the points on the unit cube.
        larger: whether the recorded metric is better when larger; `curves` are oriented already.
    """

    name: str
    curves: np.ndarray
    units: np.ndarray
    larger: bool

    @property
    def learner(self) -> str:
        """What is left out together."""
        return self.name.rpartition("-")[2]

    def finals(self, *, best: bool) -> np.ndarray:
        """The score that each configuration ends with; minus infinity where it diverges."""
        filled = np.where(np.isnan(self.curves), -np.inf, self.curves)
        final = filled.max(1) if best else filled[:, -1]
        return np.where(np.isnan(self.curves).any(1), -np.inf, final)

    def every(self, stride: int) -> Task:
        """The same, with fewer evaluations."""
        return Task(self.name, self.curves[:, stride - 1 :: stride], self.units, self.larger)


def load() -> dict[str, Task]:
    """All tasks by name."""
    with np.load(CURVES) as file:
        names = sorted({key.partition("/")[0] for key in file.files})
        return {
            name: Task(
                name,
                _oriented(file[f"{name}/curves"], larger=bool(file[f"{name}/larger"])),
                file[f"{name}/units"],
                bool(file[f"{name}/larger"]),
            )
            for name in names
        }


def _oriented(curves: np.ndarray, *, larger: bool) -> np.ndarray:
    finite = np.where(np.isfinite(curves), curves, np.nan).astype(float)
    return finite if larger else -finite


def orders(finals: np.ndarray, replays: int, order: str, rng: np.random.Generator) -> np.ndarray:
    """Which configurations run, in which order: replays by trials.

    In improving order, trials are sorted by their rank from worst to best with normal noise of a
    third of all ranks: later ones tend to be better, as under a tuner.
    """
    chosen = np.argsort(rng.random((replays, len(finals))), 1)[:, :TRIALS]
    if order == "improving":
        ranks = finals[chosen].argsort(1).argsort(1) / TRIALS
        noisy = ranks + rng.normal(0, 1 / 3, ranks.shape)
        chosen = np.take_along_axis(chosen, noisy.argsort(1), 1)
    return chosen


class Rule(Protocol):
    """Judges one evaluation of one trial in each of some replays."""

    def begin(self, replays: int) -> None:
        """Forget everything."""
        ...

    def judge(
        self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Whether each is stopped.

        Args:
            rows: which replays.
            ids: which configuration is judged in each.
            epoch: of each, from 0.
            target: the best so far; minus infinity before one trial is complete.
        """
        ...

    def complete(self, rows: np.ndarray, ids: np.ndarray) -> None:
        """Learn that trials are complete."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of some replays, each an entry of the arrays."""

    share: np.ndarray
    regret: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """Whether no configuration with the best final score was complete."""
        return self.regret > 0


def replay(task: Task, chosen: np.ndarray, rule: Rule, *, best: bool) -> Outcome:
    """Run all replays in step: four trials at a time, one epoch each in turn."""
    replays, trials = chosen.shape
    epochs = task.curves.shape[1]
    finals = task.finals(best=best)
    diverged = np.isnan(task.curves)
    running = np.maximum.accumulate(np.where(diverged, -np.inf, task.curves), 1)
    current = np.tile(np.arange(SLOTS), (replays, 1))
    following = np.full(replays, SLOTS)
    at = np.zeros((replays, SLOTS), int)
    used, done = np.zeros(replays, int), np.zeros(replays, int)
    found, seen = np.full(replays, -np.inf), np.full(replays, -np.inf)
    everywhere = np.arange(replays)
    rule.begin(replays)
    while (current < trials).any():
        for slot in range(SLOTS):
            active = current[:, slot] < trials
            rows = everywhere[active]
            if not len(rows):
                continue
            ids, epoch = chosen[rows, current[rows, slot]], at[rows, slot]
            at[rows, slot] += 1
            used[rows] += 1
            bad, last = diverged[ids, epoch], epoch == epochs - 1
            stop = bad.copy()
            seen[rows] = np.maximum(seen[rows], np.where(bad, -np.inf, running[ids, epoch]))
            target = np.where(done[rows] > 0, (seen if best else found)[rows], -np.inf)
            judged = ~bad
            stop[judged] |= rule.judge(rows[judged], ids[judged], epoch[judged], target[judged])
            stop &= bad | ~last
            complete = last & ~bad
            ended, which = rows[complete], ids[complete]
            done[ended] += 1
            found[ended] = np.maximum(found[ended], finals[which])
            rule.complete(ended, which)
            freed = rows[stop | last]
            current[freed, slot] = following[freed]
            following[freed] += 1
            at[freed, slot] = 0
    top = finals[chosen].max(1)
    return Outcome(used / (trials * epochs), top - found)


class Peers:
    """What all trials had at each epoch, by replay."""

    def __init__(self, task: Task, *, best: bool) -> None:
        filled = np.where(np.isnan(task.curves), -np.inf, task.curves)
        self.scores = filled
        self.running = np.maximum.accumulate(filled, 1)
        self.level = self.running if best else filled
        self.finals = task.finals(best=best)
        self.epochs = filled.shape[1]

    def begin(self, replays: int) -> None:
        """Forget everything."""
        self._at = np.full((replays, self.epochs, TRIALS), np.nan)
        self._count = np.zeros((replays, self.epochs), int)
        self.leader = np.full((replays, self.epochs), -np.inf)
        self.leader_final = np.full(replays, -np.inf)
        self._complete = np.zeros((replays, TRIALS), int)
        self.completed = np.zeros(replays, int)

    def reach(
        self, rows: np.ndarray, epoch: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Enter what trials have at an epoch: how many others were better there, and how many."""
        count = self._count[rows, epoch]
        better = (self._at[rows, epoch] > values[:, None]).sum(1)
        self._at[rows, epoch, count] = values
        self._count[rows, epoch] += 1
        return better, count

    def complete(self, rows: np.ndarray, ids: np.ndarray) -> None:
        """Enter complete trials."""
        self._complete[rows, self.completed[rows]] = ids
        self.completed[rows] += 1
        leads = self.finals[ids] > self.leader_final[rows]
        self.leader[rows[leads]] = self.level[ids[leads]]
        self.leader_final[rows[leads]] = self.finals[ids[leads]]


class Asha(Peers):
    """HalvingRule."""

    def __init__(self, task: Task, first_rung: int, reduction: int = 3) -> None:
        super().__init__(task, best=True)
        self._reduction = reduction
        self._rungs = [first_rung * reduction**k - 1 for k in range(6)]

    def judge(
        self,
        rows: np.ndarray,
        ids: np.ndarray,
        epoch: np.ndarray,
        target: np.ndarray,  # noqa: ARG002 - as in Rule
    ) -> np.ndarray:
        """Stop what is not in the best share of a rung."""
        better, count = self.reach(rows, epoch, self.level[ids, epoch])
        places = np.maximum((count + 1) // self._reduction, 1)
        return np.isin(epoch, self._rungs) & (better >= places)


class Features(Peers):
    """What `hpo_nni.stopping.forecast.features` computes, for many trials at once."""

    def __init__(self, task: Task, *, best: bool) -> None:
        super().__init__(task, best=best)
        n, epochs = self.scores.shape
        count = np.arange(1, epochs + 1)
        shares = ((1, 4), (1, 2), (3, 4))
        quarter, half, late = (np.maximum(count * a // b, 1) - 1 for a, b in shares)
        with np.errstate(invalid="ignore"):
            self._gain = self.running - self.running[:, half]
            self._before = self.running[:, half] - self.running[:, quarter]
            self._lately = self.running - self.running[:, late]
            bends = np.nan_to_num(np.abs(np.diff(task.curves, n=2, axis=1)))
            self._drop = self.running - self.scores
        sums = np.cumsum(np.concatenate([np.zeros((n, 2)), bends], 1), 1)
        lagged = np.concatenate([np.zeros((n, WINDOW)), sums[:, :-WINDOW]], 1)[:, :epochs]
        self._noise = (sums - lagged) / np.clip(count - 2, 1, WINDOW) / 2
        newest = np.where(self.scores >= self.running, np.arange(epochs), 0)
        self._stale = (np.arange(epochs) - np.maximum.accumulate(newest, 1)) / count

    def begin(self, replays: int) -> None:
        """Forget everything."""
        super().begin(replays)
        self._ahead = np.zeros((replays, self.epochs))

    def values(
        self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The features, and which of them mean anything: the target is ahead."""
        level = self.level[ids, epoch]
        better, count = self.reach(rows, epoch, level)
        self._went_on(rows, ids, epoch)
        lack = target - level
        ahead = np.isfinite(target) & (lack > 0) & (epoch >= 2) & (epoch < self.epochs - 1)
        rows, ids, epoch, lack = rows[ahead], ids[ahead], epoch[ahead], lack[ahead]
        level, better, count = level[ahead], better[ahead], count[ahead]
        noise, gain, before = (a[ids, epoch] for a in (self._noise, self._gain, self._before))
        progress = (epoch + 1) / self.epochs
        doublings = -np.log2(progress)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (gain + noise / 2) / (before + noise / 2)
            ratio = np.clip(np.where(before + noise / 2 > 0, ratio, 1.0), 0.25, 2.0)
            growth = np.where(
                np.abs(ratio - 1) < 1e-3,
                doublings,
                ratio * (ratio**doublings - 1) / np.where(ratio == 1, 1, ratio - 1),
            )

            def log_ratio(amount: np.ndarray) -> np.ndarray:
                return np.clip(np.log((np.maximum(amount, 0) + 0.05 * noise) / lack), -8.0, 5.0)

            leader = self.leader[rows, epoch]
            columns = [
                log_ratio(gain * doublings),
                log_ratio(gain * growth),
                log_ratio(gain * 2 * (1 / progress - 1)),
                log_ratio(before * doublings),
                log_ratio(noise),
                log_ratio(self.leader_final[rows] - leader),
                np.clip((leader - level) / lack, -3.0, 3.0),
                self._stale[ids, epoch],
                log_ratio(self._drop[ids, epoch]),
                log_ratio(self.running[ids, epoch] - level),
                doublings,
                np.log((better + 0.5) / (count + 1)),
                np.log(count + 1),
                log_ratio(self._lately[ids, epoch]),
                log_ratio(self._ahead[rows, epoch]),
                *self._of_complete(rows, ids, epoch, lack, log_ratio),
            ]
        return np.stack(columns, 1), ahead

    def _went_on(self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray) -> None:
        """Enter what trials have gained by now since each earlier epoch."""
        gains = self.running[ids, epoch][:, None] - self.level[ids]
        gains[np.arange(self.epochs) >= epoch[:, None]] = 0.0
        self._ahead[rows] = np.maximum(self._ahead[rows], gains)

    def _of_complete(
        self,
        rows: np.ndarray,
        ids: np.ndarray,
        epoch: np.ndarray,
        lack: np.ndarray,
        log_ratio: Callable[[np.ndarray], np.ndarray],
    ) -> list[np.ndarray]:
        """What complete trials gained from this epoch on."""
        n = self.completed[rows]
        width = int(n.max(initial=1))
        others = self._complete[rows, :width]
        there = np.arange(width) < n[:, None]
        level = self.level[ids, epoch]
        noise = self._noise[ids, epoch]
        finals, at = self.finals[others], self.level[others, epoch[:, None]]
        gains = finals - at
        mean = np.where(there, gains, 0.0).sum(1) / n
        spread = np.sqrt(np.where(there, (gains - mean[:, None]) ** 2, 0.0).sum(1) / n)
        below = there & (at <= level[:, None])
        climbed = np.where(below, finals, -np.inf).max(1)
        away = np.where(there, np.abs(at - level[:, None]), np.inf)
        least = away.min(1)
        return [
            log_ratio(np.where(there, gains, 0.0).max(1)),
            log_ratio(mean),
            log_ratio(spread),
            np.clip((lack - mean) / (spread + 0.05 * noise + 0.001 * lack), -3.0, 12.0),
            np.clip((climbed - level) / lack, -2.0, 1.0),
            np.log((below.sum(1) + 0.5) / (n + 1)),
            log_ratio(np.where(away == least[:, None], gains, -np.inf).max(1)),
            np.clip(least / lack, 0.0, 3.0),
            np.log(n),
        ]


class Risk(Features):
    """RiskRule, with given networks and a given least chance, which may be another by replay."""

    def __init__(
        self, task: Task, models: Mapping[str, Any], allowed: float | np.ndarray, *, best: bool
    ) -> None:
        super().__init__(task, best=best)
        model = models["best" if best else "last"]
        self._model = {
            key: np.array(model[key])
            for key in ("means", "scales", "hidden", "hidden_biases", "output", "output_bias")
        }
        chances = np.asarray(allowed)
        self._allowed = np.log(chances / (1 - chances))

    def begin(self, replays: int) -> None:
        """Forget everything."""
        super().begin(replays)
        self._least = np.broadcast_to(self._allowed, replays)

    def judge(
        self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Stop what has too small a chance."""
        values, ahead = self.values(rows, ids, epoch, target)
        stop = np.zeros(len(rows), bool)
        model = self._model
        scaled = (values - model["means"]) / model["scales"]
        hidden = np.tanh(scaled @ model["hidden"].T + model["hidden_biases"])
        logits = hidden @ model["output"] + model["output_bias"]
        stop[ahead] = logits < self._least[rows[ahead]]
        return stop
