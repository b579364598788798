"""A ledger with one experiment in it, and a small experiment's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import (
    JUDGED,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)

CORE = Path(__file__).parent.parent.parent / "core"
CONFIG = f"""\
experimentWorkingDirectory: ./expdir
searchSpaceFile: search_space.json
trialCommand: python3 -m hpo_nni.trial --config=./trial.ini
trialConcurrency: 2
maxTrialNumber: 4
tuner:
  name: Random
assessor:
  codeDirectory: {CORE}
  className: pai_assessor.PAIAssessor
  classArgs:
    optimize_mode: maximize
trainingService:
  platform: local
"""
INI = """\
[platform_config]
name=local
cmd1=train "${config}"
[params_config]
params_src_dst_filepath=base.config
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m.jsonl
metric_dict={'auc': 1, 'loss': -0.5}
"""
SPACE = '{"f[:].dim": {"_type": "choice", "_value": [4, 8]}}'


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The folder of an experiment without faults; the current one, too."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "config.yml": CONFIG,
        "trial.ini": INI,
        "search_space.json": SPACE,
        "base.config": "f { dim: 16 } f { dim: 32 }\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


class Book:
    """Writes an experiment's trials into a ledger, as trials do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger.open(folder)

    def experiment(self, name="ExpA", *, direction="maximize", started=1.0):
        self.ledger.begin_experiment(ExperimentRecord(name, started, direction))
        return name

    def trial(
        self,
        number,
        state=TrialState.SUCCEEDED,
        score=None,
        *,
        reason="",
        epochs=0,
        experiment="ExpA",
        **more,
    ):
        name = f"{experiment}-Tr{number}"
        directory = self.folder / experiment / name
        directory.mkdir(parents=True, exist_ok=True)
        self.ledger.begin_trial(
            TrialRecord(name, experiment, number, 1.0, directory=str(directory), **more)
        )
        self.ledger.add_evaluations(
            [
                EvaluationRecord(name, JUDGED, epoch, {"auc": 0.5}, 0.5, 1.0)
                for epoch in range(1, epochs + 1)
            ]
        )
        if state.is_final:
            self.ledger.end_trial(name, state, reason, score)
        return name

    def job(self, trial, step="cmd1", state="succeeded", message="exit code 0"):
        name = f"{trial}-{step}"
        self.ledger.intend_job(
            JobRecord(name, trial, step, "local", "cd /x\ntrain", 1.0, "host", "boot", 1, 1)
        )
        self.ledger.end_job(name, state, message)
        return name


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path / "expdir")
    yield book
    book.ledger.close()
