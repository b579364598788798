"""`hpo-nni retry`: failed trials run again with their parameters, beside those that NNI proposes.

NNI takes points from people through REST ("customised trials"), in 2.10.1 and 3.0 alike. Ours carry
a mark that names the failed trial; so the new one takes its place in scores and summaries, and the
old failure is not counted twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.errors import NniError, RegistryError
from hpo_nni.ledger.records import RETRY, DecisionRecord, TrialState, counted_trials
from hpo_nni.nni_api.launch import known_experiments
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, TrialRecord

HELP = "run failed trials of a running experiment again, with their parameters"

ALIVE = {"INITIALIZED", "RUNNING", "NO_MORE_TRIAL", "TUNER_NO_MORE_TRIAL", "DONE"}
AGAIN = "retry"  # the action of the decision that notes it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "trials", nargs="*", metavar="TRIAL", help="numbers or ids; by default, all that failed"
    )
    parser.add_argument("--experiment", metavar="ID", help="by default, the newest one")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Hand the failed trials to NNI once more; 0 also where there are none."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    chosen = choose_failed(ledger, experiment, arguments.trials)
    rest = find_nni(experiment)
    _make_room(rest, len(chosen))
    for trial in chosen:
        add_again(ledger, rest, trial)
        print(f"trial {_name(trial)} runs again: {trial.reason.partition(chr(10))[0]}")
    if not chosen:
        print(f"experiment {experiment.id} has no failed trial that is not run again already")
    if ledger.lift_pause(experiment.id):
        print(f"experiment {experiment.id} goes on: its trials start jobs again")
    return 0


def choose_failed(
    ledger: Ledger, experiment: ExperimentRecord, words: Sequence[str]
) -> list[TrialRecord]:
    """The failed trials that are meant: those named, or all that nobody has run again yet.

    Raises:
        RegistryError: a name is no trial's, or the trial has not failed or is run again already.
    """
    trials = ledger.trials(experiment.id)
    failed = [
        trial
        for trial in counted_trials(trials)
        if trial.state is TrialState.FAILED and not _is_asked_for(ledger, trial)
    ]
    if not words:
        return failed
    named = dict.fromkeys(ledger.find_trial(word, experiment.id).id for word in words)
    chosen = [trial for trial in failed if trial.id in named]
    for trial in trials:
        if trial.id in named and trial not in failed:
            state = "runs again already" if trial.state is TrialState.FAILED else trial.state.value
            raise RegistryError(
                f"trial {_name(trial)} is no failure to run again: {state}",
                hint="on the web page, `Copy` runs any trial's parameters once more",
            )
    return chosen


def find_nni(experiment: ExperimentRecord) -> RestClient:
    """The REST interface of a running experiment.

    Raises:
        NniError: it does not run; the hint is how to go on.
    """
    ports = [known.port for known in known_experiments() if known.id == experiment.id]
    urls = [experiment.rest_url, *(f"http://127.0.0.1:{port}" for port in ports if port)]
    for url in filter(None, urls):
        rest = RestClient(url)
        try:
            if rest.experiment_id() == experiment.id and rest.status() in ALIVE:
                return rest
        except NniError:
            continue
    raise NniError(
        f"experiment {experiment.id} does not run, so NNI takes no trials for it",
        hint=f"start it again with `nnictl resume {experiment.id}`, then repeat this command",
    )


def add_again(ledger: Ledger, rest: RestClient, trial: TrialRecord) -> None:
    """Have NNI run a failed trial's parameters, and note it, so that it happens once."""
    rest.add_trial({**trial.parameters, RETRY: trial.id})
    reason = "a person asked for its parameters to run again"
    ledger.add_decision(DecisionRecord(trial.id, "user", AGAIN, reason, time.time()))


def _is_asked_for(ledger: Ledger, trial: TrialRecord) -> bool:
    """Whether it waits in NNI's queue; one that was resumed and failed again may be asked for."""
    asked = [one.time for one in ledger.decisions(trial.id) if one.action == AGAIN]
    return bool(asked) and asked[-1] >= (trial.ended or 0.0)


def _make_room(rest: RestClient, number: int) -> None:
    """Raise NNI's limit, for it counts these trials like any others."""
    limits = rest.limits()
    if number and limits.max_seconds is not None and rest.elapsed() >= limits.max_seconds:
        raise NniError(
            "the experiment's maxExperimentDuration is over, and NNI starts no trial any more",
            hint="raise it on the web page, under `Edit experiment`, and repeat this command",
        )
    if number and limits.max_trials is not None:
        rest.change("MAX_TRIAL_NUM", "maxTrialNumber", limits.max_trials + number)


def _name(trial: TrialRecord) -> str:
    return f"{trial.number} ({trial.id})" if trial.number >= 0 else trial.id
