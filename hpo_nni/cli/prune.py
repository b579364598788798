"""`hpo-nni prune`: delete the models of days that nothing points at."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.errors import RegistryError
from hpo_nni.registry import did_you_mean
from hpo_nni.trial.pruning import Pruning

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord
    from hpo_nni.trial.pruning import Pruned

HELP = "delete the models of days that no trial, no later day and no champion points at"

BEST = 3
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "experiment", nargs="?", metavar="EXPERIMENT", help="by default, all of the ledger"
    )
    which.add_argument("--project", metavar="NAME", help="all experiments of this project")
    parser.add_argument(
        "--best",
        type=int,
        default=BEST,
        metavar="N",
        help="how many of the best trials of each experiment are kept (%(default)s)",
    )
    parser.add_argument("--yes", action="store_true", help="do it; else it is only said")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Delete, or say what would be deleted; 1 if something could not be."""
    if arguments.best < 0:
        raise RegistryError("--best is a number of trials: 0 or more")
    ledger, newest = find_experiment(arguments.experiment, arguments.dir)
    chosen = [newest] if arguments.experiment else _chosen(ledger, arguments.project)
    pruning = Pruning(ledger, chosen, arguments.best)
    kept = Counter(pruning.kept_trials().values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in kept.items())
    print(f"kept, with all that they start from: the days of {reasons or 'no trial'}")
    found = list(pruning.prune() if arguments.yes else pruning.look())
    for one in found:
        _tell(one, "deleted" if arguments.yes else "would go")
    gone = [one for one in found if not one.fault]
    size = _size(sum(one.size for one in gone))
    print(f"{'deleted' if arguments.yes else 'to delete'}: {len(gone)} models, {size}")
    if gone and not arguments.yes:
        print("nothing has been deleted; --yes does it")
    return 1 if len(gone) < len(found) else 0


def _chosen(ledger: Ledger, project: str | None) -> list[ExperimentRecord]:
    experiments = ledger.experiments()
    if project is None:
        return experiments
    found = [one for one in experiments if one.project == project]
    if not found:
        names = sorted({one.project for one in experiments if one.project})
        hint = did_you_mean(project, names)
        raise RegistryError(f"no experiment is of the project {project!r}", hint=hint)
    return found


def _tell(one: Pruned, verb: str) -> None:
    what = f"{one.training.step} of trial {one.training.trial_id}: {one.training.model}"
    if one.fault:
        print(f"error: {what}: {one.fault}", file=sys.stderr)
    else:
        print(f"  {verb}: {what}  ({one.files} files, {_size(one.size)})")


def _size(count: int) -> str:
    """Bytes as people write them.

    >>> _size(999), _size(1234), _size(56_000_000)
    ('999 bytes', '1.23 kB', '56 MB')
    """
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"
