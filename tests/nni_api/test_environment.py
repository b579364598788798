from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hpo_nni.nni_api.environment import DispatcherEnvironment, TrialEnvironment

TRIAL = {
    "NNI_EXP_ID": "ExpA",
    "NNI_TRIAL_JOB_ID": "TrA1",
    "NNI_TRIAL_SEQ_ID": "4",
    "NNI_SYS_DIR": "/data/expdir/ExpA/trials/TrA1",
    "NNI_OUTPUT_DIR": "/data/expdir/ExpA/trials/TrA1",
}
CHANNEL = "http://localhost:8080/env/local-env/TrA1"


def test_a_trial_reads_its_ids_and_places():
    trial = TrialEnvironment.from_environ(TRIAL)

    assert (trial.experiment_id, trial.trial_id, trial.number) == ("ExpA", "TrA1", 4)
    assert trial.working_directory == Path("/data/expdir")
    assert trial.output_directory == Path("/data/expdir/ExpA/trials/TrA1")
    assert trial.channel is None


@pytest.mark.parametrize(
    "system",
    [
        "/data/expdir/ExpA/trials/TrA1",
        "/data/expdir/ExpA/environments/local-env/trials/TrA1",
        "/data/expdir/ExpA/a/b/c/d/TrA1",
    ],
)
def test_the_working_directory_is_found_at_any_depth(system):
    """2.10.1 and 3.0 differ in it."""
    trial = TrialEnvironment.from_environ(TRIAL | {"NNI_SYS_DIR": system})

    assert trial.working_directory == Path("/data/expdir")


def test_nni_3_is_known_by_its_channel():
    environ = TRIAL | {"NNI_TRIAL_COMMAND_CHANNEL": CHANNEL}

    assert TrialEnvironment.from_environ(environ).channel == CHANNEL


@pytest.mark.parametrize("missing", ["NNI_EXP_ID", "NNI_TRIAL_JOB_ID", "NNI_SYS_DIR"])
def test_outside_nni_there_is_no_trial(missing):
    environ = {key: value for key, value in TRIAL.items() if key != missing}

    assert TrialEnvironment.from_environ(environ) is None


def test_what_nni_leaves_out_has_a_default():
    environ = {key: TRIAL[key] for key in ("NNI_EXP_ID", "NNI_TRIAL_JOB_ID", "NNI_SYS_DIR")}

    trial = TrialEnvironment.from_environ(environ)

    assert trial.number == -1
    assert trial.output_directory == trial.system_directory


def arguments(text):
    return ["nni", "--exp_params", base64.b64encode(text.encode()).decode()]


def test_the_dispatcher_reads_its_log_directory_and_config():
    config = {"trialCommand": "python3 -m hpo_nni.trial --config=./试验.ini"}

    found = DispatcherEnvironment.from_process(
        {"NNI_LOG_DIRECTORY": "/data/expdir/ExpA/log"}, arguments(json.dumps(config))
    )

    assert (found.experiment_id, found.working_directory) == ("ExpA", Path("/data/expdir"))
    assert found.config == config


@pytest.mark.parametrize(
    "words", [[], ["nni"], ["nni", "--exp_params", "!!"], arguments("[1]"), arguments("{")]
)
def test_a_dispatcher_without_a_readable_config_has_none(words):
    environ = {"NNI_LOG_DIRECTORY": "/data/expdir/ExpA/log"}

    assert DispatcherEnvironment.from_process(environ, words).config == {}


def test_another_process_is_no_dispatcher():
    assert DispatcherEnvironment.from_process({}, []) is None
