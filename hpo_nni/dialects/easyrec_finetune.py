r"""The daily finetuning of PAI-NNI-HPO: one trial trains day after day, each from the day before.

    python3 ./run_finetune.py --config=./config_finetune.ini --exp_dir=../exp \
        --start_time=2022-06-17 --end_time=2022-06-18

The file is that of `run_begin.py`, with `{bizdate}`, `{predate}` and `{eval_ymd}` in it. Each day
is one step of the trial and one metric source, so each gives one intermediate result, and the score
is the mean over the days. The first day starts from the checkpoint that the file names, each later
one from its predecessor's model of the same trial.
"""

from __future__ import annotations

import functools
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.dialects.easyrec import (
    check_options,
    check_sections,
    read_failures_and_resume,
    read_metrics,
)
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.platforms.maxcompute_edits import PARAMETER, read_edits, with_edits, write_edits
from hpo_nni.platforms.maxcompute_models import EDITED_CHECKPOINT as CHECKPOINT
from hpo_nni.platforms.pai_command import format_pai_command, xflow_from_pairs
from hpo_nni.trial import day_settings
from hpo_nni.trial import settings as newer
from hpo_nni.trial.accounts import read_accounts
from hpo_nni.trial.calendar import Calendar, Unit, add_calendar, calendar_arguments
from hpo_nni.trial.cost_settings import check_costs, read_costs
from hpo_nni.trial.entry import execute, new_parser
from hpo_nni.trial.ini import read_ini, read_text, split_lines
from hpo_nni.trial.metric_settings import SECTION
from hpo_nni.trial.part import OLD_COMMAND
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.settings import TrialSettings
from hpo_nni.trial.steps import MAXCOMPUTE, Step, linked, point_in_edits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.substitutions import Substitutions

SCRIPT = "run_finetune.py"
_DOCUMENTED = {"first": "2022-05-30", "last": "2022-06-17"}  # days where a command names none
_ANY = Calendar.parse("2001-01-31", "2001-02-01", Unit.DAY)  # where the days are not known
_MODEL, _EDITS = "-Dmodel_dir", f"-D{PARAMETER}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trial, as `run_finetune.py`; exit codes are those of `python -m hpo_nni.trial`."""
    parser = new_parser(SCRIPT)
    add_calendar(parser, **_DOCUMENTED)
    parser.add_argument(
        "--exp_dir",
        default="../exp",
        help="copies of event files go to EXP_DIR/<experiment>_<trial>, for TensorBoard",
    )
    arguments = parser.parse_args(argv)
    load = functools.partial(load_finetune, arguments=arguments, exp_dir=arguments.exp_dir)
    return execute(arguments, load)


def finetune_arguments(trial_command: str) -> argparse.Namespace | None:
    """The days that a trial command names; None if it is not one of `run_finetune.py`."""
    try:
        words = shlex.split(trial_command)
    except ValueError:
        return None
    if not any(Path(word).name == SCRIPT for word in words):
        return None
    return calendar_arguments(words, **_DOCUMENTED)


