"""The settings files of PAI-NNI-HPO: `[easyrec_cmd_config]` with a line for each option of `PAI`.

    python3 ./run_begin.py --config=./config_begin.ini --exp_dir=../exp

They become the settings that a trial.ini of today would become: one `PAI` step with the point in
`-Dedit_config_json`, a model directory of the trial's own, and the metrics in its `eval_val/`.
Nothing in the file is evaluated, and there are no templates.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import CommandSyntaxError, HpoNniError, Problem, SettingsError
from hpo_nni.metrics import FinalMode, find_problems
from hpo_nni.platforms.maxcompute_edits import PARAMETER, read_edits, with_edits
from hpo_nni.platforms.pai_command import format_pai_command, xflow_from_pairs
from hpo_nni.registry import did_you_mean
from hpo_nni.trial import settings as newer
from hpo_nni.trial.accounts import ODPS, OSS, read_accounts
from hpo_nni.trial.cost_settings import SECTION as COSTS
from hpo_nni.trial.cost_settings import check_costs, read_costs
from hpo_nni.trial.entry import execute, new_parser
from hpo_nni.trial.failure_settings import SECTION as FAILURES
from hpo_nni.trial.failure_settings import FailureSettings, read_failures
from hpo_nni.trial.ini import read_ini, read_text, split_lines
from hpo_nni.trial.metric_settings import REMOTE_POLL, SECTION, MetricSettings
from hpo_nni.trial.part import OLD_COMMAND
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.settings import TrialSettings
from hpo_nni.trial.steps import MAXCOMPUTE, Step, point_in_edits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.substitutions import Substitutions

_SECTIONS = (OSS, ODPS, OLD_COMMAND, SECTION)
_OPTION = re.compile(r"-(name|project|D[A-Za-z_][\w.]*)")
DAY = re.compile(r"\{(bizdate|eval_ymd|predate)(?::([^{}]+))?\}")
_NEEDED_OPTIONS = {
    "-name": "easy_rec_ext",
    "-project": "algo_public",
    "-Dmodel_dir": "oss://bucket/folder/",
}
_USUAL_OPTIONS = ("-name", "-project", "-Dconfig", "-Dmodel_dir", "-Dcluster", "-Dcmd")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trial, as `run_begin.py`; exit codes are those of `python -m hpo_nni.trial`."""
    parser = new_parser("run_begin.py")
    parser.add_argument(
        "--exp_dir",
        default="../exp",
        help="copies of event files go to EXP_DIR/<experiment>_<trial>, for TensorBoard",
    )
    arguments = parser.parse_args(argv)
    return execute(arguments, functools.partial(load_begin, exp_dir=arguments.exp_dir))


def load_begin(path: Path, substitutions: Substitutions, exp_dir: str = "") -> TrialSettings:
    """Read a `config_begin.ini`.

    Args:
        path: the ini.
        substitutions: ids and point of the trial.
        exp_dir: below it, a folder of this trial gets copies of its event files; none if empty.

    Raises:
        SettingsError: with every fault, each as `file:line [section] key`.
    """
    path = path.absolute()
    ini = read_ini(split_lines(read_text(path)), path.name)
    reading = Reading(ini, {}, problems=ini.problems)
    check_sections(reading)
    accounts = read_accounts(reading, path.parent)
    own_name = f"{substitutions.experiment_id}_{substitutions.trial_id}"
    xflow, line = _read_command(reading, substitutions, own_name)
    step = Step("cmd1", format_pai_command(xflow) if xflow else "", line)
    directory = xflow.parameters.get("model_dir", "") if xflow else ""
    costs = read_costs(reading, path.parent)
    check_costs(reading, costs, (step,) if xflow else ())
    failures, resume = read_failures_and_resume(reading, path.parent)
    settings = TrialSettings(
        path=path,
        platform=MAXCOMPUTE,
        steps=(step,),
        files=(),
        metrics=read_metrics(SectionReader(reading, SECTION), {"metric_source": directory}),
        passes_point=True,
        warnings=tuple(reading.warnings),
        accounts=accounts,
        mirror=str(Path(exp_dir, own_name).absolute()) if exp_dir else "",
        costs=costs,
        failures=failures,
        resume=resume,
        ini=ini,
    )
    if reading.problems:
        raise SettingsError(sorted(reading.problems, key=newer.line_of))
    return settings


