"""The trial's process: arguments, logging, signals, and what becomes of an error.

Under NNI it runs one trial. Outside NNI the same command runs one trial for debugging, with
`--params` or with the config as it is; `--dry-run` says what would happen and touches nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import HpoNniError, Problem, SettingsError, describe
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.trial_channel import TrialPoint, open_channel
from hpo_nni.trial.calendar import add_calendar, calendar_of
from hpo_nni.trial.files import prepare_files
from hpo_nni.trial.place import find_place
from hpo_nni.trial.rehearsal import Rehearsal
from hpo_nni.trial.settings import load_settings
from hpo_nni.trial.shutdown import Shutdown
from hpo_nni.trial.substitutions import substitutions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.nni_api.trial_channel import TrialChannel
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.substitutions import Substitutions

    Loader = Callable[[Path, Substitutions], TrialSettings]

logger = logging.getLogger(__name__)


class TerminalChannel:
    """What stands in for NNI when a trial runs alone: results are printed."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._point = TrialPoint(parameters, None)

    def receive_point(self) -> TrialPoint:
        """Give the point from the command line."""
        return self._point

    def report(self, kind: str, sequence: int, value: Mapping[str, float]) -> None:
        """Print the result."""
        name = "final" if kind == "FINAL" else f"result {sequence}"
        raw = ", ".join(f"{key} {number:.6g}" for key, number in value.items() if key != "default")
        print(f"{name}: {value['default']:.6g}  ({raw})", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trial; 0 if it succeeded, 1 if it failed, 2 if its files are wrong."""
    parser = new_parser("python -m hpo_nni.trial")
    add_calendar(parser)
    arguments = parser.parse_args(argv)

    def load(path: Path, substitutions: Substitutions) -> TrialSettings:
        return load_settings(path, substitutions, calendar=calendar_of(arguments))

    return execute(arguments, load)


def execute(arguments: argparse.Namespace, load: Loader) -> int:
    """Do what the arguments of `new_parser` say, with settings that `load` reads; as `main`."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    for name in ("oss2", "odps"):  # what goes wrong in SDKs, our own errors tell in fewer lines
        logging.getLogger(name).setLevel(logging.CRITICAL)
    place = find_place(os.environ, now=time.time(), pid=os.getpid(), folder=arguments.place)
    try:
        channel = _channel(place, arguments.params)
        if arguments.dry_run:
            point = channel.receive_point().parameters
            load_ini = _SettingsFile(load, arguments.config, place)
            settings = load_ini(substitutions_of(place, point))
            return _dry_run(settings, place, point)
        return _run(arguments.config, load, place, channel)
    except SettingsError as error:
        print(describe(error), file=sys.stderr)
        return 2
    except HpoNniError as error:
        print(describe(error), file=sys.stderr)
        return 1


def new_parser(program: str) -> argparse.ArgumentParser:
    """The arguments of a command that runs one trial."""
    parser = argparse.ArgumentParser(prog=program, description="Run one trial of an experiment.")
    parser.add_argument("--config", type=Path, required=True, help="the trial's settings, an ini")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="outside NNI: a point as JSON, {key: value}"
    )
    parser.add_argument(
        "--place",
        type=Path,
        metavar="FOLDER",
        help="outside NNI: the trial's own folder, named by its id, below its experiment's, below "
        "the ledger's; the trial ends when the process that started it does",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the edits and the jobs; touch nothing"
    )
    return parser


def _channel(place: Place, params: Path | None) -> TrialChannel:
    if place.nni is not None:
        return open_channel(place.nni)
    return TerminalChannel({} if params is None else _read_point(params))


def _read_point(file: Path) -> dict[str, Any]:
    try:
        point = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError([Problem(str(file), f"is not JSON: {error}")]) from error
    if not isinstance(point, dict):
        raise SettingsError([Problem(str(file), "should be a JSON object, {key: value}")])
    return point


class _SettingsFile:
    """Reads a trial's settings file, under any names that the trial may go by.

    What is odd about it is said the first time.
    """

    def __init__(self, load: Loader, config: Path, place: Place) -> None:
        self._load = load
        self._path = config.resolve()
        self._place = place
        self._has_spoken = False

    def __call__(self, substitutions: Substitutions) -> TrialSettings:
        settings = self._load(self._path, substitutions)
        self._speak(settings)
        rehearsal = Rehearsal.of_process()
        return settings if rehearsal is None else rehearsal.adapt(settings)

    def _speak(self, settings: TrialSettings) -> None:
        said = settings.accounts.warnings() if self._place.number > 0 else []  # by the first trial
        for warning in () if self._has_spoken else settings.warnings:
            if warning not in said:
                logger.warning("%s", warning)
        self._has_spoken = True


def _dry_run(settings: TrialSettings, place: Place, point: Mapping[str, Any]) -> int:
    """Print the edited configs as diffs, and the plan."""
    from hpo_nni.platforms.base import JobSpec  # noqa: PLC0415  (a trial loads it in its runner)
    from hpo_nni.trial.platforms import open_platform  # noqa: PLC0415

    for file in prepare_files(settings, point, substitutions_of(place, point)):
        print(f"# {file.source} -> {file.target}")
        print(file.diff() or "# no edits", end="\n\n")
    platform = open_platform(settings, place.working_directory)
    if settings.window is not None:
        opening = settings.window.describe(settings.window.next_opening(time.time()))
        print(f"# jobs start {settings.window}; the next one could at {opening}")
    for step in settings.steps:
        spec = JobSpec(
            name=step.key,
            step=step.key,
            command=step.command,
            directory=settings.path.parent,
            log_directory=place.output_directory,
        )
        print(f"# {step.key}, on {settings.platform}\n{platform.plan(spec).text}\n")
    return 0


def _run(config: Path, load: Loader, place: Place, channel: TrialChannel) -> int:
    from hpo_nni.ledger import Ledger  # noqa: PLC0415  (a dry run needs none)
    from hpo_nni.trial.lifetime import Trial  # noqa: PLC0415  (likewise)

    shutdown = Shutdown(watch_parent=place.is_owned)
    point = channel.receive_point().parameters
    shutdown.install()  # until here a signal just ends the process, while it waits for NNI
    place.output_directory.mkdir(parents=True, exist_ok=True)
    with Ledger.open(place.working_directory) as ledger:
        trial = Trial(_SettingsFile(load, config, place), config, place, point, ledger)
        outcome = trial.run(channel, shutdown)
    if outcome.state is TrialState.SUCCEEDED:
        return 0
    print(f"{outcome.state.value}: {outcome.reason}", file=sys.stderr, flush=True)
    if outcome.state is not TrialState.FAILED and shutdown.requested:
        shutdown.resign()
    return 1
