"""`hpo-nni replay`: what another stopping rule would have done with a recorded experiment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.core.assessors import ASSESSORS, open_rule
from hpo_nni.core.replays import Replay, differences, replay, verdicts, winner
from hpo_nni.direction import Direction
from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import TrialState

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord

HELP = "run a stopping rule over a recorded experiment; nothing is trained again"
_SHOWN = 20  # differing verdicts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "experiment", nargs="?", metavar="EXPERIMENT", help="its id; by default, the newest one"
    )
    parser.add_argument(
        "--assessor",
        default="",
        metavar="WORDS",
        help="an assessor and arguments: 'AutoAssessor max_loss_probability=0.05'; arguments alone "
        "change the recorded ones: 'proportion=0.7'; without it, the recorded one is repeated",
    )
    parser.add_argument("--json", action="store_true", help="every verdict, for programs")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Replay; 1 if the recorded rule does not repeat the recorded verdicts."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    name, classargs = chosen(experiment, arguments.assessor)
    rule = open_rule(name, classargs, Direction(experiment.direction))
    replayed = replay(ledger, experiment.id, rule)
    said = verdicts(ledger, experiment.id)
    differing = differences(replayed, said) if said and not arguments.assessor else []
    if arguments.json:
        print(json.dumps(_facts(replayed, name, classargs), ensure_ascii=False, indent=2))
    else:
        _show(ledger, experiment, replayed, _described(name, classargs))
        if not arguments.assessor:
            _compare(len(replayed.judgements), len(said), differing)
    return 1 if differing else 0


def chosen(experiment: ExperimentRecord, words: str) -> tuple[str, dict[str, Any]]:
    """The assessor that is meant, and its `classArgs`.

    Raises:
        RegistryError: only arguments are given, or nothing, and no assessor was recorded.
    """
    given = words.split()
    recorded = experiment.settings.get("assessor") or {}
    if given and "=" not in given[0]:
        name, classargs = given[0], {"optimize_mode": experiment.direction}
        given = given[1:]
    elif recorded:
        name, classargs = recorded["class"], dict(recorded["arguments"])
    else:
        raise RegistryError(
            f"experiment {experiment.id} ran without an assessor of ours",
            hint=f"name one with --assessor: {', '.join(ASSESSORS)}",
        )
    for word in given:
        key, separator, text = word.partition("=")
        if not separator:
            raise RegistryError(
                f"{word!r} is no argument of an assessor", hint="write it as proportion=0.7"
            )
        classargs[key] = yaml.safe_load(text)
    return name, classargs


def _show(ledger: Ledger, experiment: ExperimentRecord, replayed: Replay, rule: str) -> None:
    trials = ledger.trials(experiment.id)
    stopped = [trial for trial in trials if trial.state is TrialState.STOPPED]
    whole, made = sum(replayed.recorded.values()), sum(replayed.made.values())
    print(f"experiment   {experiment.id}: {len(trials)} trials, {len(stopped)} stopped early")
    print(f"rule         {rule}: it stops {len(replayed.stops)}")
    print(
        f"evaluations  {made} of the {whole} that were made: "
        f"it would have saved {replayed.saved:.0%} more"
    )
    sign = Direction(experiment.direction).sign
    best = winner(trials, {one.id: one.score for one in trials if one.score is not None}, sign)
    if best is not None:
        fate = "lost" if best.id in replayed.stops else "kept"
        print(f"winner       trial {best.number} ({best.score:.6g}): {fate}")
    numbers = {trial.id: trial for trial in trials}
    for trial_id, judgement in replayed.stops.items():
        trial = numbers[trial_id]
        step = judgement.verdict.figures.get("step", 0)
        print(f"stop         trial {trial.number} at step {step:g}: {judgement.verdict.reason}")
    for trial in stopped:
        if trial.id not in replayed.stops:
            print(f"go on        trial {trial.number}, which was stopped: {trial.reason}")


def _compare(repeated: int, recorded: int, differing: list[str]) -> None:
    if not recorded:
        print(f"verdicts     {repeated}; none are recorded to compare with")
    elif not differing:
        print(f"verdicts     {repeated}, all as recorded")
    else:
        print(f"verdicts     {repeated}; {len(differing)} are not as recorded")
        print("\n".join(differing[:_SHOWN]))


def _facts(replayed: Replay, name: str, classargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "assessor": name,
        "arguments": classargs,
        "saved": replayed.saved,
        "recorded": dict(replayed.recorded),
        "made": dict(replayed.made),
        "stops": list(replayed.stops),
        "verdicts": [
            {
                "trial": one.assessment.trial_id,
                "action": "keep" if one.verdict.keep else "stop",
                "reason": one.verdict.reason,
                "figures": dict(one.verdict.figures),
            }
            for one in replayed.judgements
        ],
    }


def _described(name: str, classargs: dict[str, Any]) -> str:
    said = " ".join(
        f"{key}={value}"
        for key, value in classargs.items()
        if value not in (None, (), {}) and key != "optimize_mode"
    )
    return f"{name} {said}".rstrip()
