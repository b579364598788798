"""A process that looks to our classes as NNI's dispatcher does."""

from __future__ import annotations

import base64
import json
import sys

import pytest

from hpo_nni.core import dispatcher as dispatcher_module
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import EvaluationRecord, TrialRecord, TrialState
from hpo_nni.trial.meter import JUDGED

EXPERIMENT = "Exp1"


class Experiment:
    """What trials and NNI would do around a tuner and an assessor."""

    def __init__(self, directory, monkeypatch):
        self.directory = directory
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")
        self.configure({})

    def configure(self, config):
        """Be the dispatcher of an experiment with this config, newly started."""
        monkeypatch, encoded = self._monkeypatch, base64.b64encode(json.dumps(config).encode())
        monkeypatch.setenv("NNI_LOG_DIRECTORY", str(self.directory / EXPERIMENT / "log"))
        monkeypatch.setattr(sys, "argv", ["nni", "--exp_params", encoded.decode()])
        monkeypatch.setattr(dispatcher_module, "_OF_PROCESS", {})

    @property
    def ledger(self):
        return Ledger.open(self.directory)

    def begin_trial(self, trial_id, parameters=None, **more):
        self.ledger.begin_trial(
            TrialRecord(
                id=trial_id,
                experiment_id=EXPERIMENT,
                number=more.pop("number", 0),
                started=1.0,
                parameters=parameters or {},
                **more,
            )
        )

    def evaluate(self, trial_id, points, source=JUDGED):
        self.ledger.add_evaluations(
            [
                EvaluationRecord(trial_id, source, step, {"auc": score}, score, 1.0)
                for step, score in points.items()
            ]
        )

    def end_trial(self, trial_id, state=TrialState.SUCCEEDED, score=None):
        self.ledger.end_trial(trial_id, state, "", score)


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    return Experiment(tmp_path, monkeypatch)
