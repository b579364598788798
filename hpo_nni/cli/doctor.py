"""`hpo-nni doctor`: whether this machine can run experiments, and what to do where it cannot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni import __version__
from hpo_nni.cli.experiment_file import ExperimentFile
from hpo_nni.cli.install import ALGORITHMS
from hpo_nni.errors import HpoNniError, SettingsError
from hpo_nni.inspection import cloud, folders, machine, nni_side
from hpo_nni.inspection.finding import Finding, Level, fail, ok, render, warn
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.trial.accounts import Accounts, load_accounts
from hpo_nni.trial.command import settings_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "look at this machine, NNI and the accounts of an experiment, and say what to put right"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="an experiment: its working directory, its classes and its accounts are looked at",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for everything; 1 if something is wrong."""
    file = ExperimentFile.read(arguments.config) if arguments.config else None
    counts = dict.fromkeys(Level, 0)
    found = []
    for finding in _findings(file):
        counts[finding.level] += 1
        found.append(finding)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in render(found, colour=colour):
        print(line)
    fine, odd, wrong = (counts[level] for level in Level)
    print(f"{fine} fine, {odd} to know about, {wrong} to put right")
    return 1 if wrong else 0


def _findings(file: ExperimentFile | None) -> Iterator[Finding]:
    accounts, faults = _accounts(file)
    yield machine.python()
    yield machine.system()
    yield ok("hpo_nni", f"{__version__} ({Path(__file__).parent.parent})")
    yield from nni_side.nni()
    yield nni_side.python3(os.environ)
    yield from nni_side.algorithms(_registered(), _wanted(file))
    needs = {"maxcompute": "this experiment"} if accounts.oss or accounts.odps else {}
    yield from machine.extras(needs)
    yield machine.ports()
    yield machine.proxies(os.environ)
    battery = machine.power()
    if battery is not None:
        yield battery
    yield from _places(file)
    yield from faults
    yield from cloud.accounts(accounts, os.environ)


def _registered() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for one in ALGORITHMS:
        names.setdefault(one.kind, []).append(one.name)
    return names


def _wanted(file: ExperimentFile | None) -> dict[str, str]:
    if file is None:
        return {}
    kinds = ("tuner", "assessor")
    return {kind: str(file.algorithm(kind).get("name") or "") for kind in kinds}


def _places(file: ExperimentFile | None) -> Iterator[Finding]:
    index = Path.home() / "nni-experiments"
    yield folders.writable("NNI's index", index)
    directory = file.working_directory if file is not None else index
    yield from folders.working_directory(directory)
    if nni_version() < (3,) and breaks_nni(directory):
        message = f"{directory}: NNI 2 cannot work in paths with spaces or shell characters"
        yield warn("path", message, "`hpo-nni run` works round that, `nnictl create` does not")


def _accounts(file: ExperimentFile | None) -> tuple[Accounts, list[Finding]]:
    """The accounts of the experiment's settings file, and why they cannot be read."""
    if file is None:
        return Accounts(), []
    path = settings_file(str(file.content.get("trialCommand") or ""), file.code_directory)
    if path is None:
        message = "trialCommand names none, so no account can be looked at"
        return Accounts(), [warn("settings file", message)]
    try:
        return load_accounts(path), []
    except SettingsError as error:
        problems = [
            fail("settings file", f"{p.where}: {p.message}", p.hint) for p in error.problems
        ]
        return Accounts(), problems
    except HpoNniError as error:
        return Accounts(), [fail("settings file", error.message, error.hint)]
