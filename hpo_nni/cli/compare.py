"""`hpo-nni compare`: what differs between two experiments, and their scores on common days."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.daily.holdout import holdout_id
from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.reports.columns import columns, terminal_width, width_of, wrapped
from hpo_nni.reports.common_days import ALL, common_days
from hpo_nni.reports.comparison import compare
from hpo_nni.reports.made_of import MadeOf
from hpo_nni.reports.values import ABSENT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from hpo_nni.ledger.records import ExperimentRecord
    from hpo_nni.reports.common_days import CommonDays
    from hpo_nni.reports.comparison import Section
    from hpo_nni.reports.values import Difference

HELP = "show what differs between two experiments, and their scores on common days"
SHOWN = 20  # differences under one head; --json has all
_LINES = 6  # of one value
_HEAD = 13


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = "its id, or a working directory, whose newest experiment or sweep is meant"
    parser.add_argument("a", metavar="A", help=which)
    parser.add_argument("b", metavar="B", help="likewise")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    a, b = (_find(name, arguments.dir) for name in (arguments.a, arguments.b))
    sections = compare(MadeOf.read(*a), MadeOf.read(*b))
    days = common_days(a, b)
    if arguments.json:
        facts = {
            "a": _facts(*a),
            "b": _facts(*b),
            "sections": [section.facts() for section in sections],
            "scores": days.facts(),
        }
        print(json.dumps(facts, ensure_ascii=False, indent=2, default=str))
        return 0
    width = terminal_width()
    for side, found in (("A", a), ("B", b)):
        print("\n".join(_head(side, *found, width)))
    for section in sections:
        print("\n".join(["", *_section(section, width)]))
    print("\n".join(["", *_scores(days, width)]))
    return 0


def _find(name: str, directory: Path | None) -> tuple[Ledger, ExperimentRecord]:
    """The experiment that a person means: the newest of a working directory, or one by its id."""
    folder = Path(name)
    if (folder / LEDGER_NAME).is_file():
        ledger = Ledger.open(folder)
        known = [one.id for one in ledger.experiments()]
        sweeps = [name for name in known if not name.endswith(holdout_id(""))]
        return find_experiment(sweeps[-1] if sweeps else None, folder)
    if (folder.parent / LEDGER_NAME).is_file() and len(folder.parts) > 1:
        return find_experiment(folder.name, folder.parent)
    return find_experiment(name, directory)


def _facts(ledger: Ledger, experiment: ExperimentRecord) -> dict[str, Any]:
    return {
        "experiment": experiment.id,
        "directory": str(ledger.path.parent),
        "project": experiment.project,
        "started": experiment.started,
        "trials": len(ledger.trials(experiment.id)),
    }


def _head(side: str, ledger: Ledger, experiment: ExperimentRecord, width: int) -> Iterator[str]:
    trials = len(ledger.trials(experiment.id))
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(experiment.started))
    words = f"{experiment.id}, {trials} trial{'s' * (trials != 1)}, of {began}"
    yield from columns([side, f"{words}, in {ledger.path.parent}"], [_HEAD - 2, width - _HEAD])


def _section(section: Section, width: int) -> Iterator[str]:
    count = len(section.differences)
    said = f"{count} difference{'s' * (count != 1)}" if count else "no difference"
    if count or not section.remarks:
        subject = f"{section.subject}: " if section.subject else ""
        yield f"{section.name:<{_HEAD}}{subject}{said}"
    else:
        yield section.name
    for remark in section.remarks:
        yield from (f"  {line}" for line in wrapped(remark, width - 2))
    yield from _differences(section.differences[:SHOWN], width)
    if count > SHOWN:
        yield f"  and {count - SHOWN} more: --json shows all"


def _differences(shown: tuple[Difference, ...], width: int) -> Iterator[str]:
    """Keys in a column of their own where that leaves room for the values, else above them."""
    if not shown:
        return
    longest = max(width_of(one.key) for one in shown)
    room = width - 2
    key = min(longest, room * 2 // 5)
    value = (room - key - 4) // 2
    yield from (f"  {line}" for line in columns(["", "A", "B"], [key, value, value]))
    for one in shown:
        cells = [_text(one.a), _text(one.b)]
        head = one.key
        if width_of(one.key) > key:
            yield f"  {one.key}"
            head = ""
        lines = list(columns([head, *cells], [key, value, value]))
        yield from (f"  {line}" for line in lines[:_LINES])
        if len(lines) > _LINES:
            yield f"  {'':<{key}}  ..."


def _text(value: Any) -> str:
    if value is ABSENT:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _scores(days: CommonDays, width: int) -> Iterator[str]:
    yield f"{'scores':<{_HEAD}}{_count(days)}"
    for remark in days.remarks:
        yield from (f"  {line}" for line in wrapped(remark, width - 2))
    if not days.days:
        return
    form = "  {:<12} {:>10} {:>10} {:>11}   {:>11}  {}"
    yield form.format("", "best of A", "best of B", "B - A", "same points", "").rstrip()
    for one in days.days:
        paired = "" if one.paired is None else f"{one.paired:+.5f}"
        count = f"({len(one.pairs)})" if one.pairs else ""
        difference = f"{one.best_b - one.best_a:+.5f}"
        row = form.format(
            one.day, f"{one.best_a:.5f}", f"{one.best_b:.5f}", difference, paired, count
        )
        yield row.rstrip()
    if len(days.days) > 1:
        yield from _means(days)


def _count(days: CommonDays) -> str:
    if not days.days:
        return "no day on which both have any"
    if [one.day for one in days.days] == [ALL]:
        return f"the same points in both: {days.points}"
    plural = "s" * (len(days.days) > 1)
    return f"{len(days.days)} common day{plural}; the same points in both: {days.points}"


def _means(days: CommonDays) -> Iterator[str]:
    best = [one.best_b - one.best_a for one in days.days]
    yield f"  best of each: {_described(best, days)}"
    paired = [one.paired for one in days.days if one.paired is not None]
    if paired:
        yield f"  same points:  {_described(paired, days)}"


def _described(differences: list[float], days: CommonDays) -> str:
    better = sum(days.direction.sign * one > 0 for one in differences)
    return (
        f"B - A is {fmean(differences):+.5f} in the mean of {len(differences)} days, "
        f"B better on {better}"
    )
