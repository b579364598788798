"""Failures under the real NNI: what is tried again, what pauses, and how it goes on."""

from __future__ import annotations

import re

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState

pytestmark = pytest.mark.nni

INI = """\
[platform_config]
name = local
COMMANDS

[metric_config]
metric_type = stdout
metric_source = cmd1
metric_dict = {'accuracy=([0-9.]+)': 1}
poll_interval = 0.1
report_interval = 0

[failure_config]
retry_seconds = 0
"""
SPACE = {"lr": {"_type": "uniform", "_value": [0, 1]}}


def ini(*commands, resume=0):
    """A trial.ini with these steps, for `experiment` to fill in."""
    steps = [f"cmd{number} = {command}" for number, command in enumerate(commands, start=1)]
    text = INI.replace("COMMANDS", "\n".join([*steps, f"resume = {resume}"]))
    return text.replace("{", "{{").replace("}", "}}")


def ledger_of(folder):
    return Ledger.open(folder.working_directory)


def test_the_same_mistake_three_times_pauses_the_experiment_and_ends_it_with_a_letter(experiment):
    folder = experiment(
        space=SPACE,
        ini=ini("python3 -c 'import nosuchmodule' ${lr}"),
        maxTrialNumber=50,
        trialConcurrency=2,
    )

    code, output = folder.run("run", "config.yml")

    assert code == 1, output
    assert output.count("is paused: the last 3 trials failed alike") == 1, output
    assert '(user error: a module is missing: its log says "ModuleNotFoundError: No mod' in output
    experiment_id = re.search(r"experiment +(\w+)", output)[1]
    assert f"hpo-nni retry --experiment {experiment_id}" in output
    with ledger_of(folder) as ledger:
        trials = ledger.trials(experiment_id)
        failed = [trial for trial in trials if trial.state is TrialState.FAILED]
        assert 3 <= len(failed) <= 4  # two ran at once
        assert {trial.failure for trial in failed} == {"user"}
        assert {trial.state for trial in trials} <= {TrialState.FAILED, TrialState.CANCELLED}
        assert ledger.experiment(experiment_id).pause
        began = {job.trial_id for trial in trials for job in ledger.jobs(trial.id)}
        assert began == {trial.id for trial in failed}
    shown = folder.run("show", experiment_id, "--dir", str(folder.working_directory))[1]
    assert "paused       the last 3 trials failed alike" in shown
