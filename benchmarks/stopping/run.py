"""`make bench-stopping`: what early stopping saves and loses, beside the peers.

    nice -n 19 .venv/bin/python benchmarks/stopping/run.py [--scale 1.0] [--only PART]

Parts: auto, bound, tuner, peers, speed. Each writes what it measured into results.json, beside
this file, and leaves out what is there already; the tables in results.md are made from that.
`--scale 0.1` makes a tenth of the replays. AutoAssessor is measured on each learner with constants
that were chosen without that learner (without.json).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from batch import SLOTS, TRIALS, Asha, Outcome, Risk, Rule, Task, load, orders, replay
from peers import PEERS, SLOW, StopDiverged, ours
from scipy.stats import beta

from hpo_nni.direction import Direction
from hpo_nni.optimizers.registry import OPTIMIZERS
from hpo_nni.space import parse_space
from hpo_nni.stopping import forecast
from hpo_nni.stopping.base import History
from hpo_nni.stopping.risk import RiskRule
from hpo_nni.testing.simulator import Curve, InOrder, Run, Tuned, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
FORECAST = Path(forecast.__file__).with_name("forecast.json")
ORDERS = ("random", "improving")
DEFAULT = 0.01
RISKS = (DEFAULT, 0.005, 0.05, 0.2)
Counts = dict[str, list[float]]  # "who | task | order" -> share, lost, regret, replays


def interval(lost: float, replays: float) -> tuple[float, float]:
    """Clopper and Pearson's, at 95 %."""
    low = beta.ppf(0.025, lost, replays - lost + 1) if lost else 0.0
    high = beta.ppf(0.975, lost + 1, replays - lost) if lost < replays else 1.0
    return float(low), float(high)


def counts(outcome: Outcome) -> list[float]:
    """What is kept of some replays; regret only where a trial was complete."""
    regret = outcome.regret[np.isfinite(outcome.regret)]
    return [
        float(outcome.share.mean()),
        int(outcome.lost.sum()),
        float(regret.mean()) if len(regret) else math.nan,
        len(outcome.share),
    ]


def measured(
    task: Task, rule: Rule, replays: int, variants: int = 1, *, best: bool
) -> list[list[float]]:
    """One rule on one task, for each order and variant; these differ by replay, side by side."""
    finals = task.finals(best=best)
    chosen = [orders(finals, replays, order, np.random.default_rng(97)) for order in ORDERS]
    outcome = replay(
        task, np.concatenate([np.tile(c, (variants, 1)) for c in chosen]), rule, best=best
    )
    shares, regrets = outcome.share.reshape(-1, replays), outcome.regret.reshape(-1, replays)
    return [counts(Outcome(*one)) for one in zip(shares, regrets, strict=True)]


class Case(NamedTuple):
    """Some risks of AutoAssessor, and how often each is replayed for an order."""

    mode: str
    risks: tuple[float, ...]
    replays: int
    more: str = ""


def auto(tasks: dict[str, Task], scale: float) -> None:
    """AutoAssessor at all risks, and ASHA."""
    without = json.loads((HERE / "without.json").read_text(encoding="utf-8"))
    few = max(20, int(500 * scale))
    for case in (
        Case("best", RISKS[:1], max(20, int(2000 * scale))),
        Case("best", RISKS[1:], few),
        Case("last", RISKS[:1], few, ", last score"),
    ):
        for task in tasks.values():
            _auto(task, without[task.learner], case)
    for rung, task in itertools.product((5, 9), tasks.values()):
        keys = [f"ASHA, first rung {rung} | {task.name} | {order}" for order in ORDERS]
        asha = Asha(task, rung)
        _note(keys, lambda a=task, b=asha: measured(a, b, few, best=True))


def bound(tasks: dict[str, Task], scale: float) -> None:
    """AutoAssessor as it comes, fitted to these tasks too: no learner is new to it."""
    models = json.loads(FORECAST.read_text(encoding="utf-8"))
    for task in tasks.values():
        case = Case("best", RISKS, max(20, int(500 * scale)), ", learner known")
        _auto(task, models, case)


