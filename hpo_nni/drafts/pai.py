"""A trial.ini for a `PAI` command: each trial trains with its own copy of the pipeline config."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.drafts.request import Request, TrialDraft, plain, written
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.platforms.pai_command import format_pai_command, parse_pai_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo_nni.platforms.pai_command import XFlow

CONCURRENCY = 3
KEY_ID, KEY_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
_OWN = "${exp_id}_${trial_id}"
_OPEN = re.compile(r"\$\{([^{}]*)\}|\{(bizdate|eval_ymd|predate)\}")
_TABLE = re.compile(r"odps://([^/\s,]+)/tables/")
_HOST = re.compile(r"oss-((?:cn|us|ap|eu|me|na|sa)-[a-z]+(?:-\d+)?)(?:-internal)?\.aliyuncs\.com")
_TRAINS = ("", "train")
_INI = """\
# What one trial runs, and how it is scored. Written by `hpo-nni init`; it is yours to change.

[platform_config]
name=MaxCompute
# ${{config}} is the trial's own copy of {name}, with its parameters written into it.
cmd1={command}

[params_config]
params_src_dst_filepath={source},{target}

[metric_config]
metric_type=summary
metric_source={metric_source}
# A metric of weight 0 is recorded and shown, and counts for nothing.
metric_dict={weights}
final_mode=best
optimize_mode=maximize

[oss_config]
endpoint={oss_endpoint}
{region}accessKeyID=env:{key_id}
accessKeySecret=env:{key_secret}

[odps_config]
project_name={project}
odps_endpoint={odps_endpoint}
{region}# Its keys are those of [oss_config], unless access_id and access_key stand here.
"""


def draft_pai(request: Request) -> TrialDraft:
    """Draft it.

    Raises:
        CommandSyntaxError: the command cannot be read.
        SettingsError: with everything that it lacks.
    """
    given = parse_pai_command(request.command)
    models = given.parameters.get("model_dir", "").rstrip("/")
    project = request.project or next(iter(_TABLE.findall(" ".join(given.parameters.values()))), "")
    problems = list(_problems(given, models, project))
    if problems:
        raise SettingsError(problems)
    own = f"{models}/{_OWN}"
    changed = {"config": "${config}", "model_dir": own}
    kept = {name: _on_one_line(value) for name, value in given.parameters.items()}
    xflow = replace(given, parameters={**kept, **changed})
    weights = request.asked_weights() or {"auc": 1.0}
    oss_endpoint, odps_endpoint, region = _endpoints(given.parameters.get("ossHost", ""))
    ini = _INI.format(
        name=request.config.name,
        command=plain(format_pai_command(xflow)),
        source=os.path.relpath(request.config, request.folder),
        target=f"{models}/configs/{_OWN}{request.config.suffix}",
        metric_source=request.metric_source or f"{own}/eval_val/",
        weights=written(weights),
        oss_endpoint=oss_endpoint,
        odps_endpoint=odps_endpoint,
        region=f"region={region}\n" if region else "",
        project=project,
        key_id=KEY_ID,
        key_secret=KEY_SECRET,
    )
    return TrialDraft(ini, weights, CONCURRENCY, tuple(_notes(given, request, project, region)))


def _problems(xflow: XFlow, models: str, project: str) -> Iterator[Problem]:
    for key, value in xflow.parameters.items():
        for shell, day in _OPEN.findall(value):
            name = shell or day
            hint = f"say what it stands for, as in --define {name}=20220617"
            yield Problem(f"-D{key}", f"nothing is known of {name} in {value}", hint)
    if not models.startswith("oss://"):
        message = f"{models} is not on OSS" if models else "it is missing: where do models go?"
        yield Problem("-Dmodel_dir", message, "as in -Dmodel_dir=oss://bucket/models/")
    if not project:
        hint = "say --project NAME: the one whose tables are read and whose account pays"
        yield Problem("command", "no table tells the project", hint)
    if xflow.parameters.get("cmd", "") not in _TRAINS:
        message = f"-Dcmd={xflow.parameters['cmd']} trains nothing, so there is nothing to tune"
        yield Problem("-Dcmd", message, "paste the command that trains: -Dcmd=train")


def _on_one_line(value: str) -> str:
    """A value without line ends: JSON keeps its meaning, and nothing else should have any."""
    if "\n" not in value:
        return value
    try:
        return json.dumps(json.loads(value), separators=(",", ":"))
    except ValueError:
        return " ".join(value.split())


def _endpoints(host: str) -> tuple[str, str, str]:
    """Of OSS, of MaxCompute, and the region: as they are reached from outside the cloud."""
    host = host.removeprefix("https://").removeprefix("http://").strip("/")
    found = _HOST.fullmatch(host)
    if found is None:
        return f"http://{host}" if host else "env:OSS_ENDPOINT", _ANYWHERE, ""
    region = found[1]
    return (
        f"http://oss-{region}.aliyuncs.com",
        f"http://service.{region}.maxcompute.aliyun.com/api",
        region,
    )


_ANYWHERE = "http://service.odps.aliyun.com/api"


def _notes(xflow: XFlow, request: Request, project: str, region: str) -> Iterator[str]:
    if "easy_rec" not in xflow.name:
        yield f"made as for EasyRec: does {xflow.name} read -Dconfig and write to -Dmodel_dir?"
    if not request.project:
        yield f"the project that pays is taken to be that of the tables: {project}"
    if not region:
        yield "no -DossHost tells the region: look at endpoint and odps_endpoint in trial.ini"
    config = xflow.parameters.get("config", "")
    if config:
        yield f"trials train with copies of {request.config.name}; is it the same as {config}?"
    yield from request.metric_notes()
    if xflow.parameters.get("edit_config_json"):
        yield "-Dedit_config_json is applied after a trial's parameters: what it sets is not tuned"
    if xflow.parameters.get("eval_method") == "none":
        yield "-Deval_method=none writes no metrics: say separate or master"
    if set(xflow.parameters.get("arn", "")) == {"x"}:
        yield "-Darn=xxx is a placeholder"
