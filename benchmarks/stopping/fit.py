"""Fits the constants of RiskRule: hpo_nni/stopping/forecast.json.

    nice -n 19 .venv/bin/python benchmarks/stopping/fit.py

For each learner, the network is fitted to the curves of all others, and the probability to lose the
best configuration is measured on its own curves, over a grid of least chances. A risk may use the
largest chance at which the upper bound of what was lost, over all learners, is at most that risk.
The network that is written is fitted to all learners. The networks and chances without each learner
go to without.json, for run.py. All of it takes a quarter of an hour on one core.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from batch import Features, Risk, Task, load, orders, replay
from scipy.stats import beta
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
WITHOUT = HERE / "without.json"
TARGET = HERE.parent.parent / "hpo_nni" / "stopping" / "forecast.json"
CHANCES = (0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
RISKS = (0.005, 0.01, 0.05, 0.2)
SETTINGS = tuple(itertools.product((True, False), ("random", "improving")))  # best or last, order
HELD_OUT = frozenset({"digits-mlp"})  # no constant knows it
COLLECTED, MEASURED = 30, 150  # replays per task and setting


class Collector(Features):
    """Notes features and outcomes, under a rule that stops what four times its trend won't lift."""

    def __init__(self, task: Task, *, best: bool, rng: np.random.Generator) -> None:
        super().__init__(task, best=best)
        self._rng = rng
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []

    def judge(
        self, rows: np.ndarray, ids: np.ndarray, epoch: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Note a third of all verdicts."""
        values, ahead = self.values(rows, ids, epoch, target)
        wins = self.finals[ids[ahead]] > target[ahead]
        some = self._rng.random(len(wins)) < 1 / 3
        self.rows.append((values[some].astype(np.float32), wins[some]))
        stop = np.zeros(len(rows), bool)
        stop[ahead] = np.logaddexp(values[:, 1], values[:, 4] + np.log(2)) < np.log(1 / 4)
        return stop


def collect(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Features and outcomes of a task, also with a third of its evaluations."""
    rng = np.random.default_rng(11)
    rows = []
    for view, (best, order) in itertools.product((task, task.every(3)), SETTINGS):
        collector = Collector(view, best=best, rng=rng)
        chosen = orders(view.finals(best=best), COLLECTED, order, rng)
        replay(view, chosen, collector, best=best)
        rows += collector.rows
    values, wins = map(np.concatenate, zip(*rows, strict=True))
    print(f"{task.name}: {len(wins)} verdicts, {wins.mean():.3f} right to go on", flush=True)
    return values, wins


def fit(samples: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """A network for some tasks, each with the same weight."""
    rng = np.random.default_rng(3)
    least = min(30_000, *(len(wins) for _, wins in samples))
    picks = [rng.choice(len(wins), least, replace=False) for _, wins in samples]
    x = np.concatenate([values[pick] for (values, _), pick in zip(samples, picks, strict=True)])
    y = np.concatenate([wins[pick] for (_, wins), pick in zip(samples, picks, strict=True)])
    means, scales = x.mean(0), x.std(0)
    network = MLPClassifier(
        (16,), activation="tanh", alpha=0.01, batch_size=512, max_iter=20, random_state=0
    ).fit((x - means) / scales, y)
    (hidden, output), (hidden_biases, output_bias) = network.coefs_, network.intercepts_
    return {
        "means": _rounded(means),
        "scales": _rounded(scales),
        "hidden": [_rounded(column) for column in hidden.T],
        "hidden_biases": _rounded(hidden_biases),
        "output": _rounded(output[:, 0]),
        "output_bias": round(float(output_bias[0]), 5),
    }


def measure(task: Task, model: dict[str, Any]) -> dict[str, list[float]]:
    """Share of the epochs, lost bests and replays by chance and setting."""
    found = {}
    for best, order in SETTINGS:
        rng = np.random.default_rng(23)
        chosen = orders(task.finals(best=best), MEASURED, order, rng)
        line = [f"{task.name:14} {'best' if best else 'last'} {order:9}"]
        for chance in CHANCES:
            outcome = replay(task, chosen, Risk(task, model, chance, best=best), best=best)
            key = f"{task.name} {'best' if best else 'last'} {order} {chance}"
            found[key] = [float(outcome.share.mean()), int(outcome.lost.sum()), MEASURED]
            line.append(f"{outcome.share.mean():.2f}/{outcome.lost.mean():.3f}")
        print("  ".join(line), flush=True)
    return found


def chances(
    measured: dict[str, list[float]], learners: dict[str, str]
) -> dict[str, list[list[float]]]:
    """For each risk the largest chance at which the upper bound of what was lost is at most that.

    Args:
        measured: as from `measure`, of all tasks.
        learners: task -> learner.

    Returns:
        Rising pairs of risk and chance, for trials that end with their best score and their last.
    """
    tables = {}
    for mode in ("best", "last"):
        bound = {chance: _bound(measured, learners, mode, chance) for chance in CHANCES}
        tables[mode] = [[risk, float(f"{_largest(bound, risk):.3g}")] for risk in RISKS]
    return tables


def _bound(
    measured: dict[str, list[float]], learners: dict[str, str], mode: str, chance: float
) -> float:
    """Clopper and Pearson's upper bound at 95 %, each learner having the same weight."""
    shares: dict[str, list[float]] = {}
    total = 0.0
    for key, (_, count, replays) in measured.items():
        task, of_mode, _, of_chance = key.split()
        if of_mode == mode and float(of_chance) == chance:
            shares.setdefault(learners[task], []).append(count / replays)
            total += replays
    lost = total * float(np.mean([np.mean(of_learner) for of_learner in shares.values()]))
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
    samples = {name: collect(task) for name, task in tasks.items()}
    learners = {name: task.learner for name, task in tasks.items()}
    measured: dict[str, list[float]] = {}
    without = {}
    for learner in sorted(set(learners.values())):
        model = fit([samples[name] for name in tasks if learners[name] != learner])
        without[learner] = model
        for name, task in tasks.items():
            if learners[name] == learner:
                measured |= measure(task, model)
    for learner, model in without.items():
        others = {key: one for key, one in measured.items() if learners[key.split()[0]] != learner}
        model["chances"] = chances(others, learners)
    WITHOUT.write_text(json.dumps(without), encoding="utf-8")
    final = fit(list(samples.values())) | {"chances": chances(measured, learners)}
    TARGET.write_text(json.dumps(final, indent=0), encoding="utf-8")
    print(f"chances: {final['chances']}")


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in values]


if __name__ == "__main__":
    sys.exit(main())
