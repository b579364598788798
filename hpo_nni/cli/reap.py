"""`hpo-nni reap`: cancel what the ledger says should not run, and say whether that is all gone."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.find import ledgers
from hpo_nni.errors import HpoNniError, RegistryError
from hpo_nni.ledger import Ledger
from hpo_nni.trial.reaping import Sweep

if TYPE_CHECKING:
    import argparse

HELP = "cancel the jobs of this host that should not run; 0: none is left, 1: some may still run"

SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "dir",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="an experimentWorkingDirectory; without it, all that NNI's index knows",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="N",
        help="how long jobs may take to end, in each directory (%(default)g)",
    )
    parser.add_argument(
        "--gone-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host that will not come back: its jobs on platforms are cancelled, too",
    )


def run(arguments: argparse.Namespace) -> int:
    """Reap each directory."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    folders = ledgers(arguments.dir)
    if arguments.dir and not folders:
        raise RegistryError(
            f"there is no ledger in {arguments.dir}",
            hint="name the experimentWorkingDirectory of an experiment",
        )
    done = [_reap(folder, arguments.seconds, arguments.gone_host) for folder in folders]
    if all(done):
        print("nothing is left that should not run")
    return 0 if all(done) else 1


def _reap(directory: Path, seconds: float, gone: list[str]) -> bool:
    try:
        with Ledger.open(directory) as ledger:
            sweep = Sweep(ledger, gone=gone, tell=print)
            done = sweep.run(seconds)
            for name, why in sweep.remaining.items():
                print(f"error: {name} may still run: {why}", file=sys.stderr)
            for host, count in sweep.elsewhere().items():
                print(f"{count} open on {host}: `hpo-nni reap {directory}` there, or --gone-host")
    except HpoNniError as error:
        print(f"error: {directory}: {error}", file=sys.stderr)
        return False
    return done
