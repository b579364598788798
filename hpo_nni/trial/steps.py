"""The steps of a trial: `cmd*` of `[platform_config]`, in the language of the platform.

On this machine a step is a shell command. MaxCompute takes `PAI` commands and SQL; a `PAI` command
is read before anything is substituted in it, so that no value can become an option.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpo_nni.errors import CommandSyntaxError, ValueMismatchError
from hpo_nni.platforms.maxcompute_edits import PARAMETER, with_edits
from hpo_nni.platforms.pai_command import (
    format_pai_command,
    is_pai_command,
    parse_pai_command,
)
from hpo_nni.trial.shell import fill_command, fill_sql, fill_text
from hpo_nni.trial.substitutions import PER_TRIAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.sections import Reading, SectionReader

MAXCOMPUTE = "maxcompute"
_WHOLE_POINT = "${tuner_params_json}"
_OPTION_LINE = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True)
class Step:
    """One command of a trial; steps run in the order of the file.

    Attributes:
        fingerprint: the same for two runs in which the step does the same; empty before the
            configs are edited.
        is_settled: whether an earlier run of the trial has done it.
    """

    key: str
    command: str
    line: int
    fingerprint: str = ""
    is_settled: bool = False


def read_steps(
    section: SectionReader,
    reading: Reading,
    platform: str,
    *,
    files: int,
    point: Mapping[str, Any] | None,
) -> tuple[Step, ...]:
    """Read all steps; faults go to the section.

    Args:
        section: reads `[platform_config]`.
        reading: of the whole file.
        platform: its name, in lower case.
        files: how many `[params_config]` has.
        point: the trial's, as far as it is known.
    """
    steps = []
    for entry in section.prefixed("cmd"):
        if platform == MAXCOMPUTE:
            command = _fill_for_maxcompute(section, entry, reading, point or {})
        else:
            command = _fill_for_shell(section, entry, reading, files)
        if not command:
            section.fault(entry.key, "the command is empty")
        steps.append(Step(entry.key, command, entry.line))
    if not steps:
        section.fault("", "there is no step", "as in cmd1=python train.py --config ${config}")
    return tuple(steps)


def point_in_edits(point: Mapping[str, Any]) -> dict[str, Any]:
    """What of a point is a key path; a `${name}` is substituted somewhere instead."""
    return {key: value for key, value in point.items() if not key.startswith("${")}


def _fill_for_shell(section: SectionReader, entry: Entry, reading: Reading, files: int) -> str:
    filled = fill_command(entry.value, reading.words)
    command = section.fill(entry, filled, in_shell=True)
    if "config" in filled.unknown and "config=" not in command:
        names = ", ".join(f"${{config{number + 1}}}" for number in range(files))
        message = f"[params_config] has {files} files, so there is no ${{config}}"
        section.fault(entry.key, message, names and f"write one of {names}")
    _check_lines(section, entry)
    for name in filled.unknown:
        near = difflib.get_close_matches(name, reading.words, n=1, cutoff=0.8)
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
    section: SectionReader, entry: Entry, reading: Reading, point: Mapping[str, Any]
) -> str:
    if not is_pai_command(entry.value):
        return section.fill(entry, fill_sql(entry.value, reading.words))
    try:
        xflow = parse_pai_command(entry.value)
        _check_model_directory(section, entry, xflow)
        edits = xflow.parameters.get(PARAMETER, "").strip()
        if edits == _WHOLE_POINT:
            reading.used.add("tuner_params_json")
            xflow = replace(xflow, parameters={**xflow.parameters, PARAMETER: ""})
        xflow = _fill_parameters(section, entry, reading, xflow)
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
    if not any(name in directory for name in PER_TRIAL):
        message = f"all trials would write to the same -Dmodel_dir={directory}"
        section.fault(entry.key, message, "put ${exp_id}_${trial_id} at its end")


def _fill_parameters(section: SectionReader, entry: Entry, reading: Reading, xflow: XFlow) -> XFlow:
    parameters = {
        name: section.fill(entry, fill_text(value, reading.words))
        for name, value in xflow.parameters.items()
    }
    return replace(xflow, parameters=parameters)
