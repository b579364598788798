"""The earlier sweeps of an experiment's project, from the ledger, as optimizers take them.

What is found depends on nothing that happens after an experiment has begun, so a resumed one
finds the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.direction import Direction
from hpo_nni.ledger.records import EARLIER, JUDGED, TrialState, counted_trials, visible_point
from hpo_nni.metrics.final import FinalMode, aggregate
from hpo_nni.optimizers.sweeps import EarlierSweep, EarlierTrial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, TrialRecord

MOST_SWEEPS = 8  # that are read, the newest ones
_TOLD = {TrialState.SUCCEEDED, TrialState.STOPPED}


def earlier_sweeps(
    ledger: Ledger, experiment: ExperimentRecord, wanted: Sequence[str] = ()
) -> list[EarlierSweep]:
    """The sweeps that an experiment may start from, the oldest first.

    Of each, the trials that had ended when the experiment began, save untuned ones; scores have
    the experiment's direction. Sweeps without such a trial are left out.

    Args:
        ledger: of the working directory.
        experiment: that starts.
        wanted: ids; without them, all of the same project that began before it.
    """
    found: list[EarlierSweep] = []
    for other in reversed(ledger.experiments()):
        if other.id == experiment.id or len(found) == MOST_SWEEPS:
            continue
        is_of_project = other.project == experiment.project and other.started < experiment.started
        if other.id in wanted or (not wanted and experiment.project and is_of_project):
            trials = _trials(ledger, other, experiment)
            if trials:
                found.append(EarlierSweep(other.id, trials))
    return found[::-1]


def _trials(
    ledger: Ledger, other: ExperimentRecord, experiment: ExperimentRecord
) -> list[EarlierTrial]:
    turned = 1.0 if other.direction == experiment.direction else -1.0
    trials = []
    for trial in counted_trials(ledger.trials(other.id)):
        if trial.state not in _TOLD or trial.is_baseline:
            continue
        if trial.ended is None or trial.ended > experiment.started:
            continue
        scores = {day: turned * score for day, score in _scores(ledger, other, trial).items()}
        if scores:
            point = visible_point(trial.parameters)
            is_complete = trial.state is TrialState.SUCCEEDED
            trials.append(EarlierTrial(str(trial.number), point, scores, is_complete))
    return trials


def _scores(ledger: Ledger, experiment: ExperimentRecord, trial: TrialRecord) -> dict[str, float]:
    """The score of each day; one under no name where there are no days and the trial is complete.

    What a day, or a trial without days, has come to when it is stopped cannot be compared with
    what others came to in the end.
    """
    facts: Mapping[str, Any] = experiment.settings.get("score") or {}
    mode = FinalMode(facts.get("final_mode", FinalMode.BEST.value))
    days: dict[str, list[tuple[int, float]]] = {}
    evaluations = ledger.evaluations(trial.id)
    ended = sum(one.source == JUDGED for one in evaluations)  # days, of those that began
    for one in evaluations:
        if one.source != JUDGED and not one.source.startswith(EARLIER) and one.score is not None:
            days.setdefault(one.source, []).append((one.step, one.score))
    if days:
        direction = Direction(experiment.direction)
        return {
            day: aggregate([score for _, score in sorted(steps)], mode, direction)
            for day, steps in list(days.items())[:ended]
        }
    if trial.state is TrialState.SUCCEEDED and trial.score is not None:
        return {"": trial.score}
    return {}
