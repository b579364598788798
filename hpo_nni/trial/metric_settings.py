"""`[metric_config]`: where metrics come from, and how they become one score."""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.direction import Direction
from hpo_nni.metrics import SOURCES, FinalMode, Policy, find_problems
from hpo_nni.registry import did_you_mean
from hpo_nni.trial.accounts import Accounts
from hpo_nni.trial.substitutions import PER_TRIAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.sections import SectionReader

SECTION = "metric_config"
REMOTE_POLL = 10.0  # seconds; each poll is a handful of requests to services that count them
_SELECT = re.compile(r"(?is)(?:\s|--[^\n]*\n|set\s[^;]*;)*(?:select|with)\b")
_OPTIONS = ("step_key", "step_regex")
_KEYS = (
    "metric_type",
    "metric_source",
    "metric_dict",
    "final_mode",
    "source_list_final_mode",
    "optimize_mode",
    "nonfinite_policy",
    "missing_policy",
    "report_interval",
    "poll_interval",
    "silence_timeout",
    *_OPTIONS,
)


@dataclass(frozen=True)
class MetricSettings:
    """What `[metric_config]` says.

    Attributes:
        kind: `metric_type`, in lower case.
        sources: key of the ini and its value: an absolute path, a URI, a statement for `table`, or
            for `stdout` the key of a step.
        weights: metric (for `stdout` a regular expression) -> weight; finite, not all zero.
        report_interval: the least number of seconds between intermediate results.
        poll_interval: seconds between two looks at the sources.
        silence_timeout: seconds without a metric until the alarm; as many again until the trial
            fails; 0 for never.
        step_key, step_regex: where a source says which step it is at; empty if it does not.
        lines: key -> its line in the ini.
    """

    kind: str
    sources: tuple[tuple[str, str], ...]
    weights: Mapping[str, float]
    direction: Direction = Direction.MAXIMIZE
    final_mode: FinalMode = FinalMode.BEST
    source_list_final_mode: FinalMode = FinalMode.BEST
    nonfinite_policy: Policy = Policy.FAIL
    missing_policy: Policy = Policy.SKIP
    report_interval: float = 1.0
    poll_interval: float = 1.0
    silence_timeout: float = 0.0
    step_key: str = ""
    step_regex: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """How a score is made, as JSON values: for who ranks the trials anew."""
        return {
            "weights": dict(self.weights),
            "final_mode": self.final_mode.value,
            "source_list_final_mode": self.source_list_final_mode.value,
        }


@dataclass(frozen=True)
class Surroundings:
    """What else must be known to read the section.

    Attributes:
        steps: the keys of `[platform_config]` that are steps.
        folder: what relative paths are relative to.
        accounts: tell which URIs can be reached.
        is_remote: whether jobs run somewhere else and leave no logs here.
        has_tables: whether there is an account whose tables can be asked.
    """

    steps: Sequence[str]
    folder: Path
    accounts: Accounts = field(default_factory=Accounts)
    is_remote: bool = False
    has_tables: bool = False


def read_metrics(section: SectionReader, around: Surroundings) -> MetricSettings:
    """Read `[metric_config]`; faults go to the section's reader."""
    kind = section.word("metric_type").lower()
    if not kind:
        hint = "one of summary, stdout, json, csv, table"
        section.fault("", "metric_type is missing: where do metrics come from?", hint)
    weights = _weights(section)
    final_mode = section.choice("final_mode", FinalMode.BEST)
    usual_poll = REMOTE_POLL if around.is_remote or kind == "table" else 1.0
    settings = MetricSettings(
        kind=kind,
        sources=_sources(section, kind, around),
        weights=weights,
        direction=section.choice("optimize_mode", Direction.MAXIMIZE),
        final_mode=final_mode,
        source_list_final_mode=section.choice("source_list_final_mode", final_mode),
        nonfinite_policy=section.choice("nonfinite_policy", Policy.FAIL),
        missing_policy=section.choice("missing_policy", Policy.SKIP),
        report_interval=section.seconds("report_interval", 1.0),
        poll_interval=section.seconds("poll_interval", usual_poll),
        silence_timeout=section.seconds("silence_timeout", 0.0),
        step_key=section.text("step_key"),
        step_regex=section.text("step_regex"),
        lines={key: entry.line for key, entry in section.entries.items()},
    )
    if kind:
        options = {key: section.text(key) for key in _OPTIONS}
        for problem in find_problems(kind, weights, options):
            section.fault(problem.where, problem.message, problem.hint)
    section.finish(_KEYS, {key: _old_form(section.entries[key]) for key in section.entries})
    return settings


