"""`hpo-nni daily`: what a scheduler calls once a day; see docs/guide/daily-projects.md.

Exit codes: 0 shipped, 4 kept, 3 not decided yet (it waits, was told to end, or another call is at
it), 1 failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.daily_work import Plan, SweepAndWalk
from hpo_nni.cli.run import interruptions
from hpo_nni.daily.day import FAILED, KEPT, SHIPPED, Day
from hpo_nni.daily.project_file import read_project
from hpo_nni.daily.results import evidence, words
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.trial.calendar import Unit
from hpo_nni.trial.dates import parse_date
from hpo_nni.trial.shutdown import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo_nni.daily.project_file import Project
    from hpo_nni.ledger.records import DailyRunRecord

HELP = "once a day: wait, tune, compare with the champion, say ship or keep"

UNDECIDED = 3
EXIT_CODES = {SHIPPED: 0, FAILED: 1, KEPT: 4}
_BUSY = "another call is at work on this project"
_TOLD_TO_END = "told to end; nothing is left running, and the next call goes on"
_LOOK_BACK = 60  # days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("project", type=Path, metavar="PROJECT.yml", help="what to do each day")
    parser.add_argument(
        "--bizdate",
        type=_moment,
        metavar="DAY",
        help="the newest day, as 20261008; by default, the newest one whose data is there",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help=f"exit with {UNDECIDED} where data is missing"
    )
    parser.add_argument("--again", action="store_true", help="take up a failed day where it failed")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run(arguments: argparse.Namespace) -> int:
    """Take the day as far as it goes; the exit code says where that is."""
    project = read_project(arguments.project)
    with contextlib.redirect_stdout(sys.stderr):  # progress; the result alone is for the output
        found, folder, note = _go(project, arguments)
    print(_as_json(found, folder, note) if arguments.json else _as_text(found, folder, note))
    return EXIT_CODES.get(found.state, UNDECIDED) if found is not None else UNDECIDED


def _go(project: Project, arguments: argparse.Namespace) -> tuple[DailyRunRecord | None, Path, str]:
    """The day's record, its folder, and why no more was done."""
    plan = Plan.read(project)
    newest = arguments.bizdate or _newest(project, plan)
    window = project.window(newest)
    folder = project.output / window.name
    with Ledger.open(plan.working_directory) as ledger, interruptions() as shutdown:
        work = SweepAndWalk(project, plan, window, folder, ledger, shutdown)
        day = Day(project, plan.name, window, ledger, work)
        known = day.known()
        if known is not None and known.state in EXIT_CODES and not arguments.again:
            return known, folder, ""
        with _alone(plan.working_directory / f"daily-{plan.name}.lock") as is_alone:
            if not is_alone:
                return day.known(), folder, _BUSY
            plan.check(window)
            try:
                found = day.run(may_wait=not arguments.no_wait, again=arguments.again)
            except Interrupted:
                return day.known(), folder, _TOLD_TO_END
            return found, folder, ""


def _newest(project: Project, plan: Plan) -> datetime:
    """The newest day whose data is there."""
    if not project.wait_for:
        hint = "name the day, as in --bizdate 20261008, or say under wait.for what it needs"
        raise SettingsError([Problem(project.where("wait", "for"), "it is missing", hint)])
    now = datetime.now().astimezone().replace(tzinfo=None, minute=0, second=0, microsecond=0)
    latest = now if project.unit is Unit.HOUR else now.replace(hour=0)
    step = timedelta(hours=1) if project.unit is Unit.HOUR else timedelta(days=1)
    for back in range(_LOOK_BACK):
        day = latest - back * step
        if not plan.arrival.missing(project.window(day).whole, day, time.sleep):
            return day
    message = f"of the last {_LOOK_BACK} {project.unit.value}s, none has all that it needs"
    raise SettingsError(
        [Problem(project.where("wait", "for"), message, "is the path right? or use --bizdate DAY")]
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process is in this block for the same file."""
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True  # the lock ends with the file's closing, or with the process


def _as_json(run: DailyRunRecord | None, folder: Path, note: str) -> str:
    facts: dict[str, Any] = {} if run is None else evidence(run)
    is_decided = run is not None and run.state in {SHIPPED, KEPT}
    facts |= {"folder": str(folder) if is_decided else None, "note": note}
    return json.dumps(facts, ensure_ascii=False)


def _as_text(run: DailyRunRecord | None, folder: Path, note: str) -> str:
    lines = [] if run is None else words(run, folder)
    return "\n".join([*lines, *([note] if note else [])])


def _moment(text: str) -> datetime:
    try:
        return parse_date(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
