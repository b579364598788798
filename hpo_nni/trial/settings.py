"""trial.ini as frozen settings: rendered, substituted, checked; every fault at once.

Relative paths are relative to the ini's folder, in which the commands run, too.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import MissingExtraError, Problem, RegistryError, SettingsError
from hpo_nni.platforms.registry import NOT_YET, PLATFORMS
from hpo_nni.registry import did_you_mean
from hpo_nni.trial import metric_settings
from hpo_nni.trial.ini import read_ini
from hpo_nni.trial.metric_settings import MetricSettings, read_metrics
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.shell import fill_command
from hpo_nni.trial.substitutions import PER_TRIAL, WHOLE_POINT, Substitutions, bare_name
from hpo_nni.trial.templates import render

if TYPE_CHECKING:
    from hpo_nni.trial.ini import Entry

__all__ = [
    "ConfigFile",
    "MetricSettings",
    "Step",
    "Substitutions",
    "TrialSettings",
    "load_settings",
]

_PLATFORM, _PARAMS, _OUTPUT = "platform_config", "params_config", "output_config"
_FILE_KEY = "params_src_dst_filepath"
_OWN_SECTIONS = (_PLATFORM, metric_settings.SECTION, _PARAMS, _OUTPUT)
_LATER_SECTIONS = {
    "oss_config": "files on OSS",
    "odps_config": "the platform MaxCompute",
    "dlc_config": "the platform DLC",
    "ts_config": "the platform TrainingService",
    "paiflow_config": "the platform PAIFlow",
    "schedule_config": "times of day to run in",
    "monitor_config": "notifications",
    "easyrec_cmd_config": "the platform MaxCompute, nor its older settings files",
}
_OPTION_LINE = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True)
class Step:
    """One command of a trial; steps run in the order of the file."""

    key: str
    command: str
    line: int


@dataclass(frozen=True)
class ConfigFile:
    """A base config and where a trial's own copy of it goes.

    Attributes:
        source, target: absolute paths.
        schema: what `schema*` says: a folder, a file or an importable package; may be empty.
        format: the format's name where the suffix does not tell it; may be empty.
    """

    key: str
    source: str
    target: str
    line: int
    schema: str = ""
    format: str = ""


@dataclass(frozen=True)
class TrialSettings:
    """What one trial is to do.

    Attributes:
        path: the ini.
        platform: a name of the table of platforms, in lower case.
        resume: whether a repeated trial should go on at the step that failed; not acted upon yet.
        grace_seconds: from TERM to KILL; None for the platform's own.
        used_keys: keys of the search space whose own `${name}` stands somewhere in the ini.
        passes_point: whether the whole point is handed over, as `${tuner_params_json}` does.
        warnings: what is odd but allowed, each with its place.
    """

    path: Path
    platform: str
    steps: tuple[Step, ...]
    files: tuple[ConfigFile, ...]
    metrics: MetricSettings
    resume: bool = False
    grace_seconds: float | None = None
    model_path: str = ""
    summary_path: str = ""
    used_keys: frozenset[str] = frozenset()
    passes_point: bool = False
    warnings: tuple[str, ...] = ()


def load_settings(path: Path, substitutions: Substitutions) -> TrialSettings:
    """Read, render, substitute and check a trial.ini.

    Raises:
        SettingsError: with every fault, each as `file:line [section] key`; a template that cannot
            be rendered hides the faults behind it.
    """
    path = path.absolute()
    ini = read_ini(render(_read(path), path.name), path.name)
    known = substitutions.point is not None
    reading = Reading(ini, substitutions.words(), keys_are_known=known, problems=ini.problems)
    _check_sections(reading)
    _warn_of_hidden_keys(reading, substitutions)
    platform, output = SectionReader(reading, _PLATFORM), SectionReader(reading, _OUTPUT)
    files = _read_files(SectionReader(reading, _PARAMS), reading, path.parent)
    steps = _read_steps(platform, reading, len(files))
    metrics = SectionReader(reading, metric_settings.SECTION)
    grace = platform.seconds("grace_seconds", 0.0)
    settings = TrialSettings(
        path=path,
        platform=_read_platform(platform),
        steps=steps,
        files=files,
        metrics=read_metrics(metrics, [step.key for step in steps], path.parent),
        resume=_read_resume(platform),
        grace_seconds=grace if "grace_seconds" in platform.entries else None,
        model_path=output.text("model_path"),
        summary_path=output.text("summary_path"),
        used_keys=_used_keys(reading.used, substitutions),
        passes_point=not reading.used.isdisjoint(WHOLE_POINT),
        warnings=tuple(reading.warnings),
    )
    platform.finish(["name", "cmd1", "resume", "grace_seconds"])
    output.finish(["model_path", "summary_path"])
    if reading.problems:
        raise SettingsError(sorted(reading.problems, key=_line_of))
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"the trial's settings cannot be read: {error.strerror}"
        raise SettingsError([Problem(path.name, message, f"looked for {path}")]) from error
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8: {error.reason} at byte {error.start}"
        raise SettingsError([Problem(path.name, message)]) from error


def _check_sections(reading: Reading) -> None:
    ini = reading.ini
    for name in (_PLATFORM, metric_settings.SECTION):
        if name not in ini.sections:
            near = did_you_mean(name, [found for found in ini.sections if found[:3] == name[:3]])
            reading.problems.append(Problem(ini.name, f"the section [{name}] is missing", near))
    for name, section in ini.sections.items():
        if name in _LATER_SECTIONS:
            message, hint = f"this version does not have {_LATER_SECTIONS[name]} yet", ""
        elif name not in _OWN_SECTIONS:
            message, hint = f"there is no section [{name}]", did_you_mean(name, _OWN_SECTIONS)
        else:
            continue
        reading.problems.append(Problem(ini.where(section.line, name), message, hint))


def _warn_of_hidden_keys(reading: Reading, substitutions: Substitutions) -> None:
    for key in substitutions.point or {}:
        if Substitutions().words().keys() & {bare_name(key)}:
            message = f"${{{bare_name(key)}}} is a built-in name and hides the search space's {key}"
            reading.warnings.append(f"{reading.ini.name}: {message}")


def _read_platform(section: SectionReader) -> str:
    name = section.word("name").lower()
    if not name:
        section.fault("", "name is missing: where do the jobs run?", "name=local, on this machine")
        return ""
    try:
        PLATFORMS.load(name)
    except MissingExtraError as error:
        section.fault("name", error.message, error.hint)
    except RegistryError as error:
        message = error.message if name in NOT_YET else f"there is no platform {name!r}"
        section.fault("name", message, error.hint)
    return name


def _read_resume(section: SectionReader) -> bool:
    resume = section.boolean("resume", default=False)
    if resume:
        message = "this version cannot resume yet: a repeated trial starts at its first step"
        section.warn("resume", message)
    return resume


def _read_steps(section: SectionReader, reading: Reading, files: int) -> tuple[Step, ...]:
    steps = []
    for entry in section.prefixed("cmd"):
        filled = fill_command(entry.value, reading.words)
        command = section.fill(entry, filled, in_shell=True)
        if not command:
            section.fault(entry.key, "the command is empty")
        if "config" in filled.unknown and "config=" not in command:
            names = ", ".join(f"${{config{number + 1}}}" for number in range(files))
            message = f"[{_PARAMS}] has {files} files, so there is no ${{config}}"
            section.fault(entry.key, message, names and f"write one of {names}")
        _check_lines(section, entry)
        for name in filled.unknown:
            near = difflib.get_close_matches(name, reading.words, n=1, cutoff=0.8)
            if near:
                message = f"${{{name}}} is left to the shell; did you mean ${{{near[0]}}}?"
                section.warn(entry.key, message)
        steps.append(Step(entry.key, command, entry.line))
    if not steps:
        section.fault("", "there is no step", "as in cmd1=python train.py --config ${config}")
    return tuple(steps)


def _check_lines(section: SectionReader, entry: Entry) -> None:
    """Find options on a line of their own, which the shell would take for commands."""
    before = ""
    for line in entry.value.split("\n"):
        is_open = before.count("'") % 2 or before.count('"') % 2 or "<<" in before
        if _OPTION_LINE.match(line.lstrip()) and not is_open and not before.endswith("\\\n"):
            message = f"a line begins with {line.split()[0]}, which the shell runs as a command"
            section.fault(entry.key, message, "end the line above it with a backslash")
            return
        before += line + "\n"


def _read_files(section: SectionReader, reading: Reading, folder: Path) -> tuple[ConfigFile, ...]:
    files: list[ConfigFile] = []
    for entry in section.prefixed(_FILE_KEY):
        suffix = entry.key.removeprefix(_FILE_KEY)
        source, target = _read_paths(section, entry, reading, folder)
        if target in {str(folder / file.target) for file in files}:
            section.fault(entry.key, "two files go to the same place", "give each a place")
        file = ConfigFile(
            key=entry.key,
            source=source,
            target=target,
            line=entry.line,
            schema=section.text(f"schema{suffix}") or section.text("schema"),
            format=(section.word(f"format{suffix}") or section.word("format")).lower(),
        )
        files.append(file)
    section.finish([_FILE_KEY, "schema", "format"])
    reading.words.update({f"config{n}": (file.target,) for n, file in enumerate(files, start=1)})
    if len(files) == 1:
        reading.words["config"] = (files[0].target,)
    return tuple(files)


def _read_paths(
    section: SectionReader, entry: Entry, reading: Reading, folder: Path
) -> tuple[str, str]:
    """Source and target of `source,target`, or of `source` alone, both absolute."""
    source, _, target = (part.strip() for part in section.text(entry.key).partition(","))
    for path in (source, target):
        if "://" in path:
            message = f"config files are local files in this version, not {path}"
            section.fault(entry.key, message, "copy the file to this machine")
            return source, target
    file = folder / source
    if not file.is_file():
        names = [other.name for other in file.parent.glob("*") if other.is_file()]
        near = difflib.get_close_matches(file.name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"looked for {file}"
        section.fault(entry.key, f"there is no file {source}", hint)
    if not target:
        return str(file), str(Path(reading.words["NNI_OUTPUT_DIR"][0], file.name))
    goal = folder / target
    if target.endswith("/"):
        goal /= file.name
    if goal.resolve() == file.resolve():
        section.fault(entry.key, "the edited config would overwrite its source")
    elif not any(name in entry.value.partition(",")[2] for name in PER_TRIAL):
        message = "all trials would write their configs to the same place"
        hint = "put ${NNI_OUTPUT_DIR} or ${trial_id} into the target, or leave the target out"
        section.fault(entry.key, message, hint)
    return str(file), str(goal)


def _used_keys(names: set[str], substitutions: Substitutions) -> frozenset[str]:
    keys = (substitutions.keys_of(name) for name in names.difference(WHOLE_POINT))
    return frozenset().union(*keys)


def _line_of(problem: Problem) -> int:
    match = re.search(r":(\d+)", problem.where)
    return int(match[1]) if match else 0
