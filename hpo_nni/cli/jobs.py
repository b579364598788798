"""`hpo-nni jobs`: what runs where, for how long, and why; asked of the platforms now."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.find import find_experiment, ledgers
from hpo_nni.cli.progress import clock
from hpo_nni.errors import HpoNniError, LedgerError, RegistryError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.leftovers import find_leftovers
from hpo_nni.trial.platforms import reopen_platform

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger.records import JobRecord

HELP = "show the jobs that may run: where, for how long, why, and whether they should"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="DIR|EXPERIMENT",
        help="an experimentWorkingDirectory or an experiment's id; by default, all of NNI's index",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the jobs of which nobody has said that they ended."""
    what, experiment_id = arguments.what, None
    if what is None or Path(what).is_dir():
        folders = ledgers(None if what is None else Path(what))
        if what is not None and not folders:
            raise RegistryError(
                f"there is no ledger in {what}",
                hint="name the experimentWorkingDirectory of an experiment",
            )
    else:
        ledger, experiment = find_experiment(what, None)
        folders, experiment_id = [ledger.path.parent], experiment.id
        ledger.close()
    count, unread = 0, False
    for folder in folders:
        try:
            count += _show(folder, experiment_id)
        except LedgerError as error:  # the others may have jobs that cost money
            print(f"error: {error}", file=sys.stderr)
            unread = True
    print(f"{count or 'no'} job{'s' if count != 1 else ''} may run")
    return int(unread)


def _show(directory: Path, experiment_id: str | None) -> int:
    with Ledger.open(directory) as ledger:
        found = find_leftovers(ledger, time.time(), experiment_id=experiment_id)
        wrong = {job.name: why for job, why in found.jobs}
        jobs = ledger.live_jobs(experiment_id)
        for job in jobs:
            trial = ledger.trial(job.trial_id)
            assert trial is not None, "a job belongs to a trial"
            number = trial.number if trial.number >= 0 else trial.id
            print(f"experiment {trial.experiment_id}, trial {number}, {job.step}")
            name = job.job_id or f"no id yet; its name is {job.name}"
            print(f"  where      {job.platform}: {name}")
            print(f"  state      {_state(job, directory)}")
            print(f"  age        {clock(time.time() - job.intended)}")
            print(f"  runner     {_runner(job)}")
            if job.name in wrong:
                print(f"  SHOULD END {wrong[job.name]}: hpo-nni reap {directory}")
            if job.message:
                print(f"  note       {job.message}")
    return len(jobs)


def _state(job: JobRecord, directory: Path) -> str:
    """How it stands, in the platform's words."""
    try:
        platform = reopen_platform(job, directory)
        handle = platform.attach(job.job_id) if job.job_id else platform.find(job.name)
        if handle is None:
            return "the platform shows nothing of this name"
        status = handle.status()
    except HpoNniError as error:
        return f"unknown: {error}"
    return f"{status.state.value} {status.message}".rstrip()


def _runner(job: JobRecord) -> str:
    runner = job.runner
    if not runner.is_here:
        return f"process {runner.pid} on {runner.host}"
    return f"process {runner.pid}, {'alive' if runner.is_alive() else 'gone'}"
