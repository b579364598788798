"""Whether tuning helps: examples/digits_local, on a test split that nothing was chosen by.

    .venv/bin/python benchmarks/digits_gain.py

For each of ten seeds (of the data's splits, of the training and of the optimizer) every method gets
the same pictures, the same search space and the same number of trials, one after the other, the
first being the base config itself. Each picks its trial with the best score on the validation
split, and what is compared is the test accuracy of that trial's network. Search space, score,
edits, trainer, optimizer and stopping rule are those of the example's files.

Writes examples/digits_local/results/gain.json and gain.md. A run of the trainer is remembered in
build/digits_gain/ by the hash of its config and of the trainer, so an interrupted benchmark goes on
where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples/digits_local"
BEGIN = EXAMPLE / "begin"
CACHE = ROOT / "build/digits_gain"
RESULTS = EXAMPLE / "results"
sys.path.insert(0, str(EXAMPLE / "trainer"))

import train  # noqa: E402 - it caps BLAS threads, so it comes before whatever imports numpy
import yaml  # noqa: E402
from digits_gain_tables import BASE, BUDGETS, as_markdown, compare_all  # noqa: E402
from pipeline_config import read_config  # noqa: E402

from hpo_nni.documents import apply_edits, find_values, parse_document  # noqa: E402
from hpo_nni.metrics.final import aggregate  # noqa: E402
from hpo_nni.metrics.score import Scoring  # noqa: E402
from hpo_nni.optimizers.base import Observation, Outcome  # noqa: E402
from hpo_nni.optimizers.optuna_bridge import OptunaBridge  # noqa: E402
from hpo_nni.space import load_space  # noqa: E402
from hpo_nni.stopping.base import History  # noqa: E402
from hpo_nni.stopping.combination import StartAfter  # noqa: E402
from hpo_nni.stopping.quantile import QuantileRule  # noqa: E402
from hpo_nni.trial.settings import Substitutions, load_settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SEEDS = range(301, 311)  # not those that the example was designed with


@dataclass(frozen=True)
class Method:
    """A way to choose trials.

    Attributes:
        sampler: a key of Optuna's samplers.
        stops: whether the example's assessor ends trials early.
    """

    sampler: str
    stops: bool = False


METHODS = {
    "random search": Method("random"),
    "tuned": Method("tpe"),
    "tuned, stopping early": Method("tpe", stops=True),
}


class Run(NamedTuple):
    """One training: the validation metrics of each epoch and, of the last one, the test metrics.

    `test` is None for a training that was stopped early, and empty for one that diverged.
    """

    validation: list[dict[str, float]]
    test: dict[str, float] | None


class Trial(NamedTuple):
    """A run, and what the optimizer is told of it."""

    run: Run
    observation: Observation


class Example:
    """The example's own files."""

    def __init__(self) -> None:
        config = yaml.safe_load((BEGIN / "config.yml").read_text(encoding="utf-8"))
        settings = load_settings(BEGIN / "trial.ini", Substitutions())
        self.metrics = settings.metrics
        self.scoring = Scoring(self.metrics.weights)
        self.startup_trials = config["tuner"]["classArgs"]["startup_trials"]
        assessor = config["assessor"]["classArgs"]
        median = QuantileRule(self.metrics.direction)
        self.rule = StartAfter(assessor["start_step"], median)
        self.space = load_space(BEGIN / config["searchSpaceFile"])
        path = settings.files[0].source
        self.base = parse_document(Path(path).read_text("utf-8"), path=path)
        self.base_point = {key: find_values(self.base, key)[0] for key in self.space}

    @cached_property
    def version(self) -> bytes:
        """A hash of the trainer, for the cache."""
        sources = sorted((EXAMPLE / "trainer").glob("*.py"))
        return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).digest()

    def run(self, point: Mapping[str, Any], seed: int, keeps: Callable[[Run], bool]) -> Run:
        """Train with the base config edited by a point, for as long as `keeps` says."""
        seeds = {"data_config.split_seed": seed, "train_config.seed": seed}
        text = apply_edits(self.base, {**point, **seeds}).text
        memory = CACHE / hashlib.sha256(self.version + text.encode()).hexdigest()[:32]
        if memory.exists():
            known = Run(*json.loads(memory.read_text(encoding="utf-8")))
            for epoch in range(1, len(known.validation) + 1):
                if not keeps(Run(known.validation[:epoch], None)):
                    return Run(known.validation[:epoch], None)
            if known.test is not None:
                return known
        CACHE.mkdir(parents=True, exist_ok=True)
        config = memory.with_suffix(".config")
        config.write_text(text, encoding="utf-8")
        run = _train(config, keeps)
        unfinished = memory.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(run), encoding="utf-8")
        unfinished.replace(memory)
        return run

    def history(self, run: Run) -> History:
        """The score of each epoch, as trial.ini weighs the metrics."""
        return History.of(enumerate(map(self.scoring.sum, run.validation), start=1))

    def observation(self, point: Mapping[str, Any], run: Run) -> Observation:
        """What the tuner would be told: trial.ini says which epoch's score counts."""
        if run.test == {}:
            return Observation(point, Outcome.FAILED)
        history = self.history(run)
        if run.test is None:
            return Observation(point, Outcome.STOPPED, history.scores[-1], history.steps[-1])
        score = aggregate(history.scores, self.metrics.final_mode, self.metrics.direction)
        return Observation(point, Outcome.COMPLETE, score, history.steps[-1])


