"""`hpo-nni why`: why a trial was proposed, stopped, failed or ranked as it was, from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.cli.find import add_directory, find_trial
from hpo_nni.cli.progress import describe
from hpo_nni.cli.replay import chosen
from hpo_nni.core.assessors import open_rule
from hpo_nni.core.replays import last_judgement
from hpo_nni.direction import Direction
from hpo_nni.errors import RegistryError, SettingsError
from hpo_nni.ledger.records import JUDGED, TrialState, visible_point

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from hpo_nni.core.replays import Judgement
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, TrialRecord

HELP = "say why a trial was proposed, stopped, failed or ranked as it was"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("trial", metavar="TRIAL", help="its number, or the beginning of its id")
    parser.add_argument("--experiment", metavar="ID", help="by default, the newest one")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the trial's story."""
    ledger, trial = find_trial(arguments.trial, arguments.experiment, arguments.dir)
    experiment = ledger.experiment(trial.experiment_id)
    assert experiment is not None
    print(f"{describe(trial)}  ({trial.id} of {trial.experiment_id})")
    for head, text in _story(ledger, experiment, trial):
        lines = text.splitlines() or [""]
        print("\n".join(f"{head if not k else '':<12} {line}" for k, line in enumerate(lines)))
    return 0


def _story(
    ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord
) -> Iterator[tuple[str, str]]:
    yield "proposed", _origin(ledger, experiment, trial)
    yield "measured", _measured(ledger, experiment, trial)
    again = [one.reason for one in ledger.decisions(trial.id) if one.action == "reuse"]
    if again:
        yield "not trained", "\n".join(again)
    yield from _ending(ledger, experiment, trial)
    yield "ranked", _rank(ledger, experiment, trial)


def _origin(ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord) -> str:
    said = [one.reason for one in ledger.decisions(trial.id) if one.action == "propose"]
    point = visible_point(trial.parameters)
    what = ", ".join(f"{key} = {value}" for key, value in point.items()) or "no parameters"
    if trial.is_baseline:
        return "it is the untuned config, the measure for all others"
    if trial.retry_of:
        return f"it runs the failed trial {trial.retry_of} again: {what}"
    return f"{'; '.join(said) or _tuners_reason(experiment, point)}: {what}"


def _tuners_reason(experiment: ExperimentRecord, point: Mapping[str, Any]) -> str:
    """Where the tuner had a point from: it writes down which earlier sweeps it starts from."""
    facts = experiment.settings.get("warm_start")
    if facts is None:
        return "by the tuner"
    for one in facts["first"]:
        if one["point"] == point:
            return f"because it was the best of sweep {one['sweep']}, as its trial {one['trial']}"
    return f"by the tuner, which had the sweeps {', '.join(facts['sweeps'])} to learn from"


def _measured(ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord) -> str:
    scored = [
        (one.step, one.score)
        for one in ledger.evaluations(trial.id)
        if one.source == JUDGED and one.score is not None
    ]
    if not scored:
        return "it never had a score"
    sign = Direction(experiment.direction).sign
    step, best = max(scored, key=lambda pair: sign * pair[1])
    last_step, last = max(scored)
    return (
        f"{len(scored)} evaluations up to step {last_step}; best {best:.6g} at step {step}, "
        f"last {last:.6g}"
    )


def _ending(
    ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord
) -> Iterator[tuple[str, str]]:
    if trial.state is TrialState.FAILED:
        yield "failed", trial.reason
        if trial.failure:
            yield "class", f"{trial.failure}: {trial.evidence}"
    elif trial.state is TrialState.CANCELLED:
        yield "cancelled", trial.reason
    elif trial.state is TrialState.SUCCEEDED:
        yield "ended", "by itself" if not trial.reason else trial.reason
    judgement = _last_judgement(ledger, experiment, trial)
    if judgement is None:
        if trial.state is TrialState.STOPPED:
            yield "stopped", trial.reason
        return
    verdict = judgement.verdict
    yield "last verdict" if verdict.keep else "stopped", verdict.reason
    yield "figures", ", ".join(f"{name} {value:.6g}" for name, value in verdict.figures.items())
    recorded = [one for one in ledger.decisions(trial.id) if one.actor == "assessor"]
    if recorded:
        same = recorded[-1].reason == verdict.reason
        yield (
            "recomputed",
            (
                "from the ledger; the recorded verdict is the same"
                if same
                else f"from the ledger; recorded was: {recorded[-1].reason}"
            ),
        )
    else:
        yield "recomputed", "from the ledger, which holds no verdict of then"


def _last_judgement(
    ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord
) -> Judgement | None:
    """What the recorded rule says at the last moment at which the trial was judged."""
    try:
        name, classargs = chosen(experiment, "")
        rule = open_rule(name, classargs, Direction(experiment.direction))
    except (RegistryError, SettingsError):
        return None  # nobody of ours judged here
    return last_judgement(ledger, experiment.id, trial.id, rule)


def _rank(ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord) -> str:
    sign = Direction(experiment.direction).sign
    complete = [
        one
        for one in ledger.trials(experiment.id)
        if one.state is TrialState.SUCCEEDED and one.score is not None
    ]
    if trial not in complete or trial.score is None:
        return "not at all: only trials that ran to their end are"
    better = [one for one in complete if sign * (one.score or 0.0) > sign * trial.score]
    facts = experiment.settings.get("score") or {}
    formula = " ".join(f"{weight:+g} {name}" for name, weight in facts.get("weights", {}).items())
    how = f"; the score is {formula}, {facts.get('final_mode', 'best')}" if formula else ""
    return (
        f"number {len(better) + 1} of {len(complete)} complete trials with {trial.score:.6g}{how}"
    )