def read_failures_and_resume(reading: Reading, folder: Path) -> tuple[FailureSettings, bool]:
    """`[failure_config]`; these files have no other place for `resume`."""
    section = SectionReader(reading, FAILURES)
    resume = section.boolean("resume", default=False)
    return read_failures(section, folder), resume


def check_sections(reading: Reading, more: Sequence[str] = ()) -> None:
    """Note sections that are missing, and those that such a file does not have.

    Args:
        reading: of the whole file.
        more: sections that it may have beside the usual ones.
    """
    known = (*_SECTIONS, COSTS, FAILURES, *more)
    ini = reading.ini
    for name in _SECTIONS:
        if name not in ini.sections:
            near = did_you_mean(name, list(ini.sections))
            reading.problems.append(Problem(ini.name, f"the section [{name}] is missing", near))
    for name, section in ini.sections.items():
        if name not in known:
            where = ini.where(section.line, name)
            hint = did_you_mean(name, known)
            message = f"there is no section [{name}] in files with [{OLD_COMMAND}]"
            reading.problems.append(Problem(where, message, hint))


def _read_command(
    reading: Reading, substitutions: Substitutions, own_name: str
) -> tuple[XFlow | None, int]:
    """The XFlow with the trial's own directory and edits, and the section's line."""
    section = SectionReader(reading, OLD_COMMAND)
    for key, entry in section.entries.items():
        if day := DAY.search(entry.value):
            message = f"{day[0]} stands for a day, and this command runs once"
            hint = "write the day itself; run_finetune.py runs once for each day"
            section.fault(key, message, hint)
    if not check_options(section, reading) or any(map(_has_day, section.entries.values())):
        return None, section.line
    xflow = xflow_from_pairs((key, entry.value) for key, entry in section.entries.items())
    directory = f"{xflow.parameters['model_dir'].rstrip('/')}/{own_name}"
    xflow = replace(xflow, parameters={**xflow.parameters, "model_dir": directory})
    try:
        return with_edits(xflow, point_in_edits(substitutions.point or {})), section.line
    except HpoNniError as error:
        reading.problems.append(Problem("search space", error.message, error.hint))
        return None, section.line


def _has_day(entry: Entry) -> bool:
    return DAY.search(entry.value) is not None


def check_options(section: SectionReader, reading: Reading) -> bool:
    """Note what is wrong with the options of the command; returns whether they can be used."""
    before = len(reading.problems)
    for key in section.entries:
        if _OPTION.fullmatch(key) is None:
            section.fault(key, f"{key!r} is no option of PAI", did_you_mean(key, _USUAL_OPTIONS))
    for key, example in _NEEDED_OPTIONS.items():
        if section.entries and not (key in section.entries and section.entries[key].value):
            section.fault("", f"{key} is missing", f"as in {key}={example}")
    model = section.entries.get("-Dmodel_dir")
    if model is not None and not model.value.startswith("oss://"):
        section.fault(
            "-Dmodel_dir", "metrics are followed on OSS only", "as in oss://bucket/model/"
        )
    _check_own_edits(section)
    return model is not None and len(reading.problems) == before


def _check_own_edits(section: SectionReader) -> None:
    entry = section.entries.get(f"-D{PARAMETER}")
    try:
        read_edits(entry.value if entry else "")
    except CommandSyntaxError as error:
        section.fault(f"-D{PARAMETER}", error.message, error.hint)


def read_metrics(section: SectionReader, directories: Mapping[str, str]) -> MetricSettings:
    """Read `[metric_config]`; faults go to its reader.

    Args:
        section: of the file.
        directories: name of a source -> where that model is.
    """
    weights = {}
    hint = "as in auc=1; a negative weight for a loss"
    for key, entry in section.entries.items():
        try:
            weight = float(section.word(key))
        except ValueError:
            weight = math.nan
        if math.isfinite(weight):
            weights[key] = weight
        else:
            section.fault(key, f"{entry.value!r} is not a weight", hint)
    if not any(weights.values()) and len(weights) == len(section.entries):
        section.fault("", "no metric has a weight, so every score would be 0", hint)
    for problem in find_problems("summary", weights, {}):
        section.fault("", problem.message, problem.hint)
    return MetricSettings(
        kind="summary",
        sources=tuple((name, f"{place}/eval_val/") for name, place in directories.items()),
        weights=weights,
        final_mode=FinalMode.FINAL,
        source_list_final_mode=FinalMode.AVG,
        poll_interval=REMOTE_POLL,
        lines={key: entry.line for key, entry in section.entries.items()},
    )