def _train(config: Path, keeps: Callable[[Run], bool]) -> Run:
    trainer = train.Trainer(read_config(config))
    validation: list[dict[str, float]] = []
    try:
        for _ in trainer.epochs():
            validation.append(trainer.evaluate(trainer.splits.validation))
            if not keeps(Run(validation, None)):
                return Run(validation, None)
        return Run(validation, trainer.evaluate(trainer.splits.test))
    except FloatingPointError:
        return Run(validation, {})


def search(example: Example, method: Method, seed: int, trials: int) -> list[Trial]:
    """Let a method spend its trials; the first is the base config."""
    arguments = {"n_startup_trials": example.startup_trials} if method.sampler == "tpe" else {}
    optimizer = OptunaBridge(
        example.space,
        example.metrics.direction,
        seed=seed,
        sampler=method.sampler,
        arguments=arguments,
    )
    peers: dict[str, History] = {}

    def keeps(run: Run) -> bool:
        return not method.stops or example.rule.judge(example.history(run), peers).keep

    done: list[Trial] = []
    for number in range(trials):
        point = optimizer.ask() if number else example.base_point
        run = example.run(point, seed, keeps)
        observation = example.observation(point, run)
        optimizer.tell([observation])
        peers[str(number)] = example.history(run)
        done.append(Trial(run, observation))
    return done


def pick(trials: Sequence[Trial]) -> dict[str, Any]:
    """The trial that would be shipped, chosen by the validation score alone."""
    finished = [trial for trial in trials if trial.observation.outcome is Outcome.COMPLETE]
    best = max(finished, key=lambda trial: trial.observation.score or 0.0)
    assert best.run.test is not None
    return {
        "trial": trials.index(best),
        "score": best.observation.score,
        "validation_accuracy": best.run.validation[-1]["accuracy"],
        "test_accuracy": best.run.test["accuracy"],
    }


def summarise_trials(trials: Sequence[Trial]) -> dict[str, Any]:
    """What the tables need of one method and one seed."""
    outcomes = [trial.observation.outcome for trial in trials]
    return pick(trials) | {
        "test_accuracy_after": {str(n): pick(trials[:n])["test_accuracy"] for n in BUDGETS},
        "epochs": sum(len(trial.run.validation) for trial in trials),
        "stopped": outcomes.count(Outcome.STOPPED),
        "diverged": outcomes.count(Outcome.FAILED),
    }


def measure_seed(seed: int, trials: int) -> dict[str, Any]:
    """Run all methods for one seed."""
    example = Example()
    done = {name: search(example, method, seed, trials) for name, method in METHODS.items()}
    done = {BASE: done["tuned"][:1]} | done
    found = {name: summarise_trials(runs) for name, runs in done.items()}
    shown = (f"{name} {one['test_accuracy']:.3f}" for name, one in found.items())
    print(f"seed {seed}: test accuracy of {'; '.join(shown)}", flush=True)
    return {"seed": seed, "methods": found}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (%(default)s)")
    parser.add_argument("--trials", type=int, default=24, help="for each method (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the tables go")
    options = parser.parse_args()
    if not 2 <= options.seeds <= len(SEEDS):
        parser.error(
            f"--seeds {options.seeds}: from 2, for there is no spread in one, to {len(SEEDS)}"
        )
    measure = partial(measure_seed, trials=options.trials)
    with ProcessPoolExecutor(options.jobs) as pool:
        seeds = list(pool.map(measure, SEEDS[: options.seeds]))
    summary = {"trials": options.trials, "comparisons": compare_all(seeds), "seeds": seeds}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gain.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    tables = as_markdown(summary)
    (options.out / "gain.md").write_text(tables, encoding="utf-8")
    print(tables)


if __name__ == "__main__":
    main()
