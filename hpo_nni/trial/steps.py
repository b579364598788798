"""The steps of a trial: `cmd*` of `[platform_config]`, in the language of the platform.

On this machine a step is a shell command. MaxCompute takes `PAI` commands and SQL; a `PAI` command
is read before anything is substituted in it, so that no value can become an option.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hpo_nni.errors import CommandSyntaxError, SettingsError, ValueMismatchError
from hpo_nni.platforms.maxcompute_edits import PARAMETER, with_edits
from hpo_nni.platforms.maxcompute_models import checkpoint_of, with_checkpoint
from hpo_nni.platforms.maxcompute_tables import input_tables
from hpo_nni.platforms.pai_command import (
    format_pai_command,
    is_pai_command,
    parse_pai_command,
)
from hpo_nni.trial.shell import fill_command, fill_sql, fill_text
from hpo_nni.trial.substitutions import PER_TRIAL, bare_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.sections import Reading, SectionReader

    Words = Mapping[str, tuple[str, ...]]

MAXCOMPUTE = "maxcompute"
METRIC_SOURCE = "metric_source"  # what the keys of all sources begin with
_WHOLE_POINT = "${tuner_params_json}"
_DAY_START, _DAY_MODEL = "${day_start}", "${day_model}"
_OPTION_LINE = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True)
class Link:
    """What a step needs, starts from and makes, as far as the settings say.

    Attributes:
        data: what it is trained and evaluated on: absolute paths, URIs, tables as
            `odps://project/tables/name/dt=1`.
        start: the model that it goes on from, as its command names it; may be empty.
        model: where its own goes; may be empty.
    """

    data: tuple[str, ...] = ()
    start: str = ""
    model: str = ""


@dataclass(frozen=True)
class Filling:
    """What commands are filled by, beside the words that all keys know.

    Attributes:
        platform: its name, in lower case.
        files: how many `[params_config]` has.
        point: the trial's, as far as it is known.
    """

    platform: str
    files: int
    point: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One command of a trial; steps run in the order of the file.

    Attributes:
        link: what it needs, starts from and makes.
        refill: gives the command for another model to start from; None where it names none.
        fingerprint: the same for two runs in which the step does the same; empty before the
            configs are edited.
        is_settled: whether an earlier run of the trial has done it.
    """

    key: str
    command: str
    line: int
    fingerprint: str = ""
    is_settled: bool = False
    link: Link = Link()
    refill: Callable[[str], str] | None = field(default=None, compare=False, repr=False)

    def started_from(self, model: str) -> Step:
        """The same step, going on from another model than its command names.

        Raises:
            SettingsError: the model's name cannot stand in the command.
        """
        if self.refill is None or model == self.link.start:
            return self
        return replace(self, command=self.refill(model), link=replace(self.link, start=model))


def step_of(end: str, steps: Sequence[str]) -> str:
    """The one step whose key ends so, with an underscore first; empty where none or several do.

    >>> step_of("_20220617", ["cmd1_20220617", "cmd1_20220618"])
    'cmd1_20220617'
    >>> step_of("2", ["cmd1", "cmd2"])
    ''
    """
    found = [step for step in steps if end.startswith("_") and step.endswith(end)]
    return found[0] if len(found) == 1 else ""


def days_of(steps: Sequence[str], sources: Sequence[str]) -> dict[str, str]:
    """The steps that are days, in their order, each with the metric source that is its own.

    >>> days_of(["cmd0", "cmd_1", "cmd_2"], ["metric_source_1", "metric_source_2"])
    {'cmd_1': 'metric_source_1', 'cmd_2': 'metric_source_2'}
    """
    if len(sources) == 1:
        return {}
    owners = {step_of(name.removeprefix(METRIC_SOURCE), steps): name for name in sources}
    return {step: owners[step] for step in steps if step in owners}


def read_steps(
    section: SectionReader,
    reading: Reading,
    filling: Filling,
    links: Mapping[str, Link],
) -> tuple[Step, ...]:
    """Read all steps; faults go to the section.

    Args:
        section: reads `[platform_config]`.
        reading: of the whole file.
        filling: what commands are filled by.
        links: what steps need, start from and make, by their keys.
    """
    steps = []
    for entry in section.prefixed("cmd"):
        link = links.get(entry.key, Link())
        _check_link(section, entry, link)
        fill = functools.partial(_fill, section, entry, reading, filling)
        command = fill(link)
        if not command:
            section.fault(entry.key, "the command is empty")
        refill = functools.partial(_refill, reading, fill, link) if link.model else None
        steps.append(linked(Step(entry.key, command, entry.line, link=link, refill=refill)))
    if not steps:
        section.fault("", "there is no step", "as in cmd1=python train.py --config ${config}")
    return tuple(steps)


