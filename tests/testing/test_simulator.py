from __future__ import annotations

import math

import pytest

from hpo_nni.core.pai_assessor import PAIAssessor
from hpo_nni.direction import Direction
from hpo_nni.optimizers.optuna_bridge import OptunaBridge
from hpo_nni.space import parse_space
from hpo_nni.stopping.base import Verdict
from hpo_nni.stopping.combination import FirstStop, StartAfter
from hpo_nni.stopping.quantile import QuantileRule
from hpo_nni.testing.simulator import (
    Curve,
    InOrder,
    NniJudge,
    NniTuned,
    NoJudge,
    RuleJudge,
    Tuned,
    simulate,
)

MAXIMIZE = Direction.MAXIMIZE


def rising(height, length=10, **more):
    return Curve(tuple(height * k / length for k in range(1, length + 1)), **more)


CURVES = [rising(0.1 * ((7 * n) % 10)) for n in range(30)]


class StopAt:
    """A rule that stops every trial at an evaluation."""

    def __init__(self, evaluation):
        self.evaluation = evaluation

    def judge(self, trial, peers):
        return Verdict(len(trial.steps) < self.evaluation, "")


def test_without_a_judge_everything_runs_to_its_end():
    run = simulate(InOrder(CURVES), NoJudge(), concurrency=4)

    assert run.share == 1
    assert all(trial.complete for trial in run.trials)
    assert run.seconds == math.ceil(30 / 4) * 10
    assert run.regret(MAXIMIZE, best=True) == 0


def test_a_stopped_trial_frees_its_place_at_once():
    run = simulate(InOrder(CURVES), RuleJudge(StopAt(2)), concurrency=3)

    assert run.share == pytest.approx(0.2)
    assert run.seconds == 20
    assert run.regret(MAXIMIZE, best=True) == math.inf


def test_slow_trials_take_their_time():
    run = simulate(InOrder([rising(1, seconds=5.0), rising(1), rising(1)]), NoJudge(), 2)

    assert [trial.ended for trial in run.trials] == [50, 10, 20]


def test_nnis_assessor_and_our_rule_stop_the_same_trials(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    rule = StartAfter(2, FirstStop((QuantileRule(MAXIMIZE),)))
    ours = simulate(InOrder(CURVES), RuleJudge(rule))
    through_nni = simulate(InOrder(CURVES), NniJudge(PAIAssessor(start_step=2)))

    assert ours == through_nni
    assert ours.share < 0.9


def test_a_diverged_curve_has_no_final_score_of_nan():
    assert Curve((math.nan, 0.5, math.nan)).final(MAXIMIZE, best=False) == 0.5
    assert Curve((math.nan,)).final(MAXIMIZE, best=True) is None


SPACE = parse_space({"x": {"_type": "uniform", "_value": [0, 1]}})


def tuned(seed):
    optimizer = OptunaBridge(SPACE, MAXIMIZE, seed=seed)
    source = Tuned(optimizer, lambda point: rising(point["x"]), MAXIMIZE, count=40)
    return simulate(source, RuleJudge(QuantileRule(MAXIMIZE)))


def test_a_tuner_learns_and_the_same_seed_is_the_same_run():
    first, again, other = tuned(3), tuned(3), tuned(4)

    assert first == again
    assert first != other
    finals = [trial.curve.scores[-1] for trial in first.trials]
    assert sum(finals[-10:]) > sum(finals[:10])


class CountingTuner:
    """A tuner with NNI's methods."""

    def __init__(self):
        self.said = []

    def generate_parameters(self, number, **_):
        return {"x": number / 10}

    def receive_trial_result(self, number, parameters, value, **_):
        self.said.append((number, parameters, value))

    def trial_end(self, number, *, success, **_):
        self.said.append((number, success))


def test_a_tuner_with_nnis_methods_hears_what_nni_would_tell():
    tuner = CountingTuner()
    source = NniTuned(tuner, lambda point: rising(point["x"]), 2, final=max)
    simulate(source, RuleJudge(StopAt(11)), concurrency=1)
    simulate(NniTuned(tuner, lambda _: rising(1), 1, final=max), RuleJudge(StopAt(1)))

    assert tuner.said == [
        (0, {"x": 0.0}, 0.0),
        (0, True),
        (1, {"x": 0.1}, 0.1),
        (1, True),
        (0, False),
    ]


def test_thousands_of_trials_run():
    curves = [rising(0.001 * ((7 * n) % 1000), length=5) for n in range(2000)]
    run = simulate(InOrder(curves), RuleJudge(StopAt(3)), concurrency=50)

    assert len(run.trials) == 2000


def test_a_budget_cuts_short_what_runs_and_says_so():
    curves = [Curve((0.1,) * 5) for _ in range(4)]

    run = simulate(InOrder(curves), NoJudge(), concurrency=2, budget=12)

    assert sum(trial.evaluations for trial in run.trials) == 12
    assert [trial.complete for trial in run.trials] == [True, True, False, False]
    assert not any(trial.stopped for trial in run.trials)
