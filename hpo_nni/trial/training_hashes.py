"""What goes into the training of a day, as a hash that is the same wherever the same is trained.

The trial's own names and directories are not taken out of texts: its settings are read once more
under names that all trials share. The model that a day starts from is known when it begins, and
counts by the hash of its own day.
"""

from __future__ import annotations

import logging
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command
from hpo_nni.trial.steps import MAXCOMPUTE, METRIC_SOURCE, step_of
from hpo_nni.trial.versions import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hpo_nni.trial.files import PreparedFile
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.steps import Step
    from hpo_nni.trial.substitutions import Substitutions

logger = logging.getLogger(__name__)

_SHARED = "/dev/null"  # below it nothing can lie, so no path there is mistaken for a file
_START = f"{_SHARED}/start"
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\",;\]}]+")
_NO_FILES = ("http://", "https://", "odps://")
_GRANTS = ("buckets",)  # parameters of PAI that name a store, and nothing in it that is read


@dataclass(frozen=True)
class Rendered:
    """Settings and configs, as a trial of some name has them."""

    settings: TrialSettings
    files: Sequence[PreparedFile]


@dataclass(frozen=True)
class Work:
    """What one day takes, as far as the settings say.

    Attributes:
        digest: of its command, its configs and where it runs.
        places: what goes in from outside the settings: what lies there is looked at when it begins.
        source: the metric source that is complete when the day has ended; empty for none.
        measured: of how that is read; empty for none.
    """

    digest: str
    places: tuple[str, ...]
    source: str
    measured: str

    def hash(self, start: str, inputs: Mapping[str, str]) -> str:
        """The name of its training.

        Args:
            start: the hash of the day that it starts from, or place and version of a model.
            inputs: the versions of what lies at its places.
        """
        return digest([self.digest, start, dict(inputs)])


def shared_names(own: Substitutions) -> Substitutions:
    """The names under which all trials' settings are hashed."""
    return replace(
        own,
        experiment_id="experiment",
        trial_id="trial",
        output_directory=Path(_SHARED, "trial"),
    )


def works_of(own: Rendered, shared: Rendered) -> dict[str, Work]:
    """What each day of a trial takes, by the key of its step.

    Args:
        own: under the trial's names.
        shared: under `shared_names`.

    Raises:
        SettingsError: a command cannot be written.
    """
    found: dict[str, Work] = {}
    before: list[str] = []  # what runs in each trial: days may read what it leaves
    read_before: list[str] = []
    for step, other in zip(own.settings.steps, shared.settings.steps, strict=True):
        plain = other.started_from(_START)
        is_remote = own.settings.platform == MAXCOMPUTE
        name = digest(
            {
                "platform": own.settings.platform,
                "folder": "" if is_remote else str(own.settings.path.parent),
                "command": plain.command,
                "configs": _configs(plain, shared),
                "before": before,
            }
        )
        places = [*read_before, *_inputs(step, plain, own.settings)]
        if not step.link.model or _is_named_by_others(other, shared):
            before, read_before = [*before, name], places
            continue
        source = _source_of(step, own.settings)
        measured = _measured(source, shared.settings)
        found[step.key] = Work(name, tuple(dict.fromkeys(places)), source, measured)
    return found


def _is_named_by_others(step: Step, shared: Rendered) -> bool:
    """Whether something reads a day's model where this trial would have put it.

    What goes on from the model does not count, for it can be led to another place.
    """
    others = [one.started_from(_START).command for one in shared.settings.steps if one != step]
    texts = [*others, *(file.text for file in shared.files)]
    place = re.compile(rf"{re.escape(step.link.model)}(?![\w.-])")
    found = any(place.search(text) for text in texts)
    if found:
        logger.info("%s is trained by each trial: others name its model's place", step.key)
    return found


def _source_of(step: Step, settings: TrialSettings) -> str:
    names = [name for name, _ in settings.metrics.sources]
    keys = [one.key for one in settings.steps]
    if len(keys) == len(names) == 1:
        return names[0]
    found = [name for name in names if step_of(name.removeprefix(METRIC_SOURCE), keys) == step.key]
    return found[0] if found else ""


def _configs(step: Step, shared: Rendered) -> list[str]:
    """The edited configs that a step reads: those it names, and those that no step names."""
    commands = [one.command for one in shared.settings.steps]
    return [
        file.text
        for file in shared.files
        if file.target in step.command or not any(file.target in text for text in commands)
    ]


def _measured(source: str, shared: TrialSettings) -> str:
    if not source:
        return ""
    metrics = shared.metrics
    place = dict(metrics.sources)[source]
    return digest([metrics.kind, place, metrics.step_key, metrics.step_regex])


def _inputs(step: Step, plain: Step, settings: TrialSettings) -> list[str]:
    """What a step reads from outside: what it names under its own names and the shared ones."""
    folder = settings.path.parent
    named = _named_remotely if settings.platform == MAXCOMPUTE else _named_here
    shared = {*named(plain.command, folder), *plain.link.data}
    places = [place for place in (*named(step.command, folder), *step.link.data) if place in shared]
    return list(dict.fromkeys([*places, *settings.days.code]))


def _named_remotely(command: str, _: Path) -> Iterator[str]:
    """Objects that a `PAI` command or a statement names; its tables are among its data."""
    texts: Sequence[str] = [command]
    if is_pai_command(command):
        parameters = parse_pai_command(command).parameters
        texts = [text for name, text in parameters.items() if name not in _GRANTS]
    for text in texts:
        yield from (uri for uri in _URI.findall(text) if not uri.startswith(_NO_FILES))


def _named_here(command: str, folder: Path) -> Iterator[str]:
    """Files and folders that a shell command names, and the modules beside a script."""
    for word in _words(command):
        for text in dict.fromkeys([word, word.partition("=")[2]]):
            path = _existing(folder / text) if text and "://" not in text else None
            if path is not None and path not in _around(folder):
                yield text
                if path.suffix == ".py":
                    siblings = sorted(path.parent.glob("*.py"))
                    yield from (str(one) for one in siblings if one != path)


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a here-document may have one quote
        return command.split()


def _existing(path: Path) -> Path | None:
    try:
        return path.resolve() if path.exists() else None
    except (OSError, ValueError):  # too long for a path, or a NUL in it
        return None


def _around(folder: Path) -> list[Path]:
    """What every trial writes into: the folder of the settings and all above it."""
    whole = folder.resolve()
    return [whole, *whole.parents]
