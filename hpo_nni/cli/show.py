"""`hpo-nni show`: an experiment or a trial as the ledger knows it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.cost import cost_facts
from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.cli.progress import describe
from hpo_nni.cli.summary import summarise, summary
from hpo_nni.ledger.records import visible_point

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord

HELP = "show an experiment: its trials, scores, parameters, and why each ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "experiment", nargs="?", metavar="EXPERIMENT", help="its id; by default, the newest one"
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument(
        "--check", action="store_true", help="whether the ledger contradicts itself; 1 if it does"
    )
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the experiment."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    if arguments.check:
        return _check(ledger)
    trials = ledger.trials(experiment.id)
    if arguments.json:
        facts = summarise(ledger, experiment.id)
        facts["cost"] = cost_facts(ledger, experiment.id)
        facts["days"] = [
            asdict(day) | {"state": day.state.value} for day in ledger.days(experiment.id)
        ]
        facts["trainings"] = [
            asdict(use) | {"is_reused": use.is_reused}
            for use in ledger.training_uses(experiment.id)
        ]
        facts["trials"] = [_trial(ledger, trial) for trial in trials]
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return 0
    print(f"experiment   {experiment.id} in {ledger.path.parent}")
    if experiment.pause:
        print(f"paused       {experiment.pause}")
    for day in ledger.days_left_out(experiment.id).values():
        print(f"left out     {day.step}, by all trials: {day.reason}")
    print(summary(ledger, experiment.id))
    if days := _days(ledger, experiment.id):
        print(f"days         {days}")
    print()
    for trial in trials:
        print(describe(trial))
    return 0


def _days(ledger: Ledger, experiment_id: str) -> str:
    """How many days were trained, and how many had been; empty where no models are kept."""
    uses = ledger.training_uses(experiment_id)
    if not uses:
        return ""
    own = {trial.id for trial in ledger.trials(experiment_id)}
    again = [use for use in uses if use.is_reused]
    others = sum(use.trainer not in own for use in again)
    of = f", {others} of them from other experiments" if others else ""
    return f"{len(uses) - len(again)} trained, {len(again)} trained before and used again{of}"


def _check(ledger: Ledger) -> int:
    faults = ledger.faults()
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{ledger.path} is sound")
    return 1 if faults else 0


def _trial(ledger: Ledger, trial: TrialRecord) -> dict[str, Any]:
    facts = asdict(trial) | {
        "state": trial.state.value,
        "parameters": visible_point(trial.parameters),
        "evaluations": [asdict(one) for one in ledger.evaluations(trial.id)],
        "decisions": [asdict(one) for one in ledger.decisions(trial.id)],
        "jobs": [asdict(one) for one in ledger.jobs(trial.id)],
    }
    for evaluation in facts["evaluations"]:  # JSON has no NaN: say it in words
        evaluation["values"] = {
            name: value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124
            for name, value in evaluation["values"].items()
        }
    return facts
