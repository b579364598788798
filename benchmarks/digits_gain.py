"""Whether tuning helps: examples/digits_local, on a test split that nothing was chosen by.

    .venv/bin/python benchmarks/digits_gain.py

For each of ten seeds (of the data's splits, of the training and of the tuner) the base config, the
tuner of the example's config.yml and random search get the same pictures, the same search space
and the same number of trials, one after the other, the first being the base config itself. Each
picks its trial with the best score on the validation split, and what is compared is the test
accuracy of that trial's network. Search space, scores, edits and training are the example's own.

Writes examples/digits_local/results/gain.json and gain.md. A run of the trainer is remembered in
build/digits_gain/ by the hash of its config and of the trainer, so an interrupted benchmark goes on
where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
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
from pipeline_config import read_config  # noqa: E402
from scipy.stats import t as student  # noqa: E402
from scipy.stats import ttest_rel  # noqa: E402

from hpo_nni.core.optuna_tuner import OptunaTuner  # noqa: E402
from hpo_nni.documents import apply_edits, find_values, parse_document  # noqa: E402
from hpo_nni.metrics.final import aggregate  # noqa: E402
from hpo_nni.metrics.score import Scoring  # noqa: E402
from hpo_nni.stopping.base import History  # noqa: E402
from hpo_nni.stopping.combination import StartAfter  # noqa: E402
from hpo_nni.stopping.quantile import QuantileRule  # noqa: E402
from hpo_nni.trial.settings import Substitutions, load_settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SEEDS = range(101, 111)  # not those that the example was designed with
METHODS: dict[str, dict[str, Any]] = {"tuned": {}, "random": {"sampler": "random"}}
BUDGETS = (6, 12, 18, 24)
PASSED_OVER = -1e9  # the score of a trial whose training diverged


class Run(NamedTuple):
    """One training: the validation metrics of each epoch, and the test metrics of the last."""

    validation: list[dict[str, float]]
    test: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Pick:
    """The trial that a method would ship after so many trials."""

    trial: int
    score: float
    validation_accuracy: float
    test_accuracy: float


class Example:
    """The example's own files."""

    def __init__(self) -> None:
        config = yaml.safe_load((BEGIN / "config.yml").read_text(encoding="utf-8"))
        settings = load_settings(BEGIN / "trial.ini", Substitutions())
        self.metrics = settings.metrics
        self.tuner = dict(config["tuner"]["classArgs"]) | {"baseline_trials": 0}
        self.start_step = config["assessor"]["classArgs"]["start_step"]
        self.space = json.loads((BEGIN / config["searchSpaceFile"]).read_text(encoding="utf-8"))
        self.base_path = Path(settings.files[0].source)
        self.base = parse_document(self.base_path.read_text("utf-8"), path=str(self.base_path))
        self.base_point = {key: find_values(self.base, key)[0] for key in self.space}

    @cached_property
    def version(self) -> bytes:
        """A hash of the trainer, for the cache."""
        sources = sorted((EXAMPLE / "trainer").glob("*.py"))
        return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).digest()

    def run(self, point: Mapping[str, Any], seed: int) -> Run | None:
        """Train with the base config edited by a point; None if the training diverged."""
        seeds = {"data_config.split_seed": seed, "train_config.seed": seed}
        text = apply_edits(self.base, {**point, **seeds}).text
        key = hashlib.sha256(self.version + text.encode()).hexdigest()[:32]
        memory = CACHE / f"{key}.json"
        if not memory.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            config = CACHE / f"{key}.config"
            config.write_text(text, encoding="utf-8")
            run = _train(config)
            unfinished = memory.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(run), encoding="utf-8")
            unfinished.replace(memory)
        remembered = json.loads(memory.read_text(encoding="utf-8"))
        return None if remembered is None else Run(*remembered)

    def scores(self, run: Run) -> list[float]:
        """The score of each epoch, as trial.ini weighs the metrics."""
        return [Scoring(self.metrics.weights).sum(metrics) for metrics in run.validation]

    def score(self, run: Run | None) -> float:
        """The score that the tuner is told."""
        if run is None:
            return PASSED_OVER
        return aggregate(self.scores(run), self.metrics.final_mode, self.metrics.direction)


def _train(config: Path) -> Run | None:
    begin = time.perf_counter()
    trainer = train.Trainer(read_config(config))
    try:
        validation = [trainer.evaluate(trainer.splits.validation) for _ in trainer.epochs()]
        test = trainer.evaluate(trainer.splits.test)
    except FloatingPointError:
        return None
    return Run(validation, test, round(time.perf_counter() - begin, 3))


def search(example: Example, method: str, seed: int, trials: int) -> list[Run | None]:
    """Run one method: trial 0 is the base config, the others are its own choice."""
    tuner = OptunaTuner(**example.tuner | {"seed": seed} | METHODS[method])
    tuner.update_search_space(example.space)
    runs = [example.run(example.base_point, seed)]
    tuner.import_data([{"parameter": example.base_point, "value": example.score(runs[0])}])
    for number in range(1, trials):
        point = tuner.generate_parameters(number)
        runs.append(example.run(point, seed))
        if runs[-1] is None:
            tuner.trial_end(number, success=False)
        else:
            tuner.receive_trial_result(number, point, example.score(runs[-1]))
    return runs


def pick(example: Example, runs: Sequence[Run | None]) -> Pick:
    """Choose by the validation score alone."""
    scores = [example.score(run) for run in runs]
    best = max(range(len(runs)), key=scores.__getitem__)
    run = runs[best]
    assert run is not None
    return Pick(best, scores[best], run.validation[-1]["accuracy"], run.test["accuracy"])