def linked(step: Step) -> Step:
    """The step with what its `PAI` command says: the tables that it reads, and its models.

    Models are known of commands that go on from one; other commands, and faulty ones, say nothing.
    """
    if not is_pai_command(step.command):
        return step
    try:
        xflow = parse_pai_command(step.command)
        start = checkpoint_of(xflow.parameters)
    except CommandSyntaxError:
        return step
    link = replace(step.link, data=(*step.link.data, *map(str, input_tables(xflow.parameters))))
    if link.model or not start:
        return replace(step, link=link)
    model = xflow.parameters.get("model_dir", "").rstrip("/")
    link = replace(link, start=start.rstrip("/"), model=model)
    return replace(step, link=link, refill=functools.partial(_begun_at, xflow))


def _begun_at(xflow: XFlow, model: str) -> str:
    return format_pai_command(with_checkpoint(xflow, model))


def _check_link(section: SectionReader, entry: Entry, link: Link) -> None:
    """Whether the command takes the names of models from where they stand once."""
    if link.model and _DAY_START not in entry.value:
        message = f"it does not hold {_DAY_START}, so it would not go on from the day before"
        section.fault(entry.key, message, f'as in --init_from "{_DAY_START}"')
    for word in (_DAY_START, _DAY_MODEL):
        if word in entry.value and not link.model:
            message = f"{word} is known where [day_config] says where this step's model goes"
            section.fault(entry.key, message, "as in model_20220617 for cmd_20220617")


def _fill(
    section: SectionReader, entry: Entry, reading: Reading, filling: Filling, link: Link
) -> str:
    words = dict(reading.words)
    if link.model:
        words |= {bare_name(_DAY_START): (link.start,), bare_name(_DAY_MODEL): (link.model,)}
    if filling.platform == MAXCOMPUTE:
        return _fill_for_maxcompute(section, entry, reading, words, filling.point)
    return _fill_for_shell(section, entry, words, filling.files)


def _refill(reading: Reading, fill: Callable[[Link], str], link: Link, start: str) -> str:
    before = len(reading.problems)
    command = fill(replace(link, start=start))
    if len(reading.problems) > before:
        raise SettingsError(reading.problems[before:])
    return command


def point_in_edits(point: Mapping[str, Any]) -> dict[str, Any]:
    """What of a point is a key path; a `${name}` is substituted somewhere instead."""
    return {key: value for key, value in point.items() if not key.startswith("${")}


def _fill_for_shell(section: SectionReader, entry: Entry, words: Words, files: int) -> str:
    filled = fill_command(entry.value, words)
    command = section.fill(entry, filled, in_shell=True)
    if "config" in filled.unknown and "config=" not in command:
        names = ", ".join(f"${{config{number + 1}}}" for number in range(files))
        message = f"[params_config] has {files} files, so there is no ${{config}}"
        section.fault(entry.key, message, names and f"write one of {names}")
    _check_lines(section, entry)
    for name in filled.unknown:
        near = difflib.get_close_matches(name, words, n=1, cutoff=0.8)
        if near:
            message = f"${{{name}}} is left to the shell; did you mean ${{{near[0]}}}?"
            section.warn(entry.key, message)
    return command


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


def _fill_for_maxcompute(
    section: SectionReader,
    entry: Entry,
    reading: Reading,
    words: Words,
    point: Mapping[str, Any],
) -> str:
    if not is_pai_command(entry.value):
        return section.fill(entry, fill_sql(entry.value, words))
    try:
        xflow = parse_pai_command(entry.value)
        _check_model_directory(section, entry, xflow)
        edits = xflow.parameters.get(PARAMETER, "").strip()
        if edits == _WHOLE_POINT:
            reading.used.add("tuner_params_json")
            xflow = replace(xflow, parameters={**xflow.parameters, PARAMETER: ""})
        xflow = _fill_parameters(section, entry, words, xflow)
        if edits == _WHOLE_POINT:
            xflow = with_edits(xflow, point_in_edits(point))
    except (CommandSyntaxError, ValueMismatchError) as error:
        section.fault(entry.key, error.message, error.hint)
        return entry.value
    given = {name: value for name, value in xflow.parameters.items() if value or name != PARAMETER}
    return format_pai_command(replace(xflow, parameters=given))


def _check_model_directory(section: SectionReader, entry: Entry, xflow: XFlow) -> None:
    """A trial that finds another one's checkpoint continues from it, and says nothing."""
    directory = xflow.parameters.get("model_dir", "${trial_id}")
    if not any(name in directory for name in (*PER_TRIAL, _DAY_MODEL)):
        message = f"all trials would write to the same -Dmodel_dir={directory}"
        section.fault(entry.key, message, "put ${exp_id}_${trial_id} at its end")


def _fill_parameters(section: SectionReader, entry: Entry, words: Words, xflow: XFlow) -> XFlow:
    parameters = {
        name: section.fill(entry, fill_text(value, words))
        for name, value in xflow.parameters.items()
    }
    return replace(xflow, parameters=parameters)
