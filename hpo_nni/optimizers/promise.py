"""What a point promises, given all that is known: one number to climb on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr, ndtri

from hpo_nni.optimizers.acquisition import (
    Prospect,
    log_chance_below,
    log_expected_improvement,
)
from hpo_nni.optimizers.base import Outcome
from hpo_nni.optimizers.designs import latin_hypercube
from hpo_nni.optimizers.evidence import some_of
from hpo_nni.optimizers.gaussian_process import Caution, GaussianProcess
from hpo_nni.optimizers.goals import is_front
from hpo_nni.optimizers.losses import warp
from hpo_nni.optimizers.surrogate import Surrogate, standardised

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Cube
    from hpo_nni.optimizers.earlier import EarlierSweeps
    from hpo_nni.optimizers.evidence import Evidence
    from hpo_nni.optimizers.goals import Goals

    Promise = Callable[[Array], Array]

MOST_MODELLED = 220  # results in one model
MOST_STOPPED = 60  # early-stopped ones on top
MOST_JUDGED = 160  # in the model of what can run
GOOD = 5  # places around which is searched
DRAWS = 32  # of the objectives, where there are several
FAILED_WEIGHT = 0.8  # a failure of unknown cause, where an infeasible point is 1
SMOOTH = Caution(shortest=-1.0)
STEPS = Caution(shortest=-1.0, least_noise=math.log(0.05))
DOUBT, VETO = 0.3, 100.0  # the chance below which a point is as good as impossible


class Beliefs:
    """The models of objectives, limits and feasibility.

    Args:
        earlier: sweeps whose results are a first guess.
    """

    def __init__(self, cube: Cube, goals: Goals, earlier: EarlierSweeps) -> None:
        self.goals = goals
        self._cube = cube
        self._earlier = earlier
        self._models = [Surrogate(cube) for _ in range(goals.objectives)]
        self._models += [Surrogate(cube, SMOOTH) for _ in goals.limits]
        # a verdict is a step, which a smooth model would explain by noise or by tiny scales
        self._runs = Surrogate(cube, STEPS)
        self._draws = ndtri(latin_hypercube(goals.objectives, DRAWS, np.random.default_rng(0)))

    def form(self, evidence: Evidence, awaited: Array, rng: np.random.Generator) -> Prospect:
        """The promise of rows, and where to look for good ones.

        Args:
            evidence: with at least two complete points.
            awaited: rows whose results are still to come.
            rng: draws what is modelled, where that is not everything.
        """
        complete = evidence.where(Outcome.COMPLETE)
        within = self._within(evidence, complete)
        parts = [part for part in (self.feasibility(evidence),) if part is not None]
        parts += self._limits(evidence, complete, rng)
        if within.any():
            improve = self._improvement if self.goals.objectives == 1 else self._volume
            prospect = improve(evidence, complete, within, awaited, rng)
            parts.append(prospect.promise)
        else:  # first of all, some point must keep the limits
            worst = np.nanmax(evidence.losses[complete, self.goals.objectives :], axis=1)
            good = evidence.rows[complete[np.argsort(worst, kind="stable")[:GOOD]]]
            prospect = Prospect(_away_from(awaited), good)
            parts.append(prospect.promise)
        return replace(
            prospect,
            promise=lambda rows: np.asarray(np.sum([part(rows) for part in parts], axis=0)),
        )

    def feasibility(self, evidence: Evidence) -> Promise | None:
        """The logarithm of the chance that a row can run; None while everything did."""
        bad = evidence.where(Outcome.INFEASIBLE, Outcome.FAILED)
        if not len(bad):
            return None
        fine = evidence.where(Outcome.COMPLETE, Outcome.STOPPED)
        verdicts = np.full(len(evidence), -1.0)
        verdicts[evidence.where(Outcome.INFEASIBLE)] = 1.0
        verdicts[evidence.where(Outcome.FAILED)] = 2 * FAILED_WEIGHT - 1.0
        bad, fine = (_latest(each, MOST_JUDGED // 2) for each in (bad, fine))
        chosen = np.sort(np.concatenate([bad, fine]))
        targets, mean, deviation = standardised(verdicts[chosen])
        model = self._runs.model(evidence.rows[chosen], targets, len(evidence))
        return _chance(model, (0.0 - mean) / deviation)

    def _within(self, evidence: Evidence, complete: Array) -> Array:
        """Which complete points keep all limits; what is not known is not kept."""
        passed = evidence.losses[complete, self.goals.objectives :]
        return np.asarray((passed <= 0).all(axis=1))

    def _limits(
        self, evidence: Evidence, complete: Array, rng: np.random.Generator
    ) -> list[Promise]:
        """The logarithm of the chance to keep each limit."""
        parts: list[Promise] = []
        for column in range(self.goals.objectives, self.goals.width):
            passed = evidence.losses[complete, column]
            measured = np.isfinite(passed)
            if measured.sum() < 2:
                continue
            rows, passed = evidence.rows[complete][measured], passed[measured]
            chosen = some_of(len(rows), MOST_MODELLED, np.abs(passed), rng)
            targets, mean, deviation = standardised(_drawn_in(passed[chosen]))
            model = self._models[column].model(rows[chosen], targets, len(evidence))
            parts.append(_chance(model, (0.0 - mean) / deviation))
        return parts

    def _improvement(
        self,
        evidence: Evidence,
        complete: Array,
        within: Array,
        awaited: Array,
        rng: np.random.Generator,
    ) -> Prospect:
        """Expected improvement of the one objective."""
        losses = evidence.losses[complete, 0]
        ranked = np.where(within, losses, losses.max() + 1.0)
        chosen = some_of(len(losses), MOST_MODELLED, ranked, rng)
        rows, targets = evidence.rows[complete[chosen]], warp(losses[chosen])
        outlook = self._earlier.outlook(rows, targets)
        guess = outlook.guess
        model = self._models[0].model(rows, targets - guess(rows), len(evidence))
        stopped = _latest(evidence.where(Outcome.STOPPED), MOST_STOPPED)
        if len(stopped):
            model = _with_stopped(model, evidence.rows[stopped], guess, targets)
        expected = model.mean(rows) + guess(rows)
        best = float(expected[within[chosen]].min())
        if len(awaited):
            best = min(best, float((model.mean(awaited) + guess(awaited)).min()))
            model = model.with_fantasies(awaited)

        def promise(candidates: Array) -> Array:
            centre, spread = model.predict(candidates)
            return log_expected_improvement(centre + guess(candidates), spread, best)

        good = rows[np.argsort(ranked[chosen], kind="stable")[:GOOD]]
        return Prospect(promise, good, outlook.box)

    def _volume(
        self,
        evidence: Evidence,
        complete: Array,
        within: Array,
        awaited: Array,
        rng: np.random.Generator,
    ) -> Prospect:
        """By how much the dominated volume grows on average, or a random mix of the objectives."""
        count = self.goals.objectives
        losses = evidence.losses[complete, :count]
        order = np.argsort(np.argsort(losses, axis=0), axis=0).min(axis=1)
        chosen = some_of(len(losses), MOST_MODELLED, order, rng)
        rows = evidence.rows[complete[chosen]]
        targets = np.column_stack([warp(losses[chosen, column]) for column in range(count)])
        models = []
        for column in range(count):
            model = self._models[column].model(rows, targets[:, column], len(evidence))
            models.append(model.with_fantasies(awaited))
        kept = within[chosen]
        expected = np.column_stack([model.mean(model.rows) for model in models])
        usable = np.concatenate([kept, np.ones(len(expected) - len(kept), dtype=bool)])
        front = expected[usable][is_front(expected[usable])]
        reference = expected.max(axis=0) + 0.1
        weights = rng.dirichlet(np.ones(count))

        def promise(candidates: Array) -> Array:
            believed = [model.predict(candidates) for model in models]
            draws = np.stack(
                [
                    mean[:, None] + spread[:, None] * self._draws[:, column]
                    for column, (mean, spread) in enumerate(believed)
                ],
                axis=2,
            )  # [candidate, draw, objective]
            if count == 2:
                gained = _gained_area(draws, front, reference)
            else:
                mixed = _mixed(front, weights)
                gained = np.maximum(mixed.min() - _mixed(draws, weights), 0.0)
            return np.asarray(np.log(gained.mean(axis=1) + 1e-12))

        good = rows[kept][is_front(targets[kept])]
        return Prospect(promise, good[rng.permutation(len(good))[: 2 * GOOD]])


def _with_stopped(
    model: GaussianProcess, rows: Array, guess: Promise, targets: Array
) -> GaussianProcess:
    """The model with early-stopped points at what they would have come to, on average.

    All that is known of such a point is that it looked worse than the median: its expectation is
    that of a normal distribution cut off there (Hutter, Hoos, Leyton-Brown: Bayesian optimization
    with censored response data, 2011).
    """
    mean, spread = model.predict(rows)
    mean = mean + guess(rows)
    spread = np.sqrt(spread**2 + model.noise)
    cut = (np.median(targets) - mean) / spread
    # the hazard of the standard normal distribution
    hazard = np.exp(-0.5 * cut**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-cut))
    censored = np.minimum(mean + spread * hazard, targets.max())
    return GaussianProcess(
        model.cube,
        np.vstack([model.rows, rows]),
        np.concatenate([model.targets, censored - guess(rows)]),
        model.scales,
    )


def _chance(model: GaussianProcess, edge: float) -> Promise:
    """The logarithm of the chance to be below the edge, vetoed where it is below `DOUBT`."""

    def chance(rows: Array) -> Array:
        logs = log_chance_below(*model.predict(rows), edge)
        return np.asarray(logs - VETO * np.maximum(np.log(DOUBT) - logs, 0.0))

    return chance


def _drawn_in(values: Array) -> Array:
    """Values whose size counts by its logarithm beyond a typical one; the sign stays."""
    unit = values.std() or 1.0
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / unit))


def _away_from(awaited: Array) -> Promise:
    """Little promise near points that are being tried."""

    def promise(rows: Array) -> Array:
        if not len(awaited):
            return np.zeros(len(rows))
        squares = ((rows[:, None, :] - awaited[None, :, :]) ** 2).mean(axis=2)
        return np.asarray(np.log1p(-np.exp(-squares.min(axis=1) / 0.02 - 1e-9)))

    return promise


def _latest(indices: Array, limit: int) -> Array:
    return np.asarray(indices[-limit:])


def _gained_area(draws: Array, front: Array, reference: Array) -> Array:
    """What each draw adds to the area that a front of two losses dominates."""
    front = front[np.argsort(front[:, 0], kind="stable")]
    starts = np.concatenate([[-np.inf], front[:, 0]])
    ends = np.concatenate([front[:, 0], [reference[0]]])
    ceilings = np.concatenate([[reference[1]], front[:, 1]])
    width = np.maximum(ends - np.maximum(draws[..., :1], starts), 0.0)
    return np.asarray((width * np.maximum(ceilings - draws[..., 1:], 0.0)).sum(axis=-1))


def _mixed(losses: Array, weights: Array) -> Array:
    """One loss out of several (augmented Chebyshev; Knowles: ParEGO, 2006)."""
    weighted = losses * weights
    return np.asarray(weighted.max(axis=-1) + 0.05 * weighted.sum(axis=-1))