def replay_stops(example: Example, runs: Iterable[Run | None]) -> tuple[float, bool]:
    """Replay the assessor over finished runs, one at a time.

    Returns:
        The share of the epochs that it would have run, and whether it would have kept the best.
    """
    rule = StartAfter(example.start_step, QuantileRule(example.metrics.direction))
    full = [example.scores(run) for run in runs if run is not None]
    seen: dict[str, History] = {}
    for number, scores in enumerate(full):
        for epochs in range(1, len(scores) + 1):
            history = History.of(enumerate(scores[:epochs], start=1))
            if not rule.judge(history, seen).keep:
                break
        seen[str(number)] = history
    run_epochs = [len(history.steps) for history in seen.values()]
    best = max(range(len(full)), key=lambda number: full[number][-1])
    share = sum(run_epochs) / sum(map(len, full))
    return share, run_epochs[best] == len(full[best])


def measure_seed(seed: int, trials: int) -> dict[str, Any]:
    """Run all methods for one seed."""
    example = Example()
    base = pick(example, [example.run(example.base_point, seed)])
    found: dict[str, Any] = {"seed": seed, "base": asdict(base)}
    for method in METHODS:
        runs = search(example, method, seed, trials)
        found[method] = asdict(pick(example, runs))
        found[method]["test_accuracy_after"] = {
            budget: pick(example, runs[:budget]).test_accuracy
            for budget in BUDGETS
            if budget <= trials
        }
        found[method]["diverged"] = sum(run is None for run in runs)
        share, kept = replay_stops(example, runs)
        found[method]["early_stopping"] = {"epochs_run": share, "best_kept": kept}
    print(
        f"seed {seed}: test accuracy "
        + ", ".join(f"{name} {found[name]['test_accuracy']:.3f}" for name in ("base", *METHODS)),
        flush=True,
    )
    return found


def compare(seeds: Sequence[dict[str, Any]], better: str, worse: str) -> dict[str, Any]:
    """Compare the test accuracies of two methods seed by seed."""
    pairs = [(one[better]["test_accuracy"], one[worse]["test_accuracy"]) for one in seeds]
    gains = [a - b for a, b in pairs]
    half = student.ppf(0.975, len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
    mean = statistics.fmean(gains)
    return {
        "mean_gain": mean,
        "interval_95": [mean - half, mean + half],
        "wins": sum(gain > 0 for gain in gains),
        "ties": sum(gain == 0 for gain in gains),
        "losses": sum(gain < 0 for gain in gains),
        "paired_t_p": float(ttest_rel(*zip(*pairs, strict=True)).pvalue),
    }


def summarise(seeds: Sequence[dict[str, Any]], trials: int) -> dict[str, Any]:
    """Put the figures of all seeds together."""
    accuracies = {
        name: [one[name]["test_accuracy"] for one in seeds] for name in ("base", *METHODS)
    }
    return {
        "trials": trials,
        "test_accuracy": {
            name: {"mean": statistics.fmean(values), "sd": statistics.stdev(values)}
            for name, values in accuracies.items()
        },
        "tuned_against_base": compare(seeds, "tuned", "base"),
        "random_against_base": compare(seeds, "random", "base"),
        "tuned_against_random": compare(seeds, "tuned", "random"),
        "seeds": list(seeds),
    }


def as_markdown(summary: dict[str, Any]) -> str:
    """The tables for the README."""
    seeds, names = summary["seeds"], ("base", *METHODS)
    after = [budget for budget in BUDGETS if budget <= summary["trials"]]
    lines = [
        f"Test accuracy in percent, {len(seeds)} seeds, {summary['trials']} trials each:",
        "",
        "| | mean | sd | " + " | ".join(f"after {n}" for n in after) + " |",
        "|---" * (3 + len(after)) + "|",
    ]
    for name in names:
        figures = summary["test_accuracy"][name]
        cells = [figures["mean"], figures["sd"]]
        if name in METHODS:
            cells += [
                statistics.fmean(one[name]["test_accuracy_after"][n] for one in seeds)
                for n in after
            ]
        texts = [f"{100 * cell:.1f}" for cell in cells] + [""] * (2 + len(after) - len(cells))
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    lines += ["", "| | mean gain | 95 % interval | won, tied, lost | p |", "|---|---|---|---|---|"]
    for name in ("tuned_against_base", "random_against_base", "tuned_against_random"):
        one = summary[name]
        low, high = one["interval_95"]
        lines.append(
            f"| {name.replace('_', ' ')} | {100 * one['mean_gain']:+.1f} "
            f"| {100 * low:+.1f} to {100 * high:+.1f} "
            f"| {one['wins']}, {one['ties']}, {one['losses']} | {one['paired_t_p']:.2g} |"
        )
    lines += ["", "| seed | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for one in seeds:
        cells = " | ".join(f"{100 * one[name]['test_accuracy']:.1f}" for name in names)
        lines.append(f"| {one['seed']} | {cells} |")
    stops = [one["tuned"]["early_stopping"] for one in seeds]
    share = 100 * statistics.fmean(stop["epochs_run"] for stop in stops)
    kept = sum(stop["best_kept"] for stop in stops)
    replay = (
        f"Replayed over the tuned trials, the assessor would have run {share:.0f} % of the epochs "
        f"and let the best trial finish in {kept} of {len(stops)} experiments."
    )
    return "\n".join([*lines, "", replay, ""])


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
    summary = summarise(seeds, options.trials)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gain.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    tables = as_markdown(summary)
    (options.out / "gain.md").write_text(tables, encoding="utf-8")
    print(tables)


if __name__ == "__main__":
    main()
