"""`hpo-nni reweigh`: the ranking of a recorded experiment under other weights of its metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.cli.progress import WORDS
from hpo_nni.cli.replay import chosen
from hpo_nni.core.assessors import open_rule
from hpo_nni.core.replays import replay
from hpo_nni.core.rescoring import Rescoring, refuse_unknown_metrics
from hpo_nni.errors import Problem, SettingsError, StoreError
from hpo_nni.ledger.records import TrialState, visible_point

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, TrialRecord

HELP = "rank a recorded experiment anew, with other weights of its metrics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "experiment", nargs="?", metavar="EXPERIMENT", help="its id; by default, the newest one"
    )
    parser.add_argument(
        "--metric",
        action="append",
        required=True,
        metavar="NAME=WEIGHT",
        help="repeat it for each metric of the score: --metric auc=0.7 --metric loss=-0.3",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="write points and new scores, for `nnictl experiment import` into a new experiment",
    )
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the new ranking, and which stops would have been others."""
    weights = parse_weights(arguments.metric)
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    refuse_unknown_metrics(ledger, experiment.id, weights)
    rescoring = Rescoring.of(experiment, weights)
    trials = ledger.trials(experiment.id)
    scores = {
        trial.id: score
        for trial in trials
        if (score := rescoring.final(ledger, trial.id)) is not None
    }
    ranked = sorted(
        (trial for trial in trials if trial.id in scores),
        key=lambda trial: -rescoring.direction.sign * scores[trial.id],
    )
    before = _old_places(trials, rescoring.direction.sign)
    print(f"experiment   {experiment.id}: {_formula(weights)}, {rescoring.direction.value}")
    for place, trial in enumerate(ranked, start=1):
        was = before.get(trial.id)
        print(
            f"{place:>3}  trial {trial.number:<4} {scores[trial.id]:<12.6g} "
            f"{'was ' + str(was) if was else '':<8} {WORDS[trial.state]}"
        )
    _show_stops(ledger, experiment, rescoring)
    if arguments.export is not None:
        _export(arguments.export, ranked, scores)
    return 0


def parse_weights(words: Sequence[str]) -> dict[str, float]:
    """Read `NAME=WEIGHT`, the weight after the last `=`.

    >>> parse_weights(["auc=0.7", "loss=-0.3"])
    {'auc': 0.7, 'loss': -0.3}

    Raises:
        SettingsError: with all faults.
    """
    weights: dict[str, float] = {}
    problems = []
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            weights[name] = float(text)
        except ValueError:
            name = ""
        if not name or abs(weights[name]) == float("inf") or weights[name] != weights[name]:
            problems.append(Problem("--metric", f"{word!r} is not NAME=WEIGHT", "auc=0.7"))
    if not problems and not any(weights.values()):
        problems.append(Problem("--metric", "all weights are 0", "auc=0.7"))
    if problems:
        raise SettingsError(problems)
    return weights


def _old_places(trials: Sequence[TrialRecord], sign: int) -> dict[str, int]:
    scored = [trial for trial in trials if trial.score is not None]
    scored.sort(key=lambda trial: -sign * (trial.score or 0.0))
    return {trial.id: place for place, trial in enumerate(scored, start=1)}


def _show_stops(ledger: Ledger, experiment: ExperimentRecord, rescoring: Rescoring) -> None:
    """Ask the recorded rule about the new scores."""
    if not experiment.settings.get("assessor"):
        return
    name, classargs = chosen(experiment, "")
    rule = open_rule(name, classargs, rescoring.direction)
    then = replay(ledger, experiment.id, rule)
    now = replay(ledger, experiment.id, rule, rescoring.score)
    numbers = {trial.id: trial.number for trial in ledger.trials(experiment.id)}
    for trial_id in now.stops.keys() - then.stops.keys():
        print(f"would stop   trial {numbers[trial_id]}: {now.stops[trial_id].verdict.reason}")
    for trial_id in then.stops.keys() - now.stops.keys():
        print(f"would go on  trial {numbers[trial_id]}, which was stopped")
    if now.stops.keys() == then.stops.keys():
        print(f"{name} would have stopped the same trials: {len(now.stops)}")


def _export(path: Path, ranked: Sequence[TrialRecord], scores: dict[str, float]) -> None:
    entries = [
        {"parameter": visible_point(trial.parameters), "value": scores[trial.id]}
        for trial in ranked
        if trial.state is TrialState.SUCCEEDED and visible_point(trial.parameters)
    ]
    try:
        path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", uri=str(path)) from error
    print(f"{len(entries)} complete points are in {path}")


def _formula(weights: dict[str, float]) -> str:
    return " ".join(f"{weight:+g} {name}" for name, weight in weights.items())