def _old_form(entry: Entry) -> str:
    """The hint for `auc=1`, as older files give weights; empty for any other unknown key."""
    if difflib.get_close_matches(entry.key, _KEYS, n=1):
        return ""
    try:
        float(entry.value)
    except ValueError:
        return ""
    return f"weights stand in one dictionary: metric_dict={{'{entry.key}': {entry.value}}}"


def _sources(
    section: SectionReader, kind: str, around: Surroundings
) -> tuple[tuple[str, str], ...]:
    entries = section.prefixed("metric_source")
    if kind == "stdout":
        if not entries:
            return (("metric_source", around.steps[0]),) if around.steps else ()
        return tuple((entry.key, _step(section, entry, around)) for entry in entries)
    if kind == "table" and entries:
        return tuple((entry.key, _statement(section, entry, around)) for entry in entries)
    if not entries and kind in SOURCES.names():
        hint = "as in metric_source=${NNI_OUTPUT_DIR}/model/eval_val"
        section.fault("", f"metric_source is missing: where does the {kind} lie?", hint)
    return tuple((entry.key, _path(section, entry, kind, around)) for entry in entries)


def _step(section: SectionReader, entry: Entry, around: Surroundings) -> str:
    """The key of the step whose log is meant, or the path of a log file."""
    text = section.text(entry.key)
    steps = around.steps
    if "/" in text:
        return _path(section, entry, "stdout", around)
    step, _, role = (part.strip() for part in text.partition(","))
    if role:
        message = f"the log of a step is one for all, and none of a role {role!r}"
        section.fault(entry.key, message, f"write {entry.key}={step}")
    if step == "cmd" and step not in steps and steps:
        return steps[0]
    if step not in steps:
        section.fault(entry.key, f"there is no step {step!r}", did_you_mean(step, steps))
    return step


def _statement(section: SectionReader, entry: Entry, around: Surroundings) -> str:
    """A statement that selects: it is run again and again, so it must not change anything."""
    text = section.sql(entry.key)
    if not _SELECT.match(text):
        hint = "as in select step, auc from evaluations where trial='${trial_id}'"
        section.fault(entry.key, "metric_type=table takes a statement that selects", hint)
    elif not around.has_tables:
        hint = "project_name, odps_endpoint, keys"
        section.fault(entry.key, "tables are asked with an account: [odps_config] is missing", hint)
    elif not any(name in entry.value for name in PER_TRIAL):
        message = "all trials read the same rows: a trial may be scored by another one's metrics"
        section.warn(entry.key, f"{message} (hint: where trial='${{trial_id}}')")
    return text


def _path(section: SectionReader, entry: Entry, kind: str, around: Surroundings) -> str:
    """An absolute path, or a URI that can be followed."""
    text = section.text(entry.key)
    separator = "://" in text
    if not text:
        section.fault(entry.key, "a path is missing")
    elif separator and kind != "summary":
        message = f"metrics of {kind} are read from local files only, not from {text}"
        section.fault(entry.key, message, "metric_type=summary follows oss://, hdfs:// and others")
    elif separator and (problem := around.accounts.find_problem(text)) is not None:
        section.fault(entry.key, problem.message, problem.hint)
    elif not any(name in entry.value for name in PER_TRIAL):
        message = "all trials read the same place: a trial may be scored by another one's metrics"
        section.warn(entry.key, f"{message} (hint: put ${{NNI_OUTPUT_DIR}} or ${{trial_id}} in)")
    return text if separator else str(around.folder / text)


def _weights(section: SectionReader) -> dict[str, float]:
    key = "metric_dict"
    text = section.text(key)
    hint = "as in metric_dict={'auc': 1, 'loss': -0.25}; a negative weight for a loss"
    if not text:
        section.fault(key if key in section.entries else "", f"{key} is missing", hint)
        return {}
    try:
        data = _literal(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        only = "it holds more than strings and numbers"
        reason = error.msg if isinstance(error, SyntaxError) else only
        section.fault(key, f"this is not a dictionary: {reason}", hint)
        return {}
    if not isinstance(data, dict) or not data:
        section.fault(key, "expected a dictionary with at least one metric", hint)
        return {}
    weights = {}
    for metric, weight in data.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not math.isfinite(weight) or not isinstance(metric, str):
            section.fault(key, f"{metric!r}: {weight!r} is not a metric with a number", hint)
        else:
            weights[metric] = float(weight)
    if weights and not any(weights.values()):
        section.fault(key, "all weights are 0, so every score would be 0")
    return weights


def _literal(text: str) -> Any:
    """JSON or a literal of Python's; nothing is evaluated."""
    try:
        return json.loads(text)
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of '\.', which is how regular expressions are written
            return ast.literal_eval(text)
