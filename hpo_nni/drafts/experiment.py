"""The files of an experiment, as text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.drafts.pai import draft_pai
from hpo_nni.drafts.shell import draft_shell
from hpo_nni.drafts.space import propose_space
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.platforms.pai_command import is_pai_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.drafts.request import Request, TrialDraft
    from hpo_nni.drafts.space import Proposal

CONFIG, TRIAL, SPACE = "config.yml", "trial.ini", "search_space.json"
MAX_TRIALS = 20
_CONFIG = """\
# An experiment for NNI: `hpo-nni run {config}`, or `nnictl create --config {config}`.
# Written by `hpo-nni init`; it is yours to change.
experimentWorkingDirectory: ./expdir
searchSpaceFile: {space}
trialCommand: python3 -m hpo_nni.trial --config=./{trial}
trialConcurrency: {concurrency}
maxTrialNumber: {trials}
tuner:
  codeDirectory: .  # NNI wants one; the class is found where hpo_nni is installed
  className: hpo_nni.core.auto_tuner.AutoTuner
  classArgs:
    optimize_mode: maximize
    baseline_trials: 1  # trial 0 is the config as it stands
assessor:
  codeDirectory: .
  className: hpo_nni.core.pai_assessor.PAIAssessor
  classArgs:
    optimize_mode: maximize
    start_step: 2
trainingService:
  platform: local  # the jobs go where [platform_config] of {trial} says
"""


@dataclass(frozen=True)
class ExperimentDraft:
    """An experiment that has not been written yet.

    Attributes:
        files: name -> text.
        is_remote: whether its jobs run on MaxCompute.
    """

    files: Mapping[str, str]
    trial: TrialDraft
    space: Sequence[Proposal]
    is_remote: bool


def draft_experiment(request: Request) -> ExperimentDraft:
    """Draft all files.

    Raises:
        DocumentError: the config cannot be read.
        CommandSyntaxError: the `PAI` command cannot be read.
        SettingsError: what the command lacks, or that nothing in the config is usually tuned.
    """
    space = propose_space(request.document, request.parse)
    if not space:
        message = "none of the fields that are usually tuned is in it"
        hint = "docs/guide/search-space.md tells how to write a search space by hand"
        raise SettingsError([Problem(str(request.config), message, hint)])
    is_remote = is_pai_command(request.command)
    trial = draft_pai(request) if is_remote else draft_shell(request)
    files = {
        CONFIG: _CONFIG.format(
            config=CONFIG,
            space=SPACE,
            trial=TRIAL,
            concurrency=trial.concurrency,
            trials=MAX_TRIALS,
        ),
        TRIAL: trial.ini,
        SPACE: _write_space(space),
    }
    return ExperimentDraft(files, trial, space, is_remote)


def _write_space(space: Sequence[Proposal]) -> str:
    rows = (
        f"  {json.dumps(one.key, ensure_ascii=False)}: {json.dumps(one.entry)}" for one in space
    )
    return "{\n" + ",\n".join(rows) + "\n}\n"
