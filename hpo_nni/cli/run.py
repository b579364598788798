"""`hpo-nni run`: an experiment in the foreground, from its start to a clean end.

The same files as `nnictl create`. It waits with patience for NNI, shows progress, ends by itself
and stops NNI. Whatever ends it, no job is left: NNI kills its trials, and what the ledger then
still calls alive is cancelled here.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.acceptance import ask_nni
from hpo_nni.cli.check import Check
from hpo_nni.cli.cost import cost_words
from hpo_nni.cli.kill import complain
from hpo_nni.cli.progress import Limits, Progress
from hpo_nni.cli.silent import note_silent_trials
from hpo_nni.cli.summary import summary
from hpo_nni.direction import Direction
from hpo_nni.errors import HpoNniError, NniError, SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialState
from hpo_nni.nni_api import launch
from hpo_nni.nni_api.dispatcher_log import fatal_error
from hpo_nni.trial.halting import halt
from hpo_nni.trial.reaping import Sweep
from hpo_nni.trial.shutdown import SIGNALS, Shutdown
from hpo_nni.trial.spending import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo_nni.nni_api.launch import RunningExperiment

HELP = "run an experiment in the foreground: progress, a clean end, the best config"

POLL_SECONDS = 1.0
SETTLE_SECONDS = 10.0
ENDING_SECONDS = 30.0  # how long jobs may take to end before we say that they did not
BUDGET_SECONDS = 60.0  # the same, where the tuner may yet find that the budget has room
IDLE_SECONDS = 5.0  # without a trial in NNI before an experiment counts as stuck
ENDED = {"DONE", "ERROR", "STOPPED"}
STARVED = "TUNER_NO_MORE_TRIAL"  # it never becomes DONE; NO_MORE_TRIAL, the limit, does
ALIVE = {"WAITING", "RUNNING"}
_FULL = {"NO_MORE_TRIAL", "DONE"}  # it has, as NNI counts, all trials that it may have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file for `nnictl create`")
    parser.add_argument("--max-trials", type=positive, metavar="N", help="instead of the config's")
    parser.add_argument("--concurrency", type=positive, metavar="N", help="likewise")
    parser.add_argument("--port", type=_port, help="of the web page; by default, one that is free")
    parser.add_argument(
        "--public",
        action="store_true",
        help="let the web page listen on all interfaces: whoever reaches it can cancel trials",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment; 0 if at least one trial succeeded."""
    config: Path = arguments.config
    check = Check(config)
    check.run()
    check.conclude()
    if check.credentials:
        raise SettingsError(check.credentials)
    if arguments.port and not launch.port_is_free(arguments.port):
        raise NniError(
            f"port {arguments.port} is taken", hint="leave --port out, and a free one is found"
        )
    options = launch.LaunchOptions(
        port=arguments.port,
        max_trials=arguments.max_trials,
        concurrency=arguments.concurrency,
        public=arguments.public,
    )
    done = conduct(config, options)
    trials = done.ledger.trials(done.experiment.id)
    print(summary(done.ledger, done.experiment.id))
    if done.fault:
        raise NniError(done.fault, hint=f"see {_logs(done.experiment)}")
    if done.pause:
        raise HpoNniError(f"experiment {done.experiment.id} is paused: {done.pause}")
    return 0 if any(trial.state is TrialState.SUCCEEDED for trial in trials) else 1


@dataclass(frozen=True)
class Conducted:
    """An experiment that has ended.

    Attributes:
        fault: what went wrong with NNI itself; empty if nothing did.
        pause: why it ended before all its trials had run; empty for any other end.
        interrupted: whether somebody ended it: Ctrl-C, TERM, the end of the terminal.
    """

    experiment: RunningExperiment
    ledger: Ledger
    fault: str
    pause: str = ""
    interrupted: bool = False


def conduct(config: Path, options: launch.LaunchOptions) -> Conducted:
    """Run an experiment from its start to its end, or until somebody interrupts it.

    Raises:
        SettingsError, NniError: it did not start.
        LedgerError: its ledger cannot be opened; it has been stopped.
    """
    with interruptions() as interrupted:
        print(f"starting NNI {'.'.join(map(str, launch.nni_version()))} ...", flush=True)
        ask_nni(config)
        experiment = launch.launch(config, options)
        print(f"experiment   {experiment.id}")
        print(f"web page     http://127.0.0.1:{experiment.port}")
        print(f"files        {experiment.working_directory / experiment.id}", flush=True)
        ledger = _open_ledger(experiment)
        try:
            owed = (options.max_trials or 0) if options.resume else 0
            fault, pause = _follow(experiment, ledger, interrupted, owed)
        finally:
            _end(experiment, ledger, interrupted)
    return Conducted(experiment, ledger, fault, pause, interrupted.requested)


def _open_ledger(experiment: RunningExperiment) -> Ledger:
    try:
        return Ledger.open(experiment.working_directory)
    except HpoNniError:
        experiment.stop()
        experiment.await_end()
        raise


def direction_of(ledger: Ledger, experiment_id: str) -> Direction:
    """The direction of optimisation that the experiment's algorithms or trials wrote down."""
    experiment = ledger.experiment(experiment_id)
    return Direction(experiment.direction) if experiment else Direction.MAXIMIZE


def _pause(ledger: Ledger, experiment_id: str, max_trials: int | None) -> str:
    """Why nothing more will happen: trials wait, no job runs. Empty while that is not so."""
    experiment = ledger.experiment(experiment_id)
    if experiment is None or not experiment.pause or ledger.live_jobs(experiment_id):
        return ""
    ended = sum(trial.state.is_final for trial in ledger.trials(experiment_id))
    return "" if max_trials is not None and ended >= max_trials else experiment.pause


