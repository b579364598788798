"""`hpo-nni kill`: end all trials of an experiment and their jobs, and let no new one start."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.trial.halting import cancel_in_nni, halt

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

HELP = "cancel all running trials of an experiment and their jobs, and let no new ones start"

SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--experiment", required=True, metavar="ID", help="its id")
    add_seconds(parser)
    add_directory(parser)


def add_seconds(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how long it may take."""
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="N",
        help="how long trials and jobs may take to end (%(default)g)",
    )


def run(arguments: argparse.Namespace) -> int:
    """End the trials; 0 if nothing of the experiment runs on this host any more."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    print(f"ending all trials of {experiment.id} and their jobs ...", flush=True)
    remaining = halt(
        ledger,
        experiment.id,
        f"hpo-nni kill ended the experiment at {time.strftime('%H:%M')}",
        ask_nni=lambda: cancel_in_nni(experiment.rest_url, experiment.id),
        seconds=arguments.seconds,
    )
    if not complain(remaining):
        return 1
    print(f"no trial of {experiment.id} runs, and none will start until NNI is started again")
    return 0


def complain(remaining: Mapping[str, str]) -> bool:
    """Say what may still run; True if nothing does."""
    for name, why in remaining.items():
        print(f"error: {name} may still run: {why}", file=sys.stderr)
    return not remaining
