"""A trial.ini for a command of this machine: it gets the trial's config, and folders of its own."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hpo_nni.drafts.request import Request, TrialDraft, plain, written
from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONCURRENCY = 2
GUESSED = {"auc": 1.0}
_FOLDERS = re.compile(
    r"""(?P<option>--?(?:model|output|out|log|save|work|job|ckpt|checkpoint|exp|results?)
        [-_]?(?:dir|path|folder)|--output|--out)(?P<gap>=|\s+)(?P<value>"[^"]*"|'[^']*'|[^\s;&|]+)""",
    re.VERBOSE,
)
_MODELS = re.compile(r"--?model[-_]?dir")
_INI = """\
# What one trial runs, and how it is scored. Written by `hpo-nni init`; it is yours to change.

[platform_config]
name=local
# ${{config}} is the trial's own copy of {name}, with its parameters written into it, and
# ${{NNI_OUTPUT_DIR}} its own folder.
cmd1={command}

[params_config]
params_src_dst_filepath={source}

[metric_config]
metric_type={metric_type}
metric_source={metric_source}
# A metric of weight 0 is recorded and shown, and counts for nothing.
metric_dict={weights}
final_mode=best
optimize_mode=maximize
"""


def draft_shell(request: Request) -> TrialDraft:
    """Draft it; raises SettingsError where the command does not name the config."""
    command = " ".join(re.sub(r"\\\r?\n", " ", request.command).splitlines()).strip()
    command, folders = _with_own_folders(_with_own_config(command, request))
    above = os.path.relpath(request.here, request.folder)
    if above != ".":
        command = f"cd {shlex.quote(above)} && {command}"
    weights, notes = request.asked_weights(), list(request.metric_notes())
    if not weights:
        weights = dict(GUESSED)
        notes.append("no metric is known: `auc` is only an example; name yours by --metric NAME=1")
    kind, source = _metrics(request, folders)
    if kind == "stdout":
        notes.append(f"metrics are looked for in what is printed, as in {next(iter(weights))}=0.5")
    if not folders:
        notes.append(
            "no option of the command names a folder for results: if the config does, all trials "
            "share it"
        )
    ini = _INI.format(
        name=request.config.name,
        command=plain(command),
        source=os.path.relpath(request.config, request.folder),
        metric_type=kind,
        metric_source=source,
        weights=written(weights),
    )
    return TrialDraft(ini, weights, CONCURRENCY, tuple(notes))


def _with_own_config(command: str, request: Request) -> str:
    spellings = "|".join(re.escape(one) for one in _spellings(request))
    pattern = re.compile(rf"(?P<q>[\"']?)(?<![\w./~-])(?:{spellings})(?![\w./-])(?P=q)")
    changed, count = pattern.subn('"${config}"', command)
    if not count:
        message = f"it does not name {request.config.name}, so a trial's parameters cannot reach it"
        hint = "give the command as it is typed today, with the config that --config names"
        raise SettingsError([Problem("command", message, hint)])
    return changed


def _spellings(request: Request) -> Iterator[str]:
    """The ways in which a command may name the config, the longest first."""
    relative = os.path.relpath(request.config, request.here)
    yield str(request.config)
    yield f"./{relative}"
    yield relative


def _with_own_folders(command: str) -> tuple[str, dict[str, str]]:
    """The command with the trial's own folders in the place of fixed ones, by their options."""
    folders: dict[str, str] = {}

    def own(found: re.Match[str]) -> str:
        name = PurePosixPath(found["value"].strip("'\"")).name or "results"
        folders[found["option"]] = f"${{NNI_OUTPUT_DIR}}/{name}"
        return f'{found["option"]}{found["gap"]}"{folders[found["option"]]}"'

    return _FOLDERS.sub(own, command), folders


def _metrics(request: Request, folders: dict[str, str]) -> tuple[str, str]:
    """Type and source: event files of EasyRec where their folder is known, else the output."""
    models = next((folder for option, folder in folders.items() if _MODELS.fullmatch(option)), "")
    if request.metric_type and request.metric_source:
        return request.metric_type, request.metric_source
    if models and (request.is_easyrec or request.metric_type == "summary"):
        return "summary", request.metric_source or f"{models}/eval_val"
    return request.metric_type or "stdout", request.metric_source or "cmd1"
