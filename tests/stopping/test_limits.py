from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.stopping.base import History, Series
from hpo_nni.stopping.limits import CostRule, DivergenceRule, GuardrailRule, TimeRule


def with_metric(*values, name="loss_play_time"):
    steps = tuple(range(1, len(values) + 1))
    return History((1,), (0.5,), metrics={name: Series(steps, values)})


@pytest.mark.parametrize(
    "text, rule",
    [
        ("loss > 0.3", GuardrailRule("loss", True, 0.3, 1)),
        ("auc_v2<.5 for 3", GuardrailRule("auc_v2", False, 0.5, 3)),
        ("auc (val) < -1e-3 for 2 evaluations", GuardrailRule("auc (val)", False, -0.001, 2)),
    ],
)
def test_a_guardrail_is_written_as_people_say_it(text, rule):
    assert GuardrailRule.parse(text) == rule


@pytest.mark.parametrize("text", ["", "loss", "loss > x", "loss >= 1", "> 3", "loss > 1 for 0"])
def test_what_is_no_guardrail_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match=r"loss_play_time > 0\.3 for 3"):
        GuardrailRule.parse(text)


def test_a_guardrail_stops_after_so_many_evaluations_in_a_row():
    rule = GuardrailRule.parse("loss_play_time > 0.3 for 3")

    assert rule.judge(with_metric(0.4, 0.4, 0.2, 0.4, 0.4), {}).keep
    stopped = rule.judge(with_metric(0.2, 0.4, 0.4, 0.4), {})
    assert not stopped.keep
    assert "loss_play_time above 0.3 at 3 evaluations in a row" in stopped.reason


def test_a_value_at_the_limit_is_right():
    assert GuardrailRule("loss_play_time", True, 0.3).judge(with_metric(0.3), {}).keep


def test_a_metric_that_has_not_come_breaks_no_guardrail():
    assert GuardrailRule("other", True, 0.3).judge(with_metric(9.0), {}).keep


def test_a_diverged_trial_is_stopped_with_the_metric_named():
    verdict = DivergenceRule().judge(History((), (), nonfinite="loss"), {})

    assert not verdict.keep
    assert verdict.reason.startswith("loss is not a finite number")
    assert DivergenceRule().judge(History((1,), (0.5,)), {}).keep


def test_time_and_cost_have_limits():
    trial = History((1,), (0.5,), seconds=3600.0)

    assert TimeRule(3600).judge(trial, {}).keep
    assert not TimeRule(3599).judge(trial, {}).keep
    assert CostRule(price=2, budget=4).judge(trial, {"a": trial}).keep
    assert not CostRule(price=2, budget=4).judge(trial, {"a": trial, "b": trial}).keep