def _follow(
    experiment: RunningExperiment, ledger: Ledger, interrupted: Shutdown, owed: int = 0
) -> tuple[str, str]:
    """Show progress until the experiment has ended.

    Args:
        experiment: that runs.
        ledger: its own.
        interrupted: says that somebody ends it.
        owed: of a resumed one, how many trials it is to have in all; 0 for what NNI makes of it.

    Returns:
        what went wrong with NNI, and why the experiment pauses; both empty where all is well.
    """
    progress: Progress | None = None
    started = busy = fed = time.monotonic()
    while not interrupted.requested:
        try:
            status, limits = experiment.rest.status(), _limits(experiment)
            known_to_nni = experiment.rest.trials()
        except NniError as error:
            if experiment.process.poll() is None:
                interrupted.wait(POLL_SECONDS)  # busy; it answers again or ends
                continue
            return _with_cause(experiment, f"NNI's manager has gone: {error.message}"), ""
        if status in _FULL and len(known_to_nni) < owed:
            _let_in(experiment, owed - len(known_to_nni), limits)
            owed = 0
            continue
        note_silent_trials(experiment, known_to_nni, ledger)
        trials = ledger.trials(experiment.id)
        if progress is None and (trials or status in ENDED):
            progress = Progress(sys.stdout, direction_of(ledger, experiment.id))
        if progress is not None:
            cost = cost_words(ledger, experiment.id, limits.max_trials)
            progress.show(trials, limits, time.monotonic() - started, cost)
        is_busy = any(trial.status in ALIVE for trial in known_to_nni)
        busy = time.monotonic() if is_busy else busy
        fed = time.monotonic() if is_busy or status != STARVED else fed
        is_stuck = time.monotonic() - busy > IDLE_SECONDS
        is_starved = time.monotonic() - fed > _patience(ledger, experiment.id)
        pause = _pause(ledger, experiment.id, limits.max_trials)
        if status in ENDED or is_starved or pause:
            if progress is not None:
                progress.finish(trials, limits, time.monotonic() - started, cost)
            return "" if status != "ERROR" else _words_of(experiment), pause
        if is_stuck and fatal_error(_logs(experiment)):
            fact = "the tuner or the assessor failed, and NNI cannot go on"
            return _with_cause(experiment, fact), ""
        interrupted.wait(POLL_SECONDS)
    return "", ""


def _let_in(experiment: RunningExperiment, missing: int, limits: Limits) -> None:
    """Let a resumed experiment have its last trials, too.

    NNI counts the trials there are and those that it submits, and those that it was running when
    it stopped are submitted anew: it takes them for two (seen with 2.10.1).
    """
    with contextlib.suppress(NniError):  # then it has fewer trials, which is no fault
        now = (limits.max_trials or 0) + missing
        experiment.rest.change("MAX_TRIAL_NUM", "maxTrialNumber", now)


def _patience(ledger: Ledger, experiment_id: str) -> float:
    """How long no trial may run before a tuner that proposed nothing is taken at its word.

    With a budget it is asked again when a trial has ended, which may have been cheaper than feared,
    and what it had proposed before may not have begun.
    """
    account = Account.read(ledger, experiment_id, time.time())
    if account is None or account.budget is None:
        return IDLE_SECONDS
    last = max((trial.ended or 0.0 for trial in ledger.trials(experiment_id)), default=0.0)
    is_last_word = account.stopped and account.stopped_at > last and not account.awaited
    return IDLE_SECONDS if is_last_word else BUDGET_SECONDS


def _logs(experiment: RunningExperiment) -> Path:
    return experiment.working_directory / experiment.id / "log"


def _with_cause(experiment: RunningExperiment, fact: str) -> str:
    cause = fatal_error(_logs(experiment))
    return fact + "".join(f"\n  | {line}" for line in cause.splitlines())


def _words_of(experiment: RunningExperiment) -> str:
    errors = experiment.rest.errors()
    words = "NNI ended the experiment with an error: " + ("; ".join(errors) or "it gave none")
    return _with_cause(experiment, words)


def _limits(experiment: RunningExperiment) -> Limits:
    now = experiment.rest.limits()
    left = None if now.max_seconds is None else now.max_seconds - experiment.rest.elapsed()
    return Limits(now.max_trials, now.concurrency, left)


def _end(experiment: RunningExperiment, ledger: Ledger, interrupted: Shutdown) -> None:
    """Stop NNI, and see to it that every job has ended before we return."""
    reason = "the experiment was stopped at its end"
    if interrupted.requested:
        reason = "hpo-nni run was interrupted"
        with contextlib.suppress(OSError):  # the terminal may be what has gone
            print("\nstopping: every running job is being cancelled ...", flush=True)
    else:  # NNI calls its last trials ended, and their processes may be about to say how
        Sweep(ledger, experiment_id=experiment.id, is_ending=True).run(SETTLE_SECONDS)
    now = time.time()  # where no trial has begun yet, one may be about to
    direction = Direction.MAXIMIZE.value  # what the experiment began with, stays
    ledger.begin_experiment(ExperimentRecord(experiment.id, now, direction, experiment.name))
    remaining = halt(ledger, experiment.id, reason, ask_nni=experiment.stop, seconds=ENDING_SECONDS)
    experiment.await_end()
    for trial in ledger.trials(experiment.id):
        ledger.end_trial(trial.id, TrialState.CANCELLED, reason)
    complain(remaining)


@contextlib.contextmanager
def interruptions() -> Iterator[Shutdown]:
    """Take Ctrl-C, TERM and the end of the terminal, however often they come, for one request."""
    shutdown = Shutdown(watch_parent=False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    shutdown.install()
    try:
        yield shutdown
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def positive(text: str) -> int:
    """An argument that counts something."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; those are 1 to 65535")
    return int(text)
