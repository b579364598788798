"""Fits the constants of RiskRule: hpo_nni/stopping/forecast.json.

    nice -n 19 .venv/bin/python benchmarks/stopping/fit.py

For each learner, networks are fitted to the curves of all others, and the probability to lose the
best configuration is measured on its own curves, over a grid of least chances. A risk may use the
largest chance at which the upper bound of what was lost, over all tasks, is at most four fifths of
that risk: learners that nobody has seen lose more than those that the chances were chosen by.
The networks that are written are fitted to all learners. The networks and chances without each
learner go to without.json, for run.py. All of it takes a quarter of an hour on one core.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from batch import Features, Risk, Task, load, orders, replay
from scipy.stats import beta
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
WITHOUT = HERE / "without.json"
TARGET = HERE.parent.parent / "hpo_nni" / "stopping" / "forecast.json"
CHANCES = (0.03, 0.012, 0.005, 0.002, 0.0008, 0.0003)
RISKS = (0.005, 0.01, 0.05, 0.2)
KEPT_BACK = 0.8  # of a risk, what the chances are chosen by
ORDERS = ("random", "improving")
MODES = {"best": True, "last": False}
HELD_OUT = frozenset({"digits-mlp"})  # no constant knows it
EVALUATIONS = {1: 60, 3: 15}  # one in so many -> replays per task, mode and order
MEASURED = 100  # replays per task, mode and order
MEMBERS = 3  # networks, of which the mean decides: one alone errs more on other learners
UNITS = 16

Sample = tuple[np.ndarray, np.ndarray]  # features, outcomes


class Collector(Features):
    """Notes features and outcomes, under a rule that stops what 20 times its trend won't lift."""

    def __init__(self, task: Task, *, best: bool, rng: np.random.Generator) -> None:
        super().__init__(task, best=best)
        self._rng = rng
        self.rows: list[Sample] = []

    def judge(
        self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Note half of all verdicts."""
        values, ahead = self.values(rows, ids, epoch, target)
        wins = self.finals[ids[ahead]] > target[ahead]
        some = self._rng.random(len(wins)) < 1 / 2
        self.rows.append((values[some].astype(np.float32), wins[some]))
        stop = np.zeros(len(rows), bool)
        stop[ahead] = np.logaddexp(values[:, 1], values[:, 4] + np.log(2)) < np.log(1 / 20)
        return stop


def collect(task: Task, *, best: bool) -> Sample:
    """Features and outcomes of a task, also with a third of its evaluations."""
    rng = np.random.default_rng(11)
    rows = []
    for stride, replays in EVALUATIONS.items():
        view = task.every(stride)
        collector = Collector(view, best=best, rng=rng)
        finals = view.finals(best=best)
        chosen = [orders(finals, replays, order, rng) for order in ORDERS]
        replay(view, np.concatenate(chosen), collector, best=best)
        rows += collector.rows
    values, wins = map(np.concatenate, zip(*rows, strict=True))
    print(f"{task.name}: {len(wins)} verdicts, {wins.mean():.3f} right to go on", flush=True)
    return values, wins


def fit(samples: list[Sample]) -> dict[str, Any]:
    """Networks for some tasks, each with the same weight, as one network: their mean."""
    rng = np.random.default_rng(3)
    least = min(40_000, *(len(wins) for _, wins in samples))
    picks = [rng.choice(len(wins), least, replace=False) for _, wins in samples]
    x = np.concatenate([values[pick] for (values, _), pick in zip(samples, picks, strict=True)])
    y = np.concatenate([wins[pick] for (_, wins), pick in zip(samples, picks, strict=True)])
    means, scales = x.mean(0), x.std(0)
    scaled = (x - means) / scales
    members = [_member(scaled, y, seed) for seed in range(MEMBERS)]
    return {
        "means": _rounded(means),
        "scales": _rounded(scales),
        "hidden": [_rounded(column) for one in members for column in one.coefs_[0].T],
        "hidden_biases": _rounded(np.concatenate([one.intercepts_[0] for one in members])),
        "output": _rounded(np.concatenate([one.coefs_[1][:, 0] for one in members]) / MEMBERS),
        "output_bias": round(float(np.mean([one.intercepts_[1][0] for one in members])), 5),
    }


def _member(x: np.ndarray, y: np.ndarray, seed: int) -> MLPClassifier:
    network = MLPClassifier(
        (UNITS,),
        activation="tanh",
        alpha=0.01,
        batch_size=2048,
        learning_rate_init=0.003,
        max_iter=12,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is told to end early
        return network.fit(x, y)


def measure(task: Task, models: dict[str, Any]) -> dict[str, list[float]]:
    """Share of the epochs, lost bests and replays by chance, mode and order."""
    found = {}
    cases = [*itertools.product(ORDERS, CHANCES)]
    for mode, best in MODES.items():
        finals = task.finals(best=best)
        chosen = {o: orders(finals, MEASURED, o, np.random.default_rng(23)) for o in ORDERS}
        allowed = np.repeat([chance for _, chance in cases], MEASURED)
        rule = Risk(task, models, allowed, best=best)
        outcome = replay(task, np.concatenate([chosen[o] for o, _ in cases]), rule, best=best)
        shares, lost = outcome.share.reshape(-1, MEASURED), outcome.lost.reshape(-1, MEASURED)
        for (order, chance), share, bad in zip(cases, shares, lost, strict=True):
            key = f"{task.name} {mode} {order} {chance}"
            found[key] = [float(share.mean()), int(bad.sum()), MEASURED]
            print(f"{key}: {share.mean():.3f} of the epochs, {bad.mean():.3f} lost", flush=True)
    return found


def chances(measured: dict[str, list[float]]) -> dict[str, list[list[float]]]:
    """For each risk the largest chance at which the upper bound of what was lost allows it.

    Args:
        measured: as from `measure`, of all tasks.

    Returns:
        Rising pairs of risk and chance, for trials that end with their best score and their last.
    """
    tables = {}
    for mode in MODES:
        bound = {chance: _bound(measured, mode, chance) for chance in CHANCES}
        tables[mode] = [[risk, float(f"{_largest(bound, KEPT_BACK * risk):.3g}")] for risk in RISKS]
    return tables


def _bound(measured: dict[str, list[float]], mode: str, chance: float) -> float:
    """Clopper and Pearson's upper bound at 95 %, each task having the same weight."""
    lost, total = 0.0, 0.0
    for key, (_, count, replays) in measured.items():
        _, of_mode, _, of_chance = key.split()
        if of_mode == mode and float(of_chance) == chance:
            lost += count
            total += replays
    return float(beta.ppf(0.975, lost + 1, total - lost))


def _largest(bound: dict[float, float], risk: float) -> float:
    """The chance that goes with a risk: between two that were measured, or below all of them."""
    safe = [chance for chance in CHANCES if bound[chance] <= risk]
    if not safe:
        return CHANCES[-1] * risk / bound[CHANCES[-1]]
    low = safe[0]
    above = [chance for chance in CHANCES if chance > low]
    if not above:
        return low
    high = min(above)
    place = np.log(risk / bound[low]) / np.log(bound[high] / bound[low])
    return float(np.exp(np.log(low) + place * np.log(high / low)))


def main() -> None:
    """Fit, measure, choose, write."""
    tasks = {name: task for name, task in load().items() if name not in HELD_OUT}
    learners = {name: task.learner for name, task in tasks.items()}
    samples = {
        mode: {name: collect(task, best=best) for name, task in tasks.items()}
        for mode, best in MODES.items()
    }
    measured: dict[str, list[float]] = {}
    without = {}
    for learner in sorted(set(learners.values())):
        without[learner] = {
            mode: fit([of[name] for name in tasks if learners[name] != learner])
            for mode, of in samples.items()
        }
        for name, task in tasks.items():
            if learners[name] == learner:
                measured |= measure(task, without[learner])
    for learner, models in without.items():
        others = {key: one for key, one in measured.items() if learners[key.split()[0]] != learner}
        for mode, table in chances(others).items():
            models[mode]["chances"] = table
    WITHOUT.write_text(json.dumps(without), encoding="utf-8")
    tables = chances(measured)
    final = {mode: fit([*of.values()]) | {"chances": tables[mode]} for mode, of in samples.items()}
    TARGET.write_text(json.dumps(final, indent=0) + "\n", encoding="utf-8")
    print(f"chances: {tables}")


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in values]


if __name__ == "__main__":
    sys.exit(main())
