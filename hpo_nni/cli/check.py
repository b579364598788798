"""`hpo-nni check`: everything about an experiment that can be wrong before it costs anything.

It reads what NNI and the trials will read, in the way they will read it, and reports all faults at
once, each with its place. Nothing is started and nothing is written. `hpo-nni run` makes the same
checks before it starts NNI.
"""

from __future__ import annotations

import importlib.util
import os
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hpo_nni.cli.acceptance import ask_nni
from hpo_nni.cli.cost import rate_lines
from hpo_nni.cli.experiment_file import ALGORITHMS, ExperimentFile
from hpo_nni.dialects.commands import loader_of
from hpo_nni.direction import Direction
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.inspection.remote import RemoteInspection
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.registry import did_you_mean
from hpo_nni.space.reading import load_experiment_space
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.files import prepare_files, read_bases
from hpo_nni.trial.settings import Substitutions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from hpo_nni.space import SearchSpace
    from hpo_nni.trial.files import PreparedFile
    from hpo_nni.trial.settings import TrialSettings

    T = TypeVar("T")

HELP = "find every fault of an experiment before it starts"

HANDED_OVER = "handed over with the job"
SAMPLES = 32  # points that are tried; every choice of up to 16 options is tried out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file for `nnictl create`")
    parser.add_argument(
        "--remote",
        action="store_true",
        help="also ask the cloud for tables, partitions, buckets and the rights on them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the experiment; raises SettingsError with all faults."""
    check = Check(arguments.config)
    check.run()
    if arguments.remote:
        check.look_remotely()
    for line in check.report:
        print(line)
    check.warnings += [f"{one.where}: {one.message} ({one.hint})" for one in check.credentials]
    check.conclude()
    ask_nni(arguments.config)
    print("no faults found")
    return 0


@dataclass
class Check:
    """One pass over an experiment's files.

    Attributes:
        report: what was found, for people.
        warnings: what is odd but works; what is odd in the search space, its reader has logged.
        problems: what does not.
        command: instead of the config's trial command; empty for that.
        credentials: those that lead nowhere: files without them can be checked, and not run.
        settings: what a trial does, where its file can be read.
        several: the same, with points from all over the search space.
        space: where it can be read.
    """

    config: Path
    report: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    credentials: tuple[Problem, ...] = ()
    settings: TrialSettings | None = None
    several: list[TrialSettings] = field(default_factory=list)
    space: SearchSpace | None = None
    command: str = ""

    def run(self) -> None:
        """Check everything that can be checked without NNI."""
        file = self._attempt(lambda: ExperimentFile.read(self.config))
        if file is None:
            return
        if self.command:
            file = replace(file, content={**file.content, "trialCommand": self.command})
        self.problems += file.unknown
        self._check_places(file)
        for kind in ALGORITHMS:
            self._check_algorithm(kind, file)
        space = self._attempt(lambda: load_experiment_space(self.config.absolute(), file.content))
        self.space = space
        settings = self.settings = self._settings(file, space)
        if settings is not None:
            self.credentials = _unusable_credentials(settings)
            self._check_directions(file, settings)
            if space is not None:
                self._check_points(file, settings, space)

    def look_remotely(self) -> None:
        """Ask the cloud; what the files lack is a fault here and no warning."""
        if self.settings is None:
            return
        found = RemoteInspection(self.settings, os.environ, self.several)
        found.run()
        self.report += found.report
        self.problems += found.problems
        space = self.space
        self.problems += [located(one, space) if space else one for one in found.keys]
        self.credentials = ()

    def conclude(self) -> None:
        """Print the warnings; raise SettingsError if there are faults."""
        for warning in self.warnings:
            print(f"warning: {warning}")
        if self.problems:
            raise SettingsError(self.problems)

    def _check_places(self, file: ExperimentFile) -> None:
        service = file.content.get("trainingService")
        platform = service.get("platform") if isinstance(service, dict) else service
        if platform != "local":
            message = (
                "trainingService is missing: where do trials run?"
                if service is None
                else f"NNI would run the trials on {platform!r}"
            )
            hint = "platform: local; their jobs go where [platform_config] of the ini says"
            self._add(file.where("trainingService"), message, hint)
        if nni_version() < (3,) and (
            breaks_nni(file.working_directory) or breaks_nni(file.code_directory)
        ):
            self.warnings.append(
                "NNI 2 cannot work in paths with spaces or shell characters: "
                "`hpo-nni run` works round that, `nnictl create` does not"
            )

    def _check_algorithm(self, kind: str, file: ExperimentFile) -> None:
        algorithm = file.algorithm(kind)
        directory, class_name = algorithm.get("codeDirectory"), algorithm.get("className")
        if directory is None or class_name is None:
            return
        code = (file.folder / Path(str(directory)).expanduser()).resolve()
        module = str(class_name).split(".", maxsplit=1)[0]
        if not code.is_dir():
            near = next((folder for folder in _core_folders(file.folder, module)), None)
            hint = f"did you mean {near}?" if near else "it is relative to the config's folder"
            self._add(file.where(kind, "codeDirectory"), f"there is no folder {code}", hint)
        elif not (
            (code / f"{module}.py").is_file()
            or (code / module).is_dir()
            or importlib.util.find_spec(module) is not None
        ):
            there = [path.stem for path in code.glob("*.py")]
            hint = did_you_mean(module, there) or "is it the right folder?"
            self._add(file.where(kind, "className"), f"there is no {module}.py in {code}", hint)

    def _settings(self, file: ExperimentFile, space: SearchSpace | None) -> TrialSettings | None:
        command = str(file.content.get("trialCommand") or "")
        path = settings_file(command, file.code_directory)
        hint = "as in: python3 -m hpo_nni.trial --config=./trial.ini"
        if path is None and (not command or "hpo_nni.trial" in command):
            message = "it names no settings file" if command else "it is missing: what is a trial?"
            self._add(file.where("trialCommand"), message, hint)
        elif path is None:
            where = file.where("trialCommand")
            message = "it names no settings file, so what a trial does cannot be checked"
            self.warnings.append(f"{where}: {message} ({hint})")
        if path is None:
            return None
        settings = self._attempt(
            lambda: loader_of(command, path)(path, Substitutions(point=_middle(space)))
        )
        if settings is not None:
            self.warnings += [*settings.warnings, *_unreachable(settings)]
            if settings.window is not None and file.content.get("maxTrialDuration"):
                message = "NNI counts the time that a trial waits for its window, too"
                self.warnings.append(f"{file.where('maxTrialDuration')}: {message}")
            weights = ", ".join(f"{name} x {w:g}" for name, w in settings.metrics.weights.items())
            self.report.append(f"score        {weights} ({settings.metrics.direction.value})")
            self.report += rate_lines(settings)
        return settings

    def _check_directions(self, file: ExperimentFile, settings: TrialSettings) -> None:
        if "metric_dict" not in settings.metrics.lines:
            return  # an older file has no place to state it
        line = settings.metrics.lines.get("optimize_mode")
        place = f"{settings.path.name}:{line}" if line else settings.path.name
        stated = {f"{place} [metric_config]": settings.metrics.direction.value}
        known = [direction.value for direction in Direction]
        for kind in ALGORITHMS:
            arguments = file.algorithm(kind).get("classArgs")
            mode = arguments.get("optimize_mode") if isinstance(arguments, dict) else None
            where = file.where(kind, "classArgs", "optimize_mode")
            if mode is not None and mode not in known:
                self._add(where, f"there is no mode {mode!r}", did_you_mean(str(mode), known))
            elif mode is not None:
                stated[where] = str(mode)
        if len(set(stated.values())) > 1:
            words = "".join(f"\n    {mode:<8}  {where}" for where, mode in stated.items())
            hint = "state the same in all of them; an ini that does not say means maximize"
            self._add("optimize_mode", f"better is said to be two things:{words}", hint)

    def _check_points(
        self, file: ExperimentFile, settings: TrialSettings, space: SearchSpace
    ) -> None:
        """Apply points as trials will, and count what each key selects."""
        bases = self._attempt(lambda: read_bases(settings))
        if bases is None:
            return
        load = loader_of(str(file.content.get("trialCommand") or ""), settings.path)
        found: dict[str, Problem] = {}
        applied: list[PreparedFile] = []
        for point in spread(space):
            try:
                substitutions = Substitutions(point=point)
                loaded = load(settings.path, substitutions)
                self.several.append(loaded)
                applied = prepare_files(loaded, point, substitutions, bases)
            except SettingsError as error:
                for problem in error.problems:
                    found.setdefault(problem.where, problem)
        self.problems += [located(problem, space) for problem in found.values()]
        if not found:
            self._report_places(settings, space, applied)

    def _report_places(
        self, settings: TrialSettings, space: SearchSpace, applied: list[PreparedFile]
    ) -> None:
        substituted = settings.used_keys.union(*(file.filled for file in applied))
        touched = [place for file in applied for place in file.touched]
        width = max(map(len, space), default=0)
        for key in space:
            old = [place.old for place in touched if place.key == key]
            if not old and settings.passes_point and key not in substituted:
                shown = HANDED_OVER
            elif old or key not in substituted:
                shown = f"{len(old)} place{'s' * (len(old) != 1)}: {_shorten(old)}"
            else:
                shown = "substituted"
            self.report.append(f"{key:<{width}}  {shown}")
        self.report.append(f"{SAMPLES} points of the search space applied")

    def _attempt(self, action: Callable[[], T]) -> T | None:
        try:
            return action()
        except SettingsError as error:
            self.problems += error.problems
        except HpoNniError as error:
            self._add("", error.message, error.hint)
        return None

    def _add(self, where: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(where, message, hint))


def _unusable_credentials(settings: TrialSettings) -> tuple[Problem, ...]:
    try:
        list(settings.accounts.secrets(os.environ))
    except SettingsError as error:
        return error.problems
    return ()


def spread(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Points that take each dimension evenly from one end to the other, each in its own order."""
    rng = random.Random(0)  # noqa: S311  (not for secrets)
    columns = []
    for _ in space.flatten():
        column = [number / (SAMPLES - 1) for number in range(SAMPLES)]
        rng.shuffle(column)
        columns.append(column)
    for number in range(SAMPLES):
        yield space.from_unit([column[number] for column in columns])


def _middle(space: SearchSpace | None) -> dict[str, Any] | None:
    return None if space is None else space.from_unit([0.5] * len(space.flatten()))


def located(problem: Problem, space: SearchSpace) -> Problem:
    """A key's problem at the key's place in the search space."""
    keys = (key for key in space.places if problem.where.endswith(key))
    key = max(keys, key=len, default="")
    where = f"{space.places[key]} {problem.where}" if key else problem.where
    return Problem(where, problem.message, problem.hint)


def _unreachable(settings: TrialSettings) -> Iterator[str]:
    """Why notices could not be sent; trials run without them."""
    try:
        if settings.monitor is not None:
            settings.monitor.resolve(os.environ)
    except SettingsError as error:
        yield f"{error.problems[0].where}: {error.problems[0].message}; no notice can be sent"


def _core_folders(folder: Path, module: str) -> Iterator[Path]:
    """Folders called `core` above the config that have the module: what `../core` may mean."""
    for above in folder.parents:
        if (above / "core" / f"{module}.py").is_file():
            yield above / "core"


def _shorten(values: list[str]) -> str:
    shown = ", ".join(values[:6])
    return shown + (", ..." if len(values) > 6 else "")
