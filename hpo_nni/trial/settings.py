"""trial.ini as frozen settings: rendered, substituted, checked; every fault at once.

Relative paths are relative to the ini's folder, in which the commands run, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.errors import MissingExtraError, Problem, RegistryError, SettingsError
from hpo_nni.platforms.registry import NOT_YET, PLATFORMS
from hpo_nni.registry import did_you_mean
from hpo_nni.trial import day_settings, failure_settings, metric_settings, monitor, schedule
from hpo_nni.trial.accounts import ODPS, OSS, Accounts, read_accounts
from hpo_nni.trial.config_files import ConfigFile, read_files
from hpo_nni.trial.cost_settings import SECTION as COSTS
from hpo_nni.trial.cost_settings import CostSettings, check_costs, read_costs
from hpo_nni.trial.day_settings import DaySettings
from hpo_nni.trial.failure_settings import FailureSettings, read_failures
from hpo_nni.trial.ini import Ini, read_ini, read_text
from hpo_nni.trial.metric_settings import MetricSettings, Surroundings, read_metrics
from hpo_nni.trial.part import OLD_COMMAND
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.steps import MAXCOMPUTE, Filling, Step, days_of, read_steps
from hpo_nni.trial.substitutions import WHOLE_POINT, Substitutions, bare_name
from hpo_nni.trial.templates import asks_for_days, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hpo_nni.secrets import Secret
    from hpo_nni.trial.calendar import Calendar

__all__ = [
    "ConfigFile",
    "MetricSettings",
    "Step",
    "Substitutions",
    "TrialSettings",
    "load_settings",
]

_PLATFORM, _PARAMS, _OUTPUT = "platform_config", "params_config", "output_config"
_DEAF = "the trial command names days, and this file asks for none"
_DAYS_HINT = "as in: for day in date_list; also start_time, end_time and unit are known"
_OUTPUT_KEYS = ("model_path", "summary_path")
_OWN_SECTIONS = (
    _PLATFORM,
    metric_settings.SECTION,
    _PARAMS,
    _OUTPUT,
    OSS,
    ODPS,
    schedule.SECTION,
    monitor.SECTION,
    COSTS,
    failure_settings.SECTION,
    day_settings.SECTION,
)
_LATER_SECTIONS = {
    "dlc_config": "the platform DLC",
    "ts_config": "the platform TrainingService",
    "paiflow_config": "the platform PAIFlow",
}


@dataclass(frozen=True)
class TrialSettings:
    """What one trial is to do.

    Attributes:
        path: the ini.
        platform: a name of the table of platforms, in lower case.
        grace_seconds: from TERM to KILL; None for the platform's own.
        used_keys: keys of the search space whose own `${name}` stands somewhere in the ini.
        passes_point: whether the whole point is handed over, as `${tuner_params_json}` does.
        warnings: what is odd but allowed, each with its place.
        accounts: references to credentials, and where they are good for.
        mirror: a folder on this machine that gets copies of remote event files; may be empty.
        window: when jobs may start; None for always.
        monitor: where notices go; None for nowhere.
        costs: prices and budget.
        failures: what is done about those.
        resume: whether a trial goes on where an earlier one with its parameters failed.
        ini: the file itself, as it was rendered and before anything was substituted in it.
        days: what becomes of days that are missing or have failed.
    """

    path: Path
    platform: str
    steps: tuple[Step, ...]
    files: tuple[ConfigFile, ...]
    metrics: MetricSettings
    grace_seconds: float | None = None
    used_keys: frozenset[str] = frozenset()
    passes_point: bool = False
    warnings: tuple[str, ...] = ()
    accounts: Accounts = field(default_factory=Accounts)
    mirror: str = ""
    window: schedule.Window | None = None
    monitor: monitor.Monitor | None = None
    costs: CostSettings = field(default_factory=CostSettings)
    failures: FailureSettings = field(default_factory=FailureSettings)
    resume: bool = False
    ini: Ini = field(default_factory=lambda: Ini(""), compare=False, repr=False)
    days: DaySettings = field(default_factory=DaySettings)

    def day_sources(self) -> dict[str, str]:
        """The steps that are days, in their order, each with the metric source that is its own."""
        steps = [step.key for step in self.steps]
        return days_of(steps, [name for name, _ in self.metrics.sources])

    def secrets(self, environ: Mapping[str, str]) -> Iterator[Secret]:
        """All values that must not be shown.

        Raises:
            SettingsError: with every credential of an account that leads nowhere.
        """
        yield from self.accounts.secrets(environ)
        if self.monitor is not None:
            yield from self.monitor.secrets(environ)


def load_settings(
    path: Path, substitutions: Substitutions, *, calendar: Calendar | None = None
) -> TrialSettings:
    """Read, render, substitute and check a trial.ini.

    Args:
        path: the ini.
        substitutions: ids and point of the trial.
        calendar: the days that its command names; None where it names none.

    Raises:
        SettingsError: with every fault, each as `file:line [section] key`; a template that cannot
            be rendered hides the faults behind it.
    """
    path = path.absolute()
    text = read_text(path)
    ini = read_ini(render(text, path.name, calendar), path.name)
    if calendar is not None and not asks_for_days(text):
        ini.problems.append(Problem(path.name, _DEAF, _DAYS_HINT))
    known = substitutions.point is not None
    reading = Reading(ini, substitutions.words(), keys_are_known=known, problems=ini.problems)
    _check_sections(reading)
    _warn_of_hidden_keys(reading, substitutions)
    platform, output = SectionReader(reading, _PLATFORM), SectionReader(reading, _OUTPUT)
    accounts = read_accounts(reading, path.parent)
    name = _read_platform(platform, accounts)
    files = read_files(
        SectionReader(reading, _PARAMS),
        reading,
        path.parent,
        accounts,
        is_remote=name == MAXCOMPUTE,
    )
    days = SectionReader(reading, day_settings.SECTION)
    keys = [entry.key for entry in platform.prefixed("cmd")]
    links = day_settings.read_links(days, keys, path.parent, accounts)
    filling = Filling(name, len(files), substitutions.point or {})
    steps = read_steps(platform, reading, filling, links)
    costs = read_costs(reading, path.parent)
    check_costs(reading, costs, steps)
    metrics = read_metrics(
        SectionReader(reading, metric_settings.SECTION),
        Surroundings(
            steps=keys,
            folder=path.parent,
            accounts=accounts,
            is_remote=name == MAXCOMPUTE,
            has_tables=accounts.odps is not None,
        ),
    )
    sources = [source for source, _ in metrics.sources]
    policies = day_settings.read_policies(days, steps, sources, path.parent)
    grace = _read_grace(platform, name)
    _warn_of_idle_keys(output)
    window = schedule.read_window(SectionReader(reading, schedule.SECTION))
    webhook = monitor.read_monitor(reading, path.parent)
    failures = read_failures(SectionReader(reading, failure_settings.SECTION), path.parent)
    resume = platform.boolean("resume", default=False)
    settings = TrialSettings(
        path=path,
        platform=name,
        steps=steps,
        files=files,
        metrics=metrics,
        grace_seconds=grace,
        used_keys=_used_keys(reading.used, substitutions),
        passes_point=not reading.used.isdisjoint(WHOLE_POINT),
        warnings=tuple(reading.warnings),
        accounts=accounts,
        window=window,
        monitor=webhook,
        costs=costs,
        failures=failures,
        resume=resume,
        ini=ini,
        days=policies,
    )
    platform.finish(["name", "cmd1", "resume", "grace_seconds"])
    output.finish(_OUTPUT_KEYS)
    days.finish(day_settings.KEYS)
    if reading.problems:
        raise SettingsError(sorted(reading.problems, key=line_of))
    return settings


def _check_sections(reading: Reading) -> None:
    ini = reading.ini
    for name in (_PLATFORM, metric_settings.SECTION):
        if name not in ini.sections:
            near = did_you_mean(name, [found for found in ini.sections if found[:3] == name[:3]])
            reading.problems.append(Problem(ini.name, f"the section [{name}] is missing", near))
    for name, section in ini.sections.items():
        if name == OLD_COMMAND:
            message = f"[{name}] is of an older kind of settings file"
            hint = "such files run with run_begin.py; here the command is cmd1=PAI ..."
        elif name in _LATER_SECTIONS:
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


def _read_platform(section: SectionReader, accounts: Accounts) -> str:
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
    if name == MAXCOMPUTE and accounts.odps is None:
        section.fault(
            "name", f"{name} needs a section [{ODPS}]", "project_name, odps_endpoint, keys"
        )
    return name


def _read_grace(section: SectionReader, platform: str) -> float | None:
    grace = section.seconds("grace_seconds", 0.0)
    if "grace_seconds" not in section.entries:
        return None
    if platform == MAXCOMPUTE:
        section.fault("grace_seconds", "MaxCompute stops jobs in its own time", "leave it out")
    return grace


def _warn_of_idle_keys(output: SectionReader) -> None:
    """Keys of people's files that are read, and not acted upon in this version."""
    for key in _OUTPUT_KEYS:
        if output.text(key):
            output.warn(key, "this version does nothing with it yet")


def _used_keys(names: set[str], substitutions: Substitutions) -> frozenset[str]:
    keys = (substitutions.keys_of(name) for name in names.difference(WHOLE_POINT))
    return frozenset().union(*keys)


def line_of(problem: Problem) -> int:
    """The line in the ini that a problem is about; 0 where it is about none."""
    match = re.search(r":(\d+)", problem.where)
    return int(match[1]) if match else 0
