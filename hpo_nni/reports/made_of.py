"""What an experiment was made of, read from what the ledger noted of it; its files are not asked.

What was not noted is None here: who shows it says so, and guesses nothing.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo_nni.dialects.easyrec_finetune import finetune_arguments
from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import InputKind
from hpo_nni.reports.commands import Part, parts_of
from hpo_nni.reports.days import days_in, without_days
from hpo_nni.trial.calendar import calendar_arguments, calendar_of
from hpo_nni.trial.part import OLD_COMMAND
from hpo_nni.trial.steps import MAXCOMPUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, InputRecord

_PLATFORM, _METRICS = "platform_config", "metric_config"
_SOURCE = "metric_source"
_FOLDERS = frozenset({"codeDirectory", "trialCodeDirectory"})  # where it lay, not what it was


@dataclass(frozen=True)
class MadeOf:
    """One experiment's inputs.

    Attributes:
        inputs: as the ledger has them, the oldest first.
    """

    experiment: ExperimentRecord
    inputs: tuple[InputRecord, ...] = field(repr=False)

    @classmethod
    def read(cls, ledger: Ledger, experiment: ExperimentRecord) -> MadeOf:
        """Read it from a ledger."""
        return cls(experiment, tuple(ledger.inputs(experiment.id)))

    def newest(self, kind: InputKind, name: str | None = None) -> InputRecord | None:
        """The last version of an input; None where none was noted."""
        found = [one for one in self.inputs if one.kind is kind and name in {None, one.name}]
        return found[-1] if found else None

    def versions(self, kind: InputKind, name: str | None = None) -> int:
        """How many versions of an input there were."""
        return sum(one.kind is kind and name in {None, one.name} for one in self.inputs)

    @property
    def configs(self) -> dict[str, InputRecord]:
        """The last version of each base config, by its path."""
        return {one.name: one for one in self.inputs if one.kind is InputKind.CONFIG}

    @cached_property
    def sections(self) -> Mapping[str, Mapping[str, str]] | None:
        """The settings file: section -> key -> text."""
        found: Mapping[str, Mapping[str, str]] | None = self._json(InputKind.SETTINGS)
        return found

    @cached_property
    def nni(self) -> Mapping[str, Any] | None:
        """What NNI's config says, without the command."""
        recorded = self._json(InputKind.EXPERIMENT)
        if recorded is None:
            return None
        return {
            key: _without_folders(value)
            for key, value in recorded.items()
            if key not in {"trialCommand", "nni"}
        }

    @cached_property
    def code(self) -> Mapping[str, Any] | None:
        """Versions and digests of code."""
        recorded = self._json(InputKind.CODE)
        if recorded is None:
            return None
        nni = (self._json(InputKind.EXPERIMENT) or {}).get("nni")
        files = recorded.pop("files")
        return {**({} if nni is None else {"nni": nni}), **recorded, **files}

    @property
    def trial_command(self) -> str | None:
        """As users wrote it, where that was noted, else as the first trial's process has it."""
        recorded = self._json(InputKind.EXPERIMENT)
        if recorded and recorded.get("trialCommand"):
            return str(recorded["trialCommand"])
        command = self.newest(InputKind.COMMAND)
        return None if command is None else command.text

    @cached_property
    def command(self) -> dict[str, str] | None:
        """What is run, without what it reads: the trial's command, and each step's by its words."""
        if self.trial_command is None or self.sections is None:
            return None
        trial = " ".join(_without_calendar(self.trial_command))
        return {"trialCommand": trial} | {
            label: " | ".join(values) for label, values in self._parts(is_data=False).items()
        }

    @cached_property
    def data(self) -> dict[str, str] | None:
        """What is read, by option and metric source, with `{day}` for days."""
        if self.sections is None:
            return None
        found = self._parts(is_data=True)
        for key, text in self._entries(_METRICS, _SOURCE):
            found.setdefault(without_days(key), {})[without_days(text)] = None
        return {label: " | ".join(values) for label, values in found.items()}

    @cached_property
    def days(self) -> list[str]:
        """The days that commands, metric sources or the trial's command name, in order."""
        entries = [*self._entries(_PLATFORM, "cmd"), *self._entries(OLD_COMMAND, "-")]
        entries += self._entries(_METRICS, _SOURCE)
        texts = [word for entry in entries for word in entry]
        named = {day for text in texts for day in days_in(text)}
        return sorted(named | set(self._calendar()))

    @cached_property
    def settings(self) -> dict[str, Any] | None:
        """What else the settings file says: weights, policies, budgets."""
        if self.sections is None:
            return None
        found: dict[str, Any] = {}
        for section, entries in self.sections.items():
            is_old_metric = section == _METRICS and "metric_dict" not in entries
            for key, text in entries.items():
                if not (section == OLD_COMMAND or is_old_metric or _is_elsewhere(section, key)):
                    found[f"[{section}] {without_days(key)}"] = without_days(text)
        score = self.experiment.settings.get("score")
        if score:
            found["score"] = score
        found["optimize_mode"] = self.experiment.direction
        return found

    def _parts(self, *, is_data: bool) -> dict[str, dict[str, None]]:
        """Values by label, each once: the steps of all days say mostly the same."""
        found: dict[str, dict[str, None]] = {}
        for key, parts in self._steps():
            plain = [part for part in parts if part.is_data is is_data]
            for part in plain:
                if part.label or is_data:
                    found.setdefault(part.label or "files", {})[part.value] = None
            words = " ".join(part.value for part in plain if not part.label)
            if words and not is_data:
                found.setdefault(without_days(key), {})[words] = None
        return found

    def _steps(self) -> Iterator[tuple[str, list[Part]]]:
        is_sql = (self.sections or {}).get(_PLATFORM, {}).get("name", "").lower() == MAXCOMPUTE
        for key, text in self._entries(_PLATFORM, "cmd"):
            yield key, parts_of(text, is_sql=is_sql)
        options = self._entries(OLD_COMMAND, "-")
        yield "PAI", [Part(key, without_days(text)) for key, text in options]

    def _entries(self, section: str, prefix: str) -> list[tuple[str, str]]:
        entries = (self.sections or {}).get(section, {})
        return [(key, text) for key, text in entries.items() if key.startswith(prefix)]

    def _calendar(self) -> list[str]:
        """The days between `--start_time` and `--end_time` of the trial's command."""
        command = self.trial_command or ""
        try:
            arguments = finetune_arguments(command) or calendar_arguments(shlex.split(command))
            calendar = calendar_of(arguments)
        except (HpoNniError, ValueError):  # such a trial never ran
            return []
        return [] if calendar is None else [calendar.name(day) for day in calendar.days()]

    def _json(self, kind: InputKind) -> Any:
        recorded = self.newest(kind)
        return None if recorded is None or recorded.text is None else json.loads(recorded.text)


def _is_elsewhere(section: str, key: str) -> bool:
    """Whether what a key says is compared under another head."""
    starts = {_PLATFORM: ("cmd",), _METRICS: (_SOURCE, "metric_dict")}
    return key.startswith(starts.get(section, ("\0",)))


def _without_calendar(command: str) -> list[str]:
    """The words of a command, without the days that it names, which are compared as data."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    days = ("--start_time", "--end_time", "--unit")
    behind = {at + 1 for at, word in enumerate(words) if word in days}
    return [
        word
        for at, word in enumerate(words)
        if at not in behind and word.partition("=")[0] not in days
    ]


def _without_folders(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key not in _FOLDERS}