def load_finetune(
    path: Path, substitutions: Substitutions, *, arguments: argparse.Namespace, exp_dir: str = ""
) -> TrialSettings:
    """Read a `config_finetune.ini`.

    Args:
        path: the ini.
        substitutions: ids and point of the trial.
        arguments: with start_time, end_time and unit, as users write them.
        exp_dir: below it, a folder of this trial gets copies of its event files; none if empty.

    Raises:
        SettingsError: with every fault, each as `file:line [section] key`.
    """
    path = path.absolute()
    ini = read_ini(split_lines(read_text(path)), path.name)
    reading = Reading(ini, {}, problems=ini.problems)
    calendar = None
    try:
        calendar = Calendar.parse(arguments.start_time, arguments.end_time, Unit(arguments.unit))
    except SettingsError as error:
        reading.problems += error.problems
    check_sections(reading, [day_settings.SECTION])
    accounts = read_accounts(reading, path.parent)
    section = SectionReader(reading, OLD_COMMAND)
    is_usable = check_options(section, reading) and _check_chain(section, calendar or _ANY)
    own_name = f"{substitutions.experiment_id}_{substitutions.trial_id}"
    chain = _Chain(section, calendar, own_name) if calendar and is_usable else None
    days = chain.days(substitutions.point or {}, reading) if chain else []
    directories = {f"metric_source_{name}": flow.parameters["model_dir"] for name, flow in days}
    metrics = read_metrics(SectionReader(reading, SECTION), directories)
    steps = tuple(
        linked(Step(f"cmd1_{name}", format_pai_command(flow), section.line)) for name, flow in days
    )
    policies = SectionReader(reading, day_settings.SECTION)
    day_policies = day_settings.read_policies(policies, steps, list(directories), path.parent)
    policies.finish(day_settings.POLICIES)
    costs = read_costs(reading, path.parent)
    check_costs(reading, costs, steps)
    failures, resume = read_failures_and_resume(reading, path.parent)
    if reading.problems:
        raise SettingsError(sorted(reading.problems, key=newer.line_of))
    return TrialSettings(
        path=path,
        platform=MAXCOMPUTE,
        steps=steps,
        files=(),
        metrics=metrics,
        passes_point=True,
        warnings=tuple(reading.warnings),
        accounts=accounts,
        mirror=str(Path(exp_dir, own_name).absolute()) if exp_dir else "",
        costs=costs,
        failures=failures,
        resume=resume,
        ini=ini,
        days=day_policies,
    )


class _Chain:
    """The command of each day; each starts from the model of the one before."""

    def __init__(self, section: SectionReader, calendar: Calendar, own_name: str) -> None:
        self._options = {key: entry.value for key, entry in section.entries.items()}
        self._calendar = calendar
        self._own_name = own_name

    def days(self, point: Mapping[str, Any], reading: Reading) -> list[tuple[str, XFlow]]:
        """Names of the days and their XFlows; what the point has wrong goes to `reading`."""
        found = []
        for number, day in enumerate(self._calendar.days()):
            flow = self._of_day(day, is_first=number == 0)
            try:
                flow = with_edits(flow, point_in_edits(point))
            except HpoNniError as error:
                reading.problems.append(Problem("search space", error.message, error.hint))
                return []
            found.append((self._calendar.name(day), flow))
        return found

    def _of_day(self, day: datetime, *, is_first: bool) -> XFlow:
        filled = {key: self._calendar.fill(text, day) for key, text in self._options.items()}
        flow = xflow_from_pairs(filled.items())
        edits = read_edits(flow.parameters.get(PARAMETER, ""))
        if not is_first:
            edits[CHECKPOINT] = self._own(edits[CHECKPOINT])
        own = {"model_dir": self._own(flow.parameters["model_dir"]), PARAMETER: write_edits(edits)}
        return replace(flow, parameters={**flow.parameters, **own})

    def _own(self, directory: str) -> str:
        return f"{directory.rstrip('/')}/{self._own_name}"


def _check_chain(section: SectionReader, calendar: Calendar) -> bool:
    """Whether each day has a model of its own, from which the next day starts."""
    model = section.entries[_MODEL].value
    edits = section.entries.get(_EDITS)
    start = str(read_edits(edits.value if edits else "").get(CHECKPOINT, ""))
    hint = f'as in {{"{CHECKPOINT}": "oss://bucket/finetune/{{predate}}_model"}}'
    if not start:
        section.fault(
            _EDITS if edits else "",
            f"{CHECKPOINT} is not in {_EDITS}, so no day would start from the one before",
            hint,
        )
        return False
    days = [*calendar.days(), calendar.last + calendar.unit.length]
    models = [calendar.fill(model, day).rstrip("/") for day in days]
    twice = next((one for one in models if models.count(one) > 1), "")
    if twice:
        message = f"several {calendar.unit.value}s would write to {twice}"
        section.fault(_MODEL, message, "as in oss://bucket/finetune/{bizdate}_model")
        return False
    starts = [calendar.fill(start, day).rstrip("/") for day in days]
    for before, wanted in zip(models, starts[1:], strict=False):
        if before != wanted:
            message = f"would start from {wanted}, and the model of the one before is {before}"
            hint = f"{CHECKPOINT} is {_MODEL} with {{predate}} for {{bizdate}}"
            section.fault(_EDITS, f"a {calendar.unit.value} {message}", hint)
            return False
    return True
