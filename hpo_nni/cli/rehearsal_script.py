"""What is to be rehearsed, read from the user's files; nothing is started or written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.check import Check, located, spread
from hpo_nni.cli.experiment_file import ExperimentFile
from hpo_nni.dialects.commands import loader_of
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.platforms.registry import PLATFORMS
from hpo_nni.space.reading import load_experiment_space
from hpo_nni.testing.cloud.demands import Demands
from hpo_nni.testing.cloud.mistakes import find_mistakes, find_unfilled
from hpo_nni.testing.cloud.stand_in import stand_in_config
from hpo_nni.trial.accounts import unusable_credentials
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.handed_edits import apply_to_config, xflows_of
from hpo_nni.trial.settings import Substitutions
from hpo_nni.trial.steps import MAXCOMPUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hpo_nni.space import SearchSpace
    from hpo_nni.trial.settings import TrialSettings


@dataclass(frozen=True)
class Script:
    """An experiment and the pipeline configs that its jobs read.

    Attributes:
        baselines: how many trials run the untuned config before any other.
        project: the one that pays.
        several: the settings, with points from all over the search space.
        demands: what the services must have.
        configs: URI -> text of the pipeline configs.
        copies: URI -> the user's own copy of it; another config stands in for the others.
        unfilled: credentials and options that a real run needs and that say nothing yet.
    """

    config: Path
    concurrency: int
    baselines: int
    project: str
    space: SearchSpace
    several: tuple[TrialSettings, ...]
    demands: Demands
    configs: Mapping[str, str]
    copies: Mapping[str, Path]
    unfilled: tuple[Problem, ...]

    @property
    def settings(self) -> TrialSettings:
        """Those of the first point."""
        return self.several[0]

    def mistakes(self) -> list[Problem]:
        """What is wrong with the commands, and with the keys where the real config is known."""
        known = {uri: self.configs[uri] for uri in self.copies}
        found: dict[tuple[str, str], Problem] = {}
        for settings in self.several:
            for problem in find_mistakes(settings):
                found.setdefault((problem.where, problem.message), problem)
            for _, xflow in xflows_of(settings):
                for problem in apply_to_config(xflow, known)[1]:
                    found.setdefault((problem.where, ""), self._located(problem))
        return list(found.values())

    def _located(self, problem: Problem) -> Problem:
        """At the user's copy, or at the key's place in the search space."""
        copy = self.copies.get(problem.where)
        if copy is not None:
            return Problem(str(copy), problem.message, problem.hint)
        return located(problem, self.space)


def read_script(config: Path, pipeline_config: Path | None) -> Script:
    """Read an experiment on MaxCompute.

    Args:
        config: the file for `nnictl create`.
        pipeline_config: a copy of what `-Dconfig` names; None to look for one beside the ini.

    Raises:
        SettingsError: with every fault of the files; or its jobs run on this machine.
        MissingExtraError: MaxCompute needs packages that are not there.
    """
    file = ExperimentFile.read(config)
    try:
        space = load_experiment_space(config.absolute(), file.content)
        several = _settings(file, space)
    except SettingsError:
        check = Check(config)
        check.run()
        check.conclude()  # it knows every fault, and not only the first file's
        raise
    settings = several[0]
    if settings.platform != MAXCOMPUTE:
        where = f"{settings.path.name} [platform_config] name"
        message = f"the jobs of {settings.platform!r} run on this machine anyway"
        hint = f"`hpo-nni run {config} --max-trials 1` runs one trial"
        raise SettingsError([Problem(where, message, hint)])
    problems = [problem for one in several for problem in _beyond_us(one)]
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    PLATFORMS.load(MAXCOMPUTE)  # says which extra is missing
    accounts = settings.accounts
    assert accounts.odps is not None, "the settings' reader asks for it"
    demands = Demands.of(several)
    copies = _copies(demands.configs, [settings.path.parent, file.folder], pipeline_config)
    stand_in = stand_in_config(settings.metrics.weights, space)
    texts = {uri: _read(copies[uri]) if uri in copies else stand_in for uri in demands.configs}
    return Script(
        config=config,
        concurrency=_whole(file.content.get("trialConcurrency"), 1),
        baselines=_whole(
            (file.algorithm("tuner").get("classArgs") or {}).get("baseline_trials"), 0
        ),
        project=accounts.odps.get("project", os.environ, accounts.directory),
        space=space,
        several=several,
        demands=demands,
        configs=texts,
        copies=copies,
        unfilled=tuple(
            dict.fromkeys(
                (*unusable_credentials(settings.path, os.environ), *find_unfilled(settings))
            )
        ),
    )


def _settings(file: ExperimentFile, space: SearchSpace) -> tuple[TrialSettings, ...]:
    command = str(file.content.get("trialCommand") or "")
    path = settings_file(command, file.code_directory)
    if path is None:
        hint = "as in: python3 -m hpo_nni.trial --config=./trial.ini"
        problem = Problem(file.where("trialCommand"), "it names no settings file", hint)
        raise SettingsError([problem])
    load = loader_of(command, path)
    return tuple(load(path, Substitutions(point=point)) for point in spread(space))


def _beyond_us(settings: TrialSettings) -> Iterator[Problem]:
    """What the servers on this machine have nothing for, and must not be asked for elsewhere."""
    name, metrics = settings.path.name, settings.metrics
    if metrics.kind == "table":
        hint = "rehearse the commands with metric_type=summary"
        yield Problem(
            f"{name} [metric_config] metric_type", "tables that jobs write are not there", hint
        )
    places = [(file.key, uri) for file in settings.files for uri in (file.source, file.target)]
    places += [] if metrics.kind == "table" else metrics.sources
    for key, uri in places:
        scheme, separator, _ = uri.partition("://")
        if separator and scheme not in {"oss", "file"}:
            hint = "a copy on oss:// or on this machine can be rehearsed"
            yield Problem(f"{name} {key}", f"{scheme}:// has no server on this machine", hint)


def _whole(stated: Any, otherwise: int) -> int:
    """A number of the config; what is none, its checks tell."""
    return stated if isinstance(stated, int) and stated > 0 else otherwise


def _copies(uris: Iterable[str], folders: Iterable[Path], given: Path | None) -> dict[str, Path]:
    """Where the user has copies, by their names."""
    found = {}
    for uri in uris:
        near = (folder / PurePosixPath(uri).name for folder in folders)
        path = given or next((one for one in near if one.is_file()), None)
        if path is not None:
            found[uri] = path
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError([Problem(str(path), f"cannot be read: {reason}")]) from error
