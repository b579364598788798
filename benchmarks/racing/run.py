"""`make bench-racing`: configurations that race over days, beside the full sweep and ASHA.

    nice -n 19 .venv/bin/python benchmarks/racing/run.py [--only STREAM] [--seeds N] [--development]

What is measured, and how it is scored, is fixed in streams.py; curves.npz has the days of a real
data set, which make_curves.py recorded. Writes results.json and results.md beside this file, and
leaves out what results.json has already. `--development` uses other seeds and only prints.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import beta
from streams import BUDGET, DEVELOPMENT, FIRST_RUNGS, LEVEL, REDUCTION, SEEDS, SLOTS, STREAMS, draw

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import Verdict
from hpo_nni.stopping.halving import HalvingRule
from hpo_nni.stopping.race import DayRaceRule
from hpo_nni.testing.simulator import Curve, InOrder, NoJudge, RuleJudge, Run, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hpo_nni.stopping.base import History
    from hpo_nni.testing.simulator import Judge

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
RACE = f"race, level {LEVEL}"
REAL = "MovieLens-100K"
SHIPPED_RUNG = 9  # AshaAssessor's default
MAXIMIZE = Direction.MAXIMIZE


@dataclass(frozen=True)
class HalvingOnMeans:
    """HalvingRule's rungs, on the mean of all days so far in place of the best one."""

    first_rung: int

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Keep the best third of those that have reached the rung."""
        rung = self.first_rung
        while rung < len(trial.steps):
            rung *= REDUCTION
        if rung > len(trial.steps):
            return Verdict(keep=True, reason="no rung")
        own = trial.running_means[-1]
        found = [peer.running_mean_at(trial.steps[-1]) for peer in peers.values()]
        values = [value for value in found if value is not None]
        better = sum(value > own for value in values)
        return Verdict(keep=better < max(1, (len(values) + 1) // REDUCTION), reason="a rung")


CONTENDERS: dict[str, Callable[[], Judge]] = {
    "full sweep": NoJudge,
    f"AshaAssessor, rung {SHIPPED_RUNG}": lambda: RuleJudge(
        HalvingRule(MAXIMIZE, REDUCTION, SHIPPED_RUNG)
    ),
    **{
        f"ASHA on means, rung {rung}": lambda rung=rung: RuleJudge(HalvingOnMeans(rung))
        for rung in FIRST_RUNGS
    },
    RACE: lambda: RuleJudge(DayRaceRule(MAXIMIZE, LEVEL)),
}


@dataclass(frozen=True)
class Outcome:
    """One contender on one stream of one seed."""

    regret: float
    dropped: bool
    begun: int
    complete: int


def measure(scores: np.ndarray, truth: np.ndarray, judge: Judge) -> Outcome:
    """Run the pool in its order until the budget is used."""
    source = InOrder(Curve(tuple(map(float, row))) for row in scores)
    run = simulate(source, judge, SLOTS, budget=BUDGET)
    begun = [k for k, trial in enumerate(run.trials) if trial.evaluations]
    best = max(begun, key=lambda k: truth[k])
    return Outcome(
        regret=float(truth.max() - truth[recommended(run, scores)]),
        dropped=run.trials[best].stopped,
        begun=len(begun),
        complete=sum(trial.complete for trial in run.trials),
    )


def recommended(run: Run, scores: np.ndarray) -> int:
    """The complete trial with the best mean; without one, of those that got furthest."""
    furthest = max(trial.evaluations for trial in run.trials)
    ahead = [k for k, trial in enumerate(run.trials) if trial.evaluations == furthest]
    complete = [k for k, trial in enumerate(run.trials) if trial.complete]
    return max(
        complete or ahead, key=lambda k: float(scores[k, : run.trials[k].evaluations].mean())
    )


def contest(draws: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """All contenders on the same draws."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in CONTENDERS}
    for scores, truth in draws:
        for name, make in CONTENDERS.items():
            outcomes[name].append(measure(scores, truth, make()))
    regrets = {name: np.array([one.regret for one in got]) for name, got in outcomes.items()}
    ours = regrets[RACE]
    return {
        name: {
            "regret": float(regrets[name].mean()),
            "more": float((regrets[name] - ours).mean()),
            "error": float((regrets[name] - ours).std(ddof=1) / math.sqrt(len(ours))),
            "dropped": sum(one.dropped for one in got),
            "begun": float(np.mean([one.begun for one in got])),
            "complete": float(np.mean([one.complete for one in got])),
            "draws": len(got),
        }
        for name, got in outcomes.items()
    }


def stream_draws(name: str, seeds: Iterable[int]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """The draws of a stream."""
    for seed in seeds:
        stream = draw(STREAMS[name], seed)
        yield stream.scores, stream.truth


def real_draws(seeds: Iterable[int]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """The recorded configurations in an order of their own for each seed; truth is the mean."""
    with np.load(HERE / "curves.npz") as file:
        curves = file["auc"].astype(float)
    for seed in seeds:
        order = np.random.default_rng([100_000, seed]).permutation(len(curves))
        yield curves[order], curves[order].mean(1)


def interval(lost: float, draws: float) -> tuple[float, float]:
    """Clopper and Pearson's, at 95 %."""
    low = beta.ppf(0.025, lost, draws - lost + 1) if lost else 0.0
    high = beta.ppf(0.975, lost + 1, draws - lost) if lost < draws else 1.0
    return float(low), float(high)


_HEAD = f"""# Racing over days, measured

{SLOTS} trials at a time, {BUDGET} training days in all. *Regret*: what the recommended
configuration is truly worth below the best of the pool. *More*: its regret less that of the race on
the same draws, with the standard error. *Dropped*: draws in which the trial that was truly the best
of all that had begun was dropped, with Clopper and Pearson's interval at 95 %. *Begun*, *complete*:
trials, on average. Streams and seeds were fixed before the rule was written (`streams.py`). In
{REAL}, days are weeks, 64 configurations finetune a factorisation machine
(`make_curves.py`), a draw is an order of them, and the truth is the mean of the recorded weeks.
Made by `make bench-racing`."""


def tables(known: Mapping[str, Mapping[str, Any]]) -> str:
    """results.md."""
    lines = [_HEAD]
    for stream, found in known.items():
        draws = next(iter(found.values()))["draws"]
        lines += ["", f"## {stream}, {draws} draws", ""]
        lines += ["| | regret | more | dropped | 95 % interval | begun | complete |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for name, one in found.items():
            low, high = interval(one["dropped"], one["draws"])
            lines.append(
                f"| {name} | {one['regret']:.4f} | {one['more']:+.4f} ± {one['error']:.4f} | "
                f"{one['dropped'] / one['draws']:.1%} | {low:.1%} to {high:.1%} | "
                f"{one['begun']:.0f} | {one['complete']:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what results.json has not, then write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=[*STREAMS, REAL])
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--development", action="store_true")
    arguments = parser.parse_args()
    seeds = list(DEVELOPMENT if arguments.development else SEEDS)[: arguments.seeds]
    known: dict[str, Any] = {}
    if RESULTS.exists() and not arguments.development:
        known = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name in [*STREAMS, REAL]:
        if name in known or arguments.only not in (None, name):
            continue
        known[name] = contest(real_draws(seeds) if name == REAL else stream_draws(name, seeds))
        print(tables({name: known[name]}).partition("##")[2], flush=True)
        if not arguments.development:
            RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            (HERE / "results.md").write_text(tables(known), encoding="utf-8")


if __name__ == "__main__":
    main()
