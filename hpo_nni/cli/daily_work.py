"""The work of a day, on the real thing: the sweep under NNI, the walks, the files."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.cli.check import Check
from hpo_nni.cli.experiment_file import ALGORITHMS, ExperimentFile
from hpo_nni.cli.run import conduct
from hpo_nni.daily.arrival import Arrival
from hpo_nni.daily.holdout import Holdout
from hpo_nni.daily.results import evidence, write_results
from hpo_nni.dialects.commands import loader_of
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.nni_api.launch import LaunchOptions, kept_in
from hpo_nni.stores.local import LocalStore
from hpo_nni.trial.accounts import Accounts, load_accounts
from hpo_nni.trial.calendar import with_calendar
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.shutdown import Interrupted
from hpo_nni.trial.substitutions import Substitutions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.daily.holdout import Contender, Scores
    from hpo_nni.daily.project_file import Project
    from hpo_nni.daily.window import Window
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import DailyRunRecord
    from hpo_nni.trial.calendar import Calendar
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.shutdown import Shutdown

_OURS = ("hpo_nni.trial", "run_finetune.py")


@dataclass(frozen=True)
class Plan:
    """A project with the files that it points at.

    Attributes:
        file: NNI's config.
        ini: the trials' settings file; None where the trial command names none.
        arrival: looks for the data.
    """

    project: Project
    file: ExperimentFile
    ini: Path | None
    arrival: Arrival

    @classmethod
    def read(cls, project: Project) -> Plan:
        """Read what the project's file points at, as far as every call needs it."""
        file = ExperimentFile.read(project.experiment)
        command = str(file.content.get("trialCommand") or "")
        ini = settings_file(command, file.code_directory)
        accounts = load_accounts(ini) if ini is not None and ini.is_file() else Accounts()
        arrival = Arrival(project.wait_for, project.folder, accounts)
        problems = list(arrival.faults(project.where("wait", "for")))
        if problems:
            raise SettingsError(problems)
        return cls(project, file, ini, arrival)

    @property
    def name(self) -> str:
        """The project's, which is the experiment's where its own file does not say."""
        return self.project.name or str(self.file.content.get("experimentName") or "daily")

    @property
    def command(self) -> str:
        """What runs a trial."""
        return str(self.file.content.get("trialCommand") or "")

    @cached_property
    def working_directory(self) -> Path:
        """Where NNI and the ledger keep all sweeps."""
        return kept_in(self.project.experiment)

    def settings(self, calendar: Calendar) -> TrialSettings:
        """The trials' settings, for some days."""
        assert self.ini is not None, "`check` comes first"
        command = with_calendar(self.command, calendar)
        return loader_of(command, self.ini)(self.ini, Substitutions())

    def check(self, window: Window) -> None:
        """Raise SettingsError with all that the experiment's files lack for this."""
        check = Check(self.project.experiment, command=with_calendar(self.command, window.tuned_on))
        check.run()
        where = self.file.where("trialCommand")
        check.problems += _command_faults(self.command, where)
        if not check.problems:
            check.problems += _day_faults(self.settings(window.whole), window)
        check.conclude()
        if check.credentials:
            raise SettingsError(check.credentials)

    def config(self, window: Window) -> str:
        """NNI's config for the sweep of a day, good from any folder."""
        content = {key: value for key, value in self.file.content.items() if value is not None}
        if "searchSpaceFile" in content:
            space = Path(str(content["searchSpaceFile"])).expanduser()
            content["searchSpaceFile"] = str((self.file.folder / space).resolve())
        for kind in ALGORITHMS:
            algorithm = dict(self.file.algorithm(kind))
            if "codeDirectory" in algorithm:
                folder = Path(str(algorithm["codeDirectory"])).expanduser()
                algorithm["codeDirectory"] = str((self.file.folder / folder).resolve())
            content |= {kind: algorithm} if algorithm else {}
        content |= {
            "experimentName": self.name,
            "trialCommand": with_calendar(self.command, window.tuned_on),
            "trialCodeDirectory": str(self.file.code_directory.resolve()),
            "experimentWorkingDirectory": str(self.working_directory),
            "maxTrialNumber": self.project.trials,
        }
        if self.project.hours is not None:
            content["maxExperimentDuration"] = f"{round(self.project.hours * 3600)}s"
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class SweepAndWalk:
    """As `hpo_nni.daily.day.Work` says."""

    project: Project
    plan: Plan
    window: Window
    folder: Path
    ledger: Ledger
    shutdown: Shutdown

    def missing(self) -> Sequence[str]:
        """See Work."""
        days, pause = self.window.whole, self.shutdown.pause
        return self.plan.arrival.missing(days, self.window.newest, pause)

    def pause(self, seconds: float) -> None:
        """See Work."""
        self.shutdown.pause(seconds)

    def sweep(self, experiment_id: str, announce: Callable[[str], None]) -> None:
        """See Work."""
        config = self.folder / "config.yml"
        LocalStore().write_text(str(config), self.plan.config(self.window))
        options = LaunchOptions(
            max_trials=self.project.trials,
            resume=experiment_id,
            announce=lambda new_id, _: announce(new_id),
        )
        done = conduct(config, options)
        done.ledger.close()
        if done.interrupted:
            raise Interrupted
        if done.fault or done.pause:
            raise HpoNniError(
                f"the sweep {done.experiment.id} did not come to its end: "
                f"{done.fault or done.pause}"
            )

    def walk(self, experiment_id: str, contenders: Sequence[Contender]) -> Mapping[str, Scores]:
        """See Work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.plan.settings(self.window.whole)
        holdout = Holdout(
            ledger=self.ledger,
            window=self.window,
            command=self.plan.command,
            directory=self.plan.file.code_directory,
            sources=[name for name, _ in settings.metrics.sources],
            working_directory=self.plan.working_directory,
            folder=self.folder,
            abreast=int(self.plan.file.content.get("trialConcurrency") or 1),
            shutdown=self.shutdown,
        )
        return holdout.walk(experiment_id, contenders)

    def publish(self, run: DailyRunRecord) -> None:
        """See Work."""
        files = write_results(self.folder, run, self.plan.settings(self.window.whole))
        facts: dict[str, Any] = {**evidence(run), "files": files}
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        LocalStore().write_text(str(self.folder / "verdict.json"), text)


def _command_faults(command: str, where: str) -> list[Problem]:
    """Why days cannot be filled into a trial command."""
    try:
        words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:
        return []  # an open quote, which `check` tells of
    if not any(Path(word).name in _OURS for word in words):
        hint = "as in: python3 -m hpo_nni.trial --config=./trial.ini"
        return [Problem(where, "it takes no days, so no day can be filled in", hint)]
    if any(word in {";", "|", "||", "&", ">", ">>", "<"} for word in words):
        message = "it is more than one command, so days cannot be put at its end"
        return [Problem(where, message, "put what else there is into a script of its own")]
    return []


def _day_faults(settings: TrialSettings, window: Window) -> list[Problem]:
    """What of the settings does not follow the days."""
    names = [name for name, _ in settings.metrics.sources]
    days = window.whole
    wanted = [days.name(day) for day in days.days()]
    lacking = [day for day in wanted if not any(name.endswith(f"_{day}") for name in names)]
    if not lacking:
        return []
    message = f"no metric source is called by the day {lacking[0]}, so it would have no score"
    hint = "as in metric_source_{{ day }}=..., for each day in date_list"
    return [Problem(f"{settings.path.name} [metric_config]", message, hint)]
