"""`hpo-nni notify`: whether the webhook of a settings file takes messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.trial.delivery import try_out
from hpo_nni.trial.monitor import SECTION, load_monitor

if TYPE_CHECKING:
    import argparse

HELP = "send a test message to the webhook of a settings file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("ini", type=Path, metavar="INI", help="the settings file of a trial")


def run(arguments: argparse.Namespace) -> int:
    """Send the message; 1 if it did not arrive."""
    monitor = load_monitor(arguments.ini)
    if monitor is None:
        hint = "url=env:NAME, a variable that holds the webhook's address"
        raise SettingsError([Problem(arguments.ini.name, f"there is no section [{SECTION}]", hint)])
    fault = try_out(monitor)
    print(f"the webhook did not take it: {fault}" if fault else "sent")
    return 1 if fault else 0
