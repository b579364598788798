"""Our classes under NNI's own dispatcher, and what NNI is known to do to them."""

from __future__ import annotations

import importlib
import json

import pytest

from hpo_nni.core.auto_tuner import AutoTuner
from hpo_nni.core.hazero_tuner import HAZeroTuner
from hpo_nni.core.optuna_tuner import OptunaTuner
from hpo_nni.core.pai_assessor import PAIAssessor
from hpo_nni.core.pshe2_tuner import PSHE2Tuner
from hpo_nni.ledger.records import TrialState

pytestmark = pytest.mark.nni

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


class Nni:
    """NNI's dispatcher without its socket: commands go in, what it would send is kept."""

    def __init__(self, tuner):
        module = importlib.reload(importlib.import_module("nni.runtime.msg_dispatcher"))
        self._commands = module.CommandType
        self.tuner = tuner(optimize_mode="maximize", seed=1)
        self.assessor = PAIAssessor(optimize_mode="maximize", start_step=1)
        self.dispatcher = module.MsgDispatcher("ws://_unittest_", self.tuner, self.assessor)
        self.sent = []
        self.dispatcher.send = lambda command, data: self.sent.append((command.name, data))
        self.send("Initialize", SPACE)

    def send(self, name, data):
        self.dispatcher.process_command(self._commands[name], data)

    def request(self, count=1):
        self.send("RequestTrialJobs", count)
        made = [json.loads(data) for name, data in self.sent if name == "NewTrialJob"]
        return made[-count:]

    def metric(self, trial_id, value, *, parameter_id=0, kind="PERIODICAL", sequence=0):
        self.send(
            "ReportMetricData",
            {
                "parameter_id": parameter_id,
                "trial_job_id": trial_id,
                "type": kind,
                "sequence": sequence,
                "value": json.dumps(value),
            },
        )

    def end(self, trial_id, parameter_id, event):
        point = json.dumps({"parameter_id": parameter_id, "parameters": {}})
        self.send("TrialEnd", {"trial_job_id": trial_id, "event": event, "hyper_params": point})

    @property
    def killed(self):
        return [json.loads(data) for name, data in self.sent if name == "KillTrialJob"]


@pytest.fixture(params=[AutoTuner, HAZeroTuner, OptunaTuner, PSHE2Tuner])
def nni(experiment, request):
    return Nni(request.param)


def test_a_whole_experiment_in_which_a_trial_is_stopped(nni, experiment):
    points = {f"T{p['parameter_id']}": p["parameters"] for p in nni.request(3)}
    for number, (trial_id, point) in enumerate(points.items()):
        experiment.begin_trial(trial_id, point, number=number)
        experiment.evaluate(trial_id, {10: 0.9 - number / 10})
        nni.metric(trial_id, {"default": 0.9 - number / 10}, parameter_id=number)
    assert nni.killed == ["T1", "T2"]

    nni.end("T1", 1, "EARLY_STOPPED")
    nni.end("T0", 0, "SUCCEEDED")  # overtakes its result
    nni.metric("T0", {"default": 0.95}, parameter_id=0, kind="FINAL")
    experiment.end_trial("T0", TrialState.SUCCEEDED, 0.95)
    nni.request(1)

    assert experiment.ledger.trial("T1").state is TrialState.STOPPED
    assert "worse than 0.9" in experiment.ledger.trial("T1").reason
    outcomes = {one.outcome.value: one.score for one in nni.tuner._history}
    assert outcomes == {"complete": 0.95, "stopped": 0.8}


def test_a_stopped_trial_that_goes_on_reporting_is_killed_once(nni, experiment):
    for trial_id, score in {"T0": 0.9, "T1": 0.1}.items():
        experiment.begin_trial(trial_id)
        experiment.evaluate(trial_id, dict.fromkeys(range(1, 6), score))
        for sequence in range(5):
            nni.metric(trial_id, {"default": score}, sequence=sequence)

    assert nni.killed == ["T1"]


MISBEHAVIOUR = [
    (
        "a copied trial, without an id, reports and ends",
        lambda nni: [
            nni.metric("C", {"default": 0.5}, parameter_id=None),
            nni.metric("C", {"default": 0.5}, parameter_id=None, kind="FINAL"),
            nni.end("C", None, "SUCCEEDED"),
        ],
    ),
    ("an unknown trial ends", lambda nni: nni.end("U", 77, "FAILED")),
    (
        "a trial ends twice",
        lambda nni: [
            nni.metric("T", {"default": 0.5}),
            nni.end("T", 0, "USER_CANCELED"),
            nni.end("T", 0, "USER_CANCELED"),
        ],
    ),
    ("an end names another trial's id", lambda nni: [nni.request(2), nni.end("T1", 0, "FAILED")]),
    (
        "reports come out of order",
        lambda nni: [nni.metric("T", {"default": 0.5}, sequence=n) for n in (2, 0, 1, 1)],
    ),
    (
        "a report follows the end",
        lambda nni: [nni.end("T", 0, "FAILED"), nni.metric("T", {"default": 0.5})],
    ),
    *(
        (
            f"a trial reports {value!r}",
            lambda nni, value=value: [
                nni.request(),
                nni.metric("T", value),
                nni.metric("T", value, kind="FINAL"),
            ],
        )
        for value in (None, "text", [0.5], {}, {"auc": 1}, True, float("nan"), float("inf"))
    ),
    (
        "data are imported",
        lambda nni: nni.send(
            "ImportData",
            [
                {"parameter": {"x": 0.5}, "value": "0.5", "trialJobId": "I"},
                {"parameter": {"x": 0.5}, "value": '{"default": 0.5}'},
                {"parameter": {"y": 1}, "value": 0.5},
                {"parameter": None, "value": None},
            ],
        ),
    ),
    (
        "trials are resumed under their ids",
        lambda nni: [
            nni.send(
                "AddCustomizedTrialJob",
                [{"parameter_id": 5, "parameter_source": "resumed", "parameters": {"x": 0.5}}],
            ),
            nni.metric("R", {"default": 0.5}, parameter_id=5),
            nni.metric("R", {"default": 0.5}, parameter_id=5, kind="FINAL"),
            nni.end("R", 5, "SUCCEEDED"),
        ],
    ),
    (
        "the search space changes in mid-experiment",
        lambda nni: nni.send("UpdateSearchSpace", {"x": {"_type": "uniform", "_value": [0, 0.5]}}),
    ),
    ("the new search space is faulty", lambda nni: nni.send("UpdateSearchSpace", {"x": 1})),
]


@pytest.mark.parametrize("does", [d for _, d in MISBEHAVIOUR], ids=[n for n, _ in MISBEHAVIOUR])
def test_the_dispatcher_survives_when(nni, does):
    does(nni)

    (made,) = nni.request()
    assert 0 <= made["parameters"]["x"] <= 1
    nni.metric("Z", {"default": 0.5}, parameter_id=made["parameter_id"], kind="FINAL")
    assert nni.tuner._history[-1].score == 0.5
