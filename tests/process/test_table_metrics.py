"""A trial that is scored by rows of a table, on a MaxCompute that runs here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import JUDGED
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.tables import Column, Table
from hpo_nni.trial.place import LOCAL_FOLDER

INI = """\
[platform_config]
name=MaxCompute
cmd1=select count(*) from evals
[metric_config]
metric_type=table
metric_source=select step, auc, loss from evals where '${trial_id}' != '' order by step
metric_dict={'auc': 1, 'loss': -0.5}
final_mode=final
poll_interval=0.2
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
access_id=env:AK
access_key=env:SK
"""
COLUMNS = (Column("step", "bigint"), Column("auc", "double"), Column("loss", "double"))
ROWS = [(100, 0.5, 0.25), (200, None, 0.25), (300, 0.75, 0.5)]


@pytest.fixture
def jobs(tmp_path):
    with (
        OssServer(tmp_path / "oss", {"id": "the-secret"}, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, {"id": "the-secret"}, "demo") as jobs,
    ):
        jobs.add_table(Table("evals", COLUMNS, (), {"": ROWS}))
        yield jobs


@pytest.fixture
def run(tmp_path, jobs):
    """Run one trial with this ini; exit code, standard error, and its judged scores by step."""

    def run(text=INI):
        folder = tmp_path / "experiment"
        folder.mkdir()
        (folder / "trial.ini").write_text(text, encoding="utf-8")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        done = subprocess.run(
            [sys.executable, "-m", "hpo_nni.trial", "--config", "trial.ini"],
            cwd=folder,
            env=clean | {"ODPS_HERE": jobs.endpoint, "AK": "id", "SK": "the-secret"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        with Ledger.open(folder / LOCAL_FOLDER) as ledger:
            (trial,) = ledger.trials(ledger.experiments()[0].id)
            found = [one for one in ledger.evaluations(trial.id) if one.source == JUDGED]
        return done.returncode, done.stderr, {one.step: one.score for one in found}

    return run


def test_rows_are_steps_and_go_through_the_same_scoring(run):
    code, err, scores = run()

    assert code == 0, err
    assert {step: score for step, score in scores.items() if score is not None} == {
        100: 0.375,
        300: 0.5,
    }


def test_a_busy_service_is_asked_again(run, jobs):
    jobs.faults.add(
        RequestFault(Action.REFUSE, status=503, times=2, method="GET", query="taskstatus")
    )
    code, err, scores = run()

    assert code == 0, err
    assert scores[300] == 0.5


def test_a_table_that_never_comes_fails_the_trial_in_the_services_words(run):
    code, err, _ = run(INI.replace("loss from evals", "loss from nowhere"))

    assert code == 1
    assert "Table not found" in err
    assert "'auc', 'loss' never appeared" in err


def test_a_wrong_account_fails_before_anything_is_submitted(run, jobs):
    jobs.keyring.secrets["id"] = "another"
    code, err, _ = run()

    assert code == 1
    assert "the access key's secret does not belong to its id" in err
    assert not jobs.instances.submitted(kind="SQL")
