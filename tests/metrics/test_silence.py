from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from tensorboardX import SummaryWriter

from hpo_nni.metrics import Evaluator, Policy, Scoring, open_source

if TYPE_CHECKING:
    from pathlib import Path


def letter(kind: str, path: Path, weights: dict[str, float], **policies: Policy) -> str:
    source = open_source(kind, [path], list(weights), {})
    evaluator = Evaluator("metric_source", Scoring(weights, **policies))
    evaluator.add(source.poll())
    evaluator.add(source.finish())
    evaluator.close(source)
    return str(evaluator.failure)


def test_a_misspelt_metric_is_named_beside_what_there_was(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("auc_is_like", 0.5, 1)
        writer.add_scalar("loss", 0.5, 1)
    assert letter("summary", tmp_path, {"auc_is_lik": 1.0, "loss": -1.0}) == (
        "'auc_is_lik' never appeared\n"
        f"  metric_source: {tmp_path} has 1 event file(s)\n"
        "  hint: 'auc_is_lik': did you mean 'auc_is_like'?"
    )


def test_a_trainer_that_writes_nothing_is_told_apart(tmp_path):
    assert letter("summary", tmp_path / "eval_val", {"auc": 1.0}) == (
        "'auc' never appeared\n"
        f"  metric_source: {tmp_path / 'eval_val'} does not exist\n"
        "  hint: no metric came at all: see whether the job wrote any, and whether metric_source"
        " leads there"
    )


def test_metrics_that_never_meet_are_told(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,auc,loss\n1,0.5,\n2,,0.5\n3,0.5,\n")
    text = letter("csv", path, {"auc": 1.0, "loss": -1.0})
    assert text.startswith(
        "no step has finite values of all of 'auc', 'loss': 'auc' at 2, 'loss' at 1"
    )
    assert "hint: a score needs all of its metrics at the same step" in text


def test_a_metric_that_was_never_finite_is_told(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"auc": NaN}\n{"auc": NaN}\n')
    text = letter("json", path, {"auc": 1.0}, nonfinite=Policy.SKIP)
    assert text.startswith("'auc' was never finite ('auc' at 2 step(s))")


def test_damage_is_told(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("oops\n")
    assert "1 record(s) of it could not be read" in letter("json", path, {"auc": 1.0})


@pytest.mark.parametrize(
    "line, hint",
    [
        ("val_accuracy=0.5", "did you mean 'val_accuracy'?"),
        ("lr=0.5", "there are: 'lr'"),
        ("hello", "no metric came at all"),
    ],
)
def test_a_log_is_searched_for_what_looks_like_a_metric(tmp_path, line, hint):
    path = tmp_path / "log"
    path.write_text(f"{line}\n")
    text = letter("stdout", path, {"validation_accuracy": 1.0})
    assert f"{path} has 1 line(s)" in text
    assert hint in text


def test_a_value_that_only_some_steps_lack_is_no_silence(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(f"step,auc\n1,{math.nan}\n2,0.5\n")
    assert letter("csv", path, {"auc": 1.0}, nonfinite=Policy.SKIP) == "None"
