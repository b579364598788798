"""The daily example: its log, its trainer, and one trial over all its days."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.database import FILE_NAME
from hpo_nni.ledger.records import JUDGED

EXAMPLE = Path(__file__).parents[2] / "examples/daily_local"


@pytest.fixture
def click_log(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE / "trainer")
    return importlib.import_module("click_log")


@pytest.fixture
def example(tmp_path):
    """A copy of the example, with nothing that was trained in it."""
    left_out = shutil.ignore_patterns("exp", "expdir", "__pycache__")
    shutil.copytree(EXAMPLE, tmp_path / "daily_local", ignore=left_out)
    return tmp_path / "daily_local"


def train(example, *arguments):
    command = [sys.executable, "trainer/train.py", "--config", "pipeline.yaml", *arguments]
    return subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)


def test_a_day_is_the_same_whenever_it_is_read_and_days_differ(click_log):
    first, again, next_day = (click_log.read_day(date(2026, 10, day)) for day in (1, 1, 2))

    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.clicks, again.clicks)
    assert not np.array_equal(first.values, next_day.values)
    assert 0.1 < first.clicks.mean() < 0.5


def test_a_model_goes_on_from_the_one_it_is_given(example):
    done = [
        train(example, "--first", "20261001", "--last", "20261002", "--out", "both"),
        train(example, "--first", "20261001", "--out", "one"),
        train(example, "--first", "20261002", "--init_from", "one", "--out", "two"),
    ]

    assert [one.returncode for one in done] == [0, 0, 0], done
    last = [
        json.loads((example / name / "metrics.jsonl").read_text("utf-8").splitlines()[-1])["auc"]
        for name in ("both", "two")
    ]
    assert last[0] == last[1]


def test_a_day_that_is_none_is_refused(example):
    done = train(example, "--first", "20260931", "--out", "x")

    assert done.returncode == 2
    assert "'20260931' is not a day" in done.stderr


def test_the_experiment_passes_the_check(capsys):
    assert main(["check", str(EXAMPLE / "finetune" / "config.yml")]) == 0

    assert "32 points of the search space applied" in capsys.readouterr().out


def test_a_trial_walks_the_days_and_its_score_is_their_mean(example, tmp_path):
    assert train(example, "--first", "20260930", "--out", "exp/base").returncode == 0
    (tmp_path / "point.json").write_text('{"train.learning_rate": 0.5}', encoding="utf-8")
    command = [sys.executable, "-m", "hpo_nni.trial", "--config", "trial.ini"]
    done = subprocess.run(
        [*command, "--params", tmp_path / "point.json"],
        cwd=example / "finetune", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = example.rglob(FILE_NAME)
    with Ledger.open(path.parent) as ledger:
        (experiment,) = ledger.experiments()
        (trial,) = ledger.trials(experiment.id)
        days = [one.score for one in ledger.evaluations(trial.id) if one.source == JUDGED]
        assert len(ledger.jobs(trial.id)) == 8
    assert len(days) == 8
    assert trial.score == pytest.approx(sum(days) / 8)
