"""`hpo-nni stop`: end an experiment's trials and jobs, then its NNI, and no other experiment."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.cli.kill import add_seconds, complain
from hpo_nni.errors import NniError
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.trial.halting import halt

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger.records import ExperimentRecord

HELP = "stop an experiment: its trials, their jobs, and its NNI"

MANAGER_SECONDS = 60.0  # NNI waits up to 30 s for its dispatcher
REST_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", metavar="ID", help="the experiment's id")
    add_seconds(parser)
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Stop the experiment; 0 if nothing of it runs on this host any more."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    print(f"ending all trials of {experiment.id} and their jobs ...", flush=True)
    remaining = halt(
        ledger,
        experiment.id,
        f"hpo-nni stop ended the experiment at {time.strftime('%H:%M')}",
        ask_nni=lambda: stop_nni(experiment),
        seconds=arguments.seconds,
    )
    is_over = complain(remaining)
    manager = experiment.manager
    if manager is not None and manager.is_here:
        deadline = time.monotonic() + MANAGER_SECONDS
        while manager.is_alive() and time.monotonic() < deadline:
            time.sleep(0.2)
        if manager.is_alive():
            print(f"error: NNI's manager, process {manager.pid}, still runs", file=sys.stderr)
            return 1
    if not is_over:
        return 1
    print(f"experiment {experiment.id} is stopped: nothing of it runs")
    return 0


def stop_nni(experiment: ExperimentRecord) -> None:
    """Ask NNI's manager of this experiment to stop; never raises.

    It is told by its process, as `nnictl stop` does, where that is known and here; else by REST.
    """
    manager = experiment.manager
    if manager is not None and manager.is_here:
        with contextlib.suppress(PermissionError):
            manager.signal(signal.SIGTERM)
            return
    rest = RestClient(experiment.rest_url, timeout=REST_SECONDS)
    with contextlib.suppress(NniError):
        if experiment.rest_url and rest.experiment_id() == experiment.id:
            rest.stop()