def _auto(task: Task, models: dict[str, Any], case: Case) -> None:
    allowed = [_allowed(models[case.mode]["chances"], risk) for risk in case.risks]
    best, variants = case.mode == "best", len(case.risks)
    rule = Risk(task, models, np.tile(np.repeat(allowed, case.replays), len(ORDERS)), best=best)
    keys = [
        f"AutoAssessor {r:g}{case.more} | {task.name} | {o}" for o in ORDERS for r in case.risks
    ]
    _note(keys, lambda: measured(task, rule, case.replays, variants, best=best))


def _allowed(table: list[list[float]], risk: float) -> float:
    return float(next(chance for stated, chance in table if math.isclose(stated, risk)))


def simulated(make: Any, sources: list[Any]) -> list[float]:
    """One judge of the simulator on one task."""
    runs: list[Run] = [simulate(source, StopDiverged(make()), SLOTS) for source in sources]
    regrets = np.array([run.regret(Direction.MAXIMIZE, best=True) for run in runs])
    return counts(Outcome(np.array([run.share for run in runs]), regrets))


def curves_of(task: Task) -> list[Curve]:
    """The task's curves for the simulator; a diverged one ends where it diverges."""
    return [Curve(tuple(map(float, row))) for row in task.curves]


def peers(tasks: dict[str, Task], scale: float) -> None:
    """The peers' own classes, in the simulator."""
    for task, order, (name, make) in itertools.product(tasks.values(), ORDERS, PEERS.items()):
        if task.name not in SLOW.get(name, (task.name,)):
            continue
        replays = max(1, int((2 if name in SLOW else 40) * scale))
        chosen = orders(task.finals(best=True), replays, order, np.random.default_rng(97))
        curves = curves_of(task)
        sources = [InOrder([curves[k] for k in row]) for row in chosen]
        key = f"{name} | {task.name} | {order}"
        _note([key], lambda a=make, b=sources: [simulated(a, b)])


