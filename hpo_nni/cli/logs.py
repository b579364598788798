"""`hpo-nni logs`: what a trial and its jobs wrote, where a person looks first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_trial
from hpo_nni.cli.progress import describe
from hpo_nni.failures import FailureKind

if TYPE_CHECKING:
    import argparse

HELP = "print what a trial's jobs wrote"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("trial", metavar="TRIAL", help="its number, or the beginning of its id")
    parser.add_argument("--experiment", metavar="ID", help="by default, the newest one")
    parser.add_argument(
        "--lines", type=int, default=50, metavar="N", help="the last N (%(default)s)"
    )
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the trial's end, its jobs and the ends of their logs."""
    ledger, trial = find_trial(arguments.trial, arguments.experiment, arguments.dir)
    print(f"{describe(trial)}  ({trial.id} of {trial.experiment_id})")
    if trial.failure:
        print(f"{FailureKind(trial.failure).words}: {trial.evidence}")
    if trial.retry_of:
        print(f"it runs trial {trial.retry_of} again")
    if trial.continues:
        print(f"it goes on with trial {trial.continues}, under its names")
    if "\n" in trial.reason:
        print(trial.reason)
    folder = Path(trial.directory)
    for job in ledger.jobs(trial.id):
        print(f"\n{job.step}: {job.state} {job.message}".rstrip())
        if job.failure:
            print(f"{FailureKind(job.failure).words}: {job.evidence}")
        print(f"$ {job.plan}")
        for stream in ("stdout", "stderr"):
            _print_tail(folder / f"{job.step}.{stream}", arguments.lines)
    _print_tail(folder / "stderr", arguments.lines)  # NNI 2's file for the trial command itself
    _print_tail(folder / "trial.stderr", arguments.lines)  # NNI 3's
    return 0


def _print_tail(file: Path, lines: int) -> None:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if text.strip():
        print(f"--- {file}")
        print("\n".join(text.splitlines()[-lines:]))
