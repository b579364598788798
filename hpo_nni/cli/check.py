"""`hpo-nni check`: everything about an experiment that can be wrong before it costs anything.

It reads what NNI and the trials will read, in the way they will read it, and reports all faults at
once, each with its place. Nothing is started and nothing is written.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.direction import Direction
from hpo_nni.documents import find_values, load_schema, parse_document
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.registry import did_you_mean
from hpo_nni.space.reading import load_experiment_space
from hpo_nni.stores.base import open_store
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.files import prepare_files
from hpo_nni.trial.settings import Substitutions, load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from hpo_nni.space import SearchSpace
    from hpo_nni.trial.settings import TrialSettings

HELP = "find every fault of an experiment before it starts"

SAMPLES = 20
KNOWN_KEYS = """
    experimentName experimentType searchSpaceFile searchSpace trialCommand trialCodeDirectory
    trialConcurrency trialGpuNumber maxExperimentDuration maxTrialNumber maxTrialDuration
    nniManagerIp useAnnotation debug logLevel experimentWorkingDirectory tunerGpuIndices tuner
    assessor advisor trainingService sharedStorage
""".split()  # noqa: SIM905  (a table to be read, not typed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file for `nnictl create`")


def run(arguments: argparse.Namespace) -> int:
    """Check the experiment; raises SettingsError with all faults."""
    check = Check(arguments.config)
    check.run()
    for line in check.report:
        print(line)
    for warning in check.warnings:
        print(f"warning: {warning}")
    if check.problems:
        raise SettingsError(check.problems)
    print("no faults found")
    return 0


@dataclass
class Check:
    """One pass over an experiment's files.

    Attributes:
        report: what was found, for people.
        warnings: what is odd but works.
        problems: what does not.
    """

    config: Path
    report: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> None:
        """Check everything that can be checked."""
        content = self._read_config()
        if content is None:
            return
        folder = self.config.absolute().parent
        code = folder / str(content.get("trialCodeDirectory") or ".")
        self._check_config(content, folder, code)
        space = self._attempt(lambda: load_experiment_space(self.config, content))
        if space is not None:
            self.warnings += space.warnings
        settings = self._settings(content, code, space)
        if settings is not None:
            self._check_directions(content, settings)
            if space is not None:
                self._check_keys(settings, space)
                self._check_samples(settings, space)

    def _read_config(self) -> dict[str, Any] | None:
        name = str(self.config)
        try:
            content = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except OSError as error:
            self._add(name, f"cannot be read: {error.strerror}")
            return None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self._add(name, f"is not YAML: {error}")
            return None
        if not isinstance(content, dict):
            self._add(name, "should hold keys and values, as NNI's documents show")
            return None
        return content

    def _check_config(self, content: Mapping[str, Any], folder: Path, code: Path) -> None:
        for key in content:
            if key not in KNOWN_KEYS:
                self._add_at(key, f"NNI has no key {key!r}", did_you_mean(str(key), KNOWN_KEYS))
        service = content.get("trainingService") or {}
        platform = service.get("platform") if isinstance(service, dict) else None
        if platform != "local":
            self._add_at(
                "trainingService",
                f"the platform is {platform!r}",
                "it is local: the trial runner submits the jobs elsewhere",
            )
        for kind in ("tuner", "assessor"):
            self._check_algorithm(kind, content.get(kind), folder)
        working = (
            folder
            / Path(
                str(content.get("experimentWorkingDirectory") or "~/nni-experiments")
            ).expanduser()
        )
        if nni_version() < (3,) and (breaks_nni(working) or breaks_nni(code)):
            self.warnings.append(
                "NNI 2 cannot work in paths with spaces or shell characters: "
                "`hpo-nni run` works round that, `nnictl create` does not"
            )

    def _check_algorithm(self, kind: str, algorithm: Any, folder: Path) -> None:
        if not isinstance(algorithm, dict):
            return
        directory, class_name = algorithm.get("codeDirectory"), algorithm.get("className")
        if directory is None or class_name is None:
            return
        code = folder / str(directory)
        module = str(class_name).split(".", maxsplit=1)[0]
        if not code.is_dir():
            self._add_at("codeDirectory", f"{kind}: there is no folder {code}")
        elif not (code / f"{module}.py").is_file():
            there = [path.stem for path in code.glob("*.py")]
            self._add_at(
                "className", f"{kind}: {code} has no {module}.py", did_you_mean(module, there)
            )

    def _settings(
        self, content: Mapping[str, Any], code: Path, space: SearchSpace | None
    ) -> TrialSettings | None:
        command = str(content.get("trialCommand") or "")
        path = settings_file(command, code)
        if path is None:
            self._add_at(
                "trialCommand",
                "names no settings file",
                "as in: python3 -m hpo_nni.trial --config=./trial.ini",
            )
            return None
        point = None if space is None else space.sample(random.Random(0))  # noqa: S311
        settings: TrialSettings | None = self._attempt(
            lambda: load_settings(path, Substitutions(point=point))
        )
        if settings is not None:
            self.warnings += settings.warnings
            weights = ", ".join(f"{name} x {w:g}" for name, w in settings.metrics.weights.items())
            self.report.append(f"score        {weights} ({settings.metrics.direction.value})")
        return settings

    def _check_directions(self, content: Mapping[str, Any], settings: TrialSettings) -> None:
        stated: dict[str, str] = {"trial.ini": settings.metrics.direction.value}
        for kind in ("tuner", "assessor"):
            mode = ((content.get(kind) or {}).get("classArgs") or {}).get("optimize_mode")
            if mode is not None:
                stated[kind] = str(mode)
        known = [direction.value for direction in Direction]
        for who, mode in stated.items():
            if mode not in known:
                self._add_at("optimize_mode", f"{who}: {mode!r}", did_you_mean(mode, known))
        if len(set(stated.values())) > 1:
            words = ", ".join(f"{who}: {mode}" for who, mode in stated.items())
            self._add_at(
                "optimize_mode", f"they disagree: {words}", "state the same in all of them"
            )

    def _check_keys(self, settings: TrialSettings, space: SearchSpace) -> None:
        """Count what each key selects."""
        documents = []
        for file in settings.files:
            text = self._attempt(lambda file=file: open_store(file.source).read_text(file.source))
            if text is None:
                continue
            schema = load_schema(file.schema, settings.path.parent) if file.schema else None
            document = self._attempt(
                lambda file=file, text=text: parse_document(
                    text, path=file.source, format=file.format or None
                )
            )
            if document is not None:
                documents.append((document, schema))
        width = max(map(len, space), default=0)
        for key in space:
            found = list(_values(documents, key))
            shown = f"{len(found)} place{'s' * (len(found) != 1)}: {_shorten(found)}"
            used = "substituted in the ini" if key in settings.used_keys else shown
            self.report.append(f"{key:<{width}}  {used}")

    def _check_samples(self, settings: TrialSettings, space: SearchSpace) -> None:
        """Apply points as trials will."""
        rng = random.Random(0)  # noqa: S311  (not for secrets)
        seen: set[str] = set()
        for _ in range(SAMPLES):
            try:
                point = space.sample(rng)
                prepare_files(settings, point, Substitutions(point=point))
            except SettingsError as error:
                for problem in error.problems:
                    if problem.where not in seen:
                        seen.add(problem.where)
                        self.problems.append(self._located(problem, space))
            except HpoNniError as error:
                self.problems.append(Problem("", error.message, error.hint))
                return
        self.report.append(f"{SAMPLES} points of the search space applied")

    def _located(self, problem: Problem, space: SearchSpace) -> Problem:
        """A key's problem at the key's place in the search space."""
        key = problem.where.rpartition(": ")[2]
        place = space.places.get(key)
        where = f"{place} {problem.where}" if place else problem.where
        return Problem(where, problem.message, problem.hint)

    def _attempt(self, action: Any) -> Any:
        try:
            return action()
        except SettingsError as error:
            self.problems += error.problems
        except HpoNniError as error:
            self._add("", error.message, error.hint)
        return None

    def _add(self, where: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(where, message, hint))

    def _add_at(self, key: str, message: str, hint: str = "") -> None:
        """Add a problem at the first line of the config that begins with the key."""
        for number, line in enumerate(self.config.read_text("utf-8").splitlines(), start=1):
            column = line.find(f"{key}:")
            if column >= 0 and not line[:column].strip(" -{\"'"):
                self._add(f"{self.config.name}:{number}:{column + 1} {key}", message, hint)
                return
        self._add(f"{self.config.name} {key}", message, hint)


def _values(documents: list[Any], key: str) -> Iterator[Any]:
    for document, schema in documents:
        try:
            yield from find_values(document, key, schema=schema)
        except HpoNniError:
            continue  # applying a point says it, with the words for people


def _shorten(values: list[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:6])
    return shown + (", ..." if len(values) > 6 else "")
