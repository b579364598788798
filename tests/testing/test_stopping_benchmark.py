"""The arrays of the benchmark decide as the rules do, on the recorded curves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hpo_nni.core.assessors import open_rule
from hpo_nni.direction import Direction
from hpo_nni.stopping import forecast
from hpo_nni.testing.simulator import Curve, InOrder, RuleJudge, simulate

FOLDER = Path(__file__).parents[2] / "benchmarks" / "stopping"


@pytest.fixture(scope="module")
def batch():
    sys.path.insert(0, str(FOLDER))
    try:
        import batch

        yield batch
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("batch", None)


def test_the_corpus_is_large_and_small(batch):
    tasks = batch.load()

    assert len(tasks) >= 6
    assert all(task.curves.shape == (300, 50) for task in tasks.values())
    assert len({task.learner for task in tasks.values()}) >= 4
    assert batch.CURVES.stat().st_size < 3_000_000


def both_ways(batch, task, rule, assessor, order, *, best):
    rng = np.random.default_rng(5)
    chosen = batch.orders(task.finals(best=best), 3, order, rng)
    fast = batch.replay(task, chosen, rule, best=best)
    for row, share, regret in zip(chosen, fast.share, fast.regret, strict=True):
        judge = RuleJudge(open_rule(*assessor, Direction.MAXIMIZE))
        run = simulate(InOrder(Curve(tuple(map(float, task.curves[k]))) for k in row), judge)
        assert run.share == pytest.approx(share, abs=1e-12)
        assert run.regret(Direction.MAXIMIZE, best=best) == pytest.approx(regret, abs=1e-12)


@pytest.mark.parametrize("order", ["random", "improving"])
@pytest.mark.parametrize("final_mode", ["best", "final"])
@pytest.mark.parametrize("name", ["clicks-gbm", "digits-forest", "cancer-mlp"])
def test_the_risk_rule_stops_the_same_trials_at_the_same_epochs(batch, name, final_mode, order):
    task, best = batch.load()[name], final_mode == "best"
    model = json.loads(Path(forecast.__file__).with_name("forecast.json").read_text())
    rule = batch.Risk(task, model, forecast.allowed_chance(0.2, best=best), best=best)

    arguments = {"max_loss_probability": 0.2, "final_mode": final_mode}
    both_ways(batch, task, rule, ("AutoAssessor", arguments), order, best=best)


def test_halving_stops_the_same_trials_at_the_same_epochs(batch):
    task = batch.load()["digits-sgd"]

    assessor = ("AshaAssessor", {"first_rung": 5})
    both_ways(batch, task, batch.Asha(task, 5), assessor, "random", best=True)
