"""`hpo-nni history`: the days of a project as a table and a plot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.daily_work import Plan
from hpo_nni.cli.find import add_directory, ledgers
from hpo_nni.daily.project_file import read_project
from hpo_nni.errors import Problem, RegistryError, SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.registry import did_you_mean
from hpo_nni.reports.columns import terminal_width
from hpo_nni.reports.history import read_history
from hpo_nni.reports.history_svg import page, svg
from hpo_nni.reports.history_text import counts, notes, table
from hpo_nni.reports.text_plot import ASCII, UNICODE, text_plot
from hpo_nni.stores.local import LocalStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from hpo_nni.reports.history import History

HELP = "show the days of a project: champions, scores, challengers, drift, cost"
DRAWINGS: dict[str, Callable[[History], str]] = {".svg": svg, ".html": page}
_PROJECT_FILES = {".yml", ".yaml"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("project", metavar="PROJECT", help="its name, or the path of its file")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw into a file: .svg, or .html with the table"
    )
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the days; raises RegistryError where there are none."""
    draw = None if arguments.plot is None else _drawing(arguments.plot)
    history = _find(arguments.project, arguments.dir)
    if draw is not None:
        LocalStore().write_text(str(arguments.plot), draw(history))
    if arguments.json:
        print(json.dumps(history.facts(), ensure_ascii=False, indent=2))
        return 0
    width = terminal_width()
    print(f"project {history.project} in {history.directory}, {counts(history)}\n")
    print("\n".join([*table(history), ""]))
    print("\n".join([*notes(history, width), ""]))
    print("\n".join(text_plot(history, width, UNICODE if _has_unicode() else ASCII)))
    if arguments.plot is not None:
        print(f"\ndrawn into {arguments.plot}")
    return 0


def _drawing(file: Path) -> Callable[[History], str]:
    draw = DRAWINGS.get(file.suffix.lower())
    if draw is None:
        message = f"{file.suffix or 'a file without a suffix'} cannot be drawn"
        hint = "FILE.svg or FILE.html; a browser prints either as PDF, or saves it as a picture"
        raise SettingsError([Problem(f"--plot {file}", message, hint)])
    return draw


def _find(project: str, directory: Path | None) -> History:
    """The days of a project, from the last used working directory that has any."""
    name, folders = project, None
    if Path(project).suffix in _PROJECT_FILES:
        plan = Plan.read(read_project(Path(project)))
        name, folders = plan.name, [directory or plan.working_directory]
    known: list[str] = []
    for folder in reversed(ledgers(directory) if folders is None else folders):
        with Ledger.open(folder) as ledger:
            history = read_history(ledger, name)
            known += ledger.daily_projects()
        if history.days:
            return history
    where = directory or "the directories of NNI's index"
    hint = (
        did_you_mean(name, known) if known else "`hpo-nni daily PROJECT.yml` begins its first day"
    )
    raise RegistryError(f"no day of a project {name!r} in {where}", hint=hint)


def _has_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")
