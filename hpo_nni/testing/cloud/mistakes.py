"""Mistakes in a `PAI` command that the service would take, or tell of after an hour in the queue.

What cannot be read at all, the settings' reader has refused; what only a run shows, a run shows.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem
from hpo_nni.registry import did_you_mean
from hpo_nni.secrets import Reference
from hpo_nni.testing.cloud.demands import TABLE, buckets_in
from hpo_nni.testing.cloud.xflow import XFLOWS
from hpo_nni.trial.dates import is_broken_date
from hpo_nni.trial.handed_edits import xflows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import PurePath

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.settings import Step, TrialSettings

# of the component easy_rec_ext, as EasyRec's documents and examples for MaxCompute use them
PARAMETERS = (  # noqa: SIM905  (a table to be read, not typed)
    "all_cols all_col_types arn asset_files batch_size boundary_table boundary_tables buckets "
    "checkpoint_path clear_export cluster cmd config distribute_strategy edit_config_json "
    "eval_method eval_result_path eval_tables export_dir export_done_file extra_params "
    "fine_tune_checkpoint hpo_metric_save_path hpo_param_path input_table job_name lifecycle "
    "mask_feature_name model_dir model_outputs ossHost oss_embedding_dir output_cols "
    "output_table place_embedding_on_cpu profiling_file redis_passwd redis_url reserved_cols "
    "res_project saved_model_dir script selected_cols tables train_tables verbose version "
    "with_evaluator"
).split()
_CLOSE = 0.8
_DIGITS = re.compile(r"(?<!\d)(?:\d{10}|\d{8})(?!\d)")
_PLACES = ("config", "model_dir", "export_dir", "script", "fine_tune_checkpoint")


def find_mistakes(settings: TrialSettings) -> list[Problem]:
    """Every mistake in the commands of a trial, each at its line of the ini."""
    text = settings.path.read_text(encoding="utf-8-sig")
    found: list[Problem] = []
    for step, xflow in xflows_of(settings):
        for option, message, hint in _mistakes(xflow, settings):
            found.append(Problem(_where(settings.path, text, step, option), message, hint))
    return found


def find_unfilled(settings: TrialSettings) -> list[Problem]:
    """The options that still have a placeholder for a value, such as `-Darn=xxx`."""
    text = settings.path.read_text(encoding="utf-8-sig")
    return [
        Problem(_where(settings.path, text, step, f"-D{name}"), "this is a placeholder")
        for step, xflow in xflows_of(settings)
        for name, value in xflow.parameters.items()
        if value and Reference.parse(value).is_placeholder
    ]


def _mistakes(xflow: XFlow, settings: TrialSettings) -> Iterator[tuple[str, str, str]]:
    """Option, fact and next step."""
    known = {f"{project}.{name}" for project, name in XFLOWS}
    if f"{xflow.project}.{xflow.name}" not in known:
        message = f"there is no {xflow.project}.{xflow.name} here"
        yield "-name", message, did_you_mean(f"{xflow.project}.{xflow.name}", known)
        return
    yield from _misspelt(xflow)
    yield from _tables(xflow)
    yield from _dates(xflow)
    yield from _cluster(xflow)
    yield from _buckets(xflow)
    yield from _metrics(xflow, settings)


def _misspelt(xflow: XFlow) -> Iterator[tuple[str, str, str]]:
    for name in xflow.parameters:
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=_CLOSE)
        if name not in PARAMETERS and near:
            yield f"-D{name}", f"{xflow.name} knows no -D{name}", f"did you mean -D{near[0]}?"


def _tables(xflow: XFlow) -> Iterator[tuple[str, str, str]]:
    given = xflow.parameters
    if given.get("cmd", "train") == "train" and "tables" not in given:
        for name in ("train_tables", "eval_tables"):
            if not given.get(name):
                yield "", f"-D{name} is missing", f"as in -D{name}=odps://project/tables/name"
    for name in ("train_tables", "eval_tables", "tables"):
        for uri in filter(None, (part.strip() for part in given.get(name, "").split(","))):
            found = TABLE.fullmatch(uri)
            bad = (
                [part for part in (found["partition"] or "").split("/")[1:] if "=" not in part]
                if found
                else []
            )
            if not found:
                yield (
                    f"-D{name}",
                    f"{uri} names no table",
                    "as in odps://project/tables/name/dt=20220617",
                )
            elif bad:
                yield f"-D{name}", f"{uri}: {bad[0]!r} is no partition", "as in .../dt=20220617"


def _dates(xflow: XFlow) -> Iterator[tuple[str, str, str]]:
    for name, value in xflow.parameters.items():
        for digits in dict.fromkeys(_DIGITS.findall(value)):
            if "://" in value and is_broken_date(int(digits)):
                yield (
                    f"-D{name}",
                    f"{digits} in {_around(value, digits)} is not in the calendar",
                    "in a template, {{ bizdate | add_days(1) }} knows it; bizdate + 1 does not",
                )


def _cluster(xflow: XFlow) -> Iterator[tuple[str, str, str]]:
    text = xflow.parameters.get("cluster", "")
    hint = 'as in {"ps":{"count":1,"cpu":1000},"worker":{"count":3,"cpu":1000,"memory":40000}}'
    if not text:
        return
    try:
        roles = json.loads(text)
    except ValueError as error:
        yield "-Dcluster", f"-Dcluster is not JSON: {error}", hint
        return
    if not (isinstance(roles, dict) and all(isinstance(role, dict) for role in roles.values())):
        yield "-Dcluster", "-Dcluster does not say what each role gets", hint


def _buckets(xflow: XFlow) -> Iterator[tuple[str, str, str]]:
    """The component may enter what `-Dbuckets` names, and nothing else."""
    opened = set(buckets_in(xflow.parameters.get("buckets", "")))
    for name in _PLACES if opened else ():
        for bucket in sorted(set(buckets_in(xflow.parameters.get(name, ""))) - opened):
            message = f"it lies in the bucket {bucket}, which -Dbuckets does not name"
            yield f"-D{name}", message, f"add oss://{bucket}/ to -Dbuckets"


def _metrics(xflow: XFlow, settings: TrialSettings) -> Iterator[tuple[str, str, str]]:
    """Event files come to the model's directory and nowhere else."""
    model = xflow.parameters.get("model_dir", "").rstrip("/")
    several = sum(1 for _ in xflows_of(settings)) > 1
    if not model or several or settings.metrics.kind != "summary":
        return
    for key, source in settings.metrics.sources:
        if not f"{source.rstrip('/')}/".startswith(f"{model}/"):
            message = f"{source} is not below -Dmodel_dir={model}, where the job writes"
            yield key, message, f"as in {key}={model}/eval_val/"


def _around(value: str, digits: str) -> str:
    """The one path of a list that has the digits in it."""
    return next((part for part in value.split(",") if digits in part), value)


def _where(path: PurePath, text: str, step: Step, option: str) -> str:
    """The first line that has the option, or that of its step."""
    if not option:
        return f"{path.name}:{step.line}"
    lines: Sequence[str] = text.splitlines()
    pattern = re.compile(rf"(?<![\w-]){re.escape(option)}(?![\w.])")
    numbers = [number for number, line in enumerate(lines, start=1) if pattern.search(line)]
    return f"{path.name}:{numbers[0] if numbers else step.line} {option}"