class Nearest:
    """A proposal stands for the nearest configuration that has not run."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._free = np.ones(len(task.curves), bool)

    def __call__(self, point: dict[str, Any]) -> Curve:
        """The curve of that configuration."""
        place = np.array([point[str(k)] for k in range(self._task.units.shape[1])])
        distance = ((self._task.units - place) ** 2).sum(1)
        row = int(np.where(self._free, distance, np.inf).argmin())
        self._free[row] = False
        return Curve(tuple(map(float, self._task.curves[row])))


# name in OPTIMIZERS, runs per task
TUNERS = {"TPE": ("optuna", 10), "AutoTuner": ("auto", 2)}


def tuner(tasks: dict[str, Task], scale: float) -> None:
    """Under tuners, which hear of stopped trials as they do live."""
    judges = {
        "AutoAssessor 0.01": lambda: ours("AutoAssessor"),
        "PAI median, start 5": PEERS["PAI median, start 5"],
        "NNI Medianstop, start 5": PEERS["NNI Medianstop, start 5"],
        "ASHA, first rung 9": lambda: ours("AshaAssessor"),
    }
    for (order, (optimizer, runs)), task in itertools.product(TUNERS.items(), tasks.values()):
        dimensions = range(task.units.shape[1])
        space = parse_space({str(k): {"_type": "uniform", "_value": [0, 1]} for k in dimensions})
        kind = OPTIMIZERS.load(optimizer)
        for name, make in judges.items():
            sources = [
                Tuned(
                    kind(space, Direction.MAXIMIZE, seed=seed),
                    Nearest(task),
                    Direction.MAXIMIZE,
                    TRIALS,
                )
                for seed in range(max(1, int(runs * scale)))
            ]
            key = f"{name} | {task.name} | {order}"
            _note([key], lambda a=make, b=sources: [simulated(a, b)])


def speed(tasks: dict[str, Task], scale: float) -> None:
    """Milliseconds of the processor for a verdict with 1,000 trials of 100 steps in the history."""
    del tasks, scale
    rng = np.random.default_rng(0)
    steps = tuple(range(1, 101))
    peers = {
        str(k): History(steps, tuple(np.sort(rng.random(100))), is_complete=True)
        for k in range(1000)
    }
    rule = RiskRule(Direction.MAXIMIZE)
    times = []
    for k in range(200):
        trial = History(steps[: 10 + k % 80], tuple(np.sort(rng.random(10 + k % 80)) * 0.99))
        began = time.process_time()
        rule.judge(trial, peers)
        times.append(time.process_time() - began)
    figures = [1000 * float(np.median(times)), 1000 * float(np.quantile(times, 0.9))]
    _note(["verdict"], lambda: [figures])


PARTS = {"auto": auto, "bound": bound, "tuner": tuner, "peers": peers, "speed": speed}


def _note(keys: list[str], measure: Callable[[], list[list[float]]]) -> None:
    """Measure what results.json has not."""
    known: Counts = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if known.keys() >= {*keys}:
        return
    for key, value in zip(keys, measure(), strict=True):
        known[key] = value
        print(key, value, flush=True)
    RESULTS.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def tables() -> str:
    """results.md: pooled over tasks, then AutoAssessor by task."""
    known: Counts = json.loads(RESULTS.read_text(encoding="utf-8"))
    split = {tuple(key.split(" | ")): value for key, value in known.items() if " | " in key}
    lines = ["# Early stopping, measured", "", _HEAD]
    for order in (*ORDERS, *TUNERS):
        names = sorted({who for who, _, at in split if at == order})
        if not names:
            continue
        lines += ["", f"## Order: {order}", "", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
        rows = [
            (name, [v for (w, _, at), v in split.items() if (w, at) == (name, order)])
            for name in names
        ]
        lines += [_pooled(name, values) for name, values in rows]
    lines += ["", "## AutoAssessor at 0.01, by task", ""]
    lines += [_row(["task", "order", *_COLUMNS[1:]]), _row(["---"] * (len(_COLUMNS) + 1))]
    for (who, task, order), value in sorted(split.items()):
        if who == "AutoAssessor 0.01":
            lines.append(_row([task, order, *_figures([value])]))
    if "verdict" in known:
        half, most = known["verdict"]
        history = "Processor time of a verdict with 1,000 trials of 100 steps in the history"
        lines += ["", f"{history}: median {half:.2f} ms, 90 % below {most:.2f} ms."]
    return "\n".join(lines) + "\n"


_COLUMNS = [
    "rule",
    "tasks",
    "replays",
    "epochs",
    "best lost",
    "95 % interval",
    "worst task",
    "regret",
]
_HEAD = (
    "64 trials, 4 at a time; means over tasks of equal weight. *Best lost*: replays in which no "
    "configuration with the best final score ran to its end; the interval is that of Clopper and "
    "Pearson over all replays. *Worst task*: the largest share lost on one task. *Regret*: best "
    "final score less the best complete one, in the units of the metric. The constants of "
    "AutoAssessor were chosen without the learner that it is measured on, save under tuners, where "
    "they are those that it comes with. Made by "
    "`make bench-stopping`, here with fewer replays than its 2,000 and 500: as many as are listed."
)


def _figures(values: list[list[float]]) -> list[str]:
    lost, replays = sum(v[1] for v in values), sum(v[3] for v in values)
    low, high = interval(lost, replays)
    return [
        str(len(values)),
        f"{replays:.0f}",
        f"{100 * np.mean([v[0] for v in values]):.1f} %",
        f"{100 * np.mean([v[1] / v[3] for v in values]):.2f} %",
        f"{100 * low:.2f} to {100 * high:.2f} %",
        f"{100 * max(v[1] / v[3] for v in values):.1f} %",
        f"{np.nanmean([v[2] for v in values]):.2g}",
    ]


def _pooled(name: str, values: list[list[float]]) -> str:
    return _row([name, *_figures(values)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the parts, then write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    tasks = load()
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            part(tasks, arguments.scale)
    (HERE / "results.md").write_text(tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
