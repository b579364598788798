"""AutoAssessor and AshaAssessor as NNI calls them."""

from __future__ import annotations

import math

import pytest

from hpo_nni.core.asha_assessor import AshaAssessor
from hpo_nni.core.auto_assessor import AutoAssessor, make_rule
from hpo_nni.direction import Direction
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import EvaluationRecord
from hpo_nni.nni_api.algorithms import AssessResult

pytestmark = pytest.mark.nni
GOOD, BAD = AssessResult.Good, AssessResult.Bad


@pytest.fixture
def alone(monkeypatch):
    """No experiment around: only what NNI passes on."""
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)


def finish(assessor, name, scores):
    for length in range(1, len(scores) + 1):
        assert assessor.assess_trial(name, scores[:length]) is GOOD
    assessor.trial_end(name, success=True)


def rising(top, length=40):
    return [top * (1 - math.exp(-k / 10)) for k in range(1, length + 1)]


def test_hopeless_trials_are_stopped_after_one_is_complete(alone):
    assessor = AutoAssessor(max_loss_probability=0.2)
    assert assessor.assess_trial("early", [0.01] * 30) is GOOD
    for number in range(8):
        finish(assessor, f"good{number}", rising(0.9 + 0.001 * number))

    verdicts = [assessor.assess_trial("bad", rising(0.1)[:length]) for length in range(1, 40)]
    assert BAD in verdicts
    finish(assessor, "better", rising(0.95))


def test_a_diverged_trial_is_stopped_at_once_unless_it_is_to_be_kept(alone):
    assert AutoAssessor().assess_trial("a", [float("nan")]) is BAD
    assert AutoAssessor().assess_trial("a", [0.5, {"default": float("inf")}]) is BAD
    assert AutoAssessor(diverged="keep").assess_trial("a", [float("nan")]) is GOOD
    assert AutoAssessor().assess_trial("a", [0.5, None]) is GOOD


def test_a_guardrail_watches_a_raw_metric_of_the_ledger(experiment):
    assessor = AutoAssessor(guardrails="loss_play_time > 0.3 for 2")
    experiment.begin_trial("t")
    verdicts = []
    for step, value in enumerate([0.1, 0.4, 0.2, 0.4, 0.5], start=1):
        values = {"auc": 0.5, "loss_play_time": value}
        experiment.ledger.add_evaluations([EvaluationRecord("t", "", step, values, 0.5, 1.0)])
        verdicts.append(assessor.assess_trial("t", [0.5] * step))

    assert verdicts == [GOOD, GOOD, GOOD, GOOD, BAD]
    reason = experiment.ledger.decisions("t")[-1].reason
    assert reason.startswith("loss_play_time above 0.3 at 2 evaluations in a row")


def test_evaluations_of_an_earlier_run_and_out_of_order_are_read_as_they_should(experiment):
    assessor = AutoAssessor()
    experiment.begin_trial("t")
    experiment.evaluate("t", {3: 0.3, 1: 0.1})
    experiment.evaluate("t", {2: 0.2, 3: 0.35})
    assessor.assess_trial("t", [0.1])

    figures = experiment.ledger.decisions("t")[-1].figures
    assert figures["evaluations"] == 3
    assert figures["step"] == 3


def test_the_safe_mode_stops_what_cannot_win(experiment):
    limits = {"auc": {"lowest": 0, "highest": 1, "change": 0.01}}
    assessor = AutoAssessor(max_loss_probability=0, weights={"auc": 1}, limits=limits)
    experiment.begin_trial("good")
    experiment.evaluate("good", {10: 0.8})
    experiment.end_trial("good", score=0.8)
    for name, score, verdict in (("bad", 0.7, BAD), ("may", 0.75, GOOD)):
        experiment.begin_trial(name)
        experiment.evaluate(name, {4: score})
        assert assessor.assess_trial(name, [score]) is verdict


def test_the_settings_are_in_the_ledger_for_a_replay(experiment):
    AshaAssessor(first_rung=4)

    described = experiment.ledger.experiment("Exp1").settings["assessor"]
    assert described["class"] == "AshaAssessor"
    assert described["arguments"]["first_rung"] == 4


def test_asha_stops_all_but_the_best_at_a_rung(alone):
    assessor = AshaAssessor(first_rung=2, reduction=2)
    for name, score in (("a", 0.5), ("b", 0.6)):
        assert assessor.assess_trial(name, [0, score]) is GOOD

    assert assessor.assess_trial("c", [0, 0.4]) is BAD
    assert assessor.assess_trial("d", [0.1]) is GOOD


FAULTS = [
    ({"max_loss_probability": 0.6}, "a number from 0 to 0.5"),
    ({"guardrails": "loss"}, "'loss' is not a limit"),
    ({"guardrails": [1]}, "a text or a list of texts"),
    ({"max_cost": 5}, "price_per_hour and max_cost need each other"),
    ({"max_loss_probability": 0}, "max_loss_probability is 0 without weights"),
    ({"limits": {"auc": {"least": 0}}}, "lowest, highest or change"),
    ({"objectives": {"auc": "up"}}, "each with maximize or minimize"),
    ({"final_mode": "avg"}, "best or final"),
    ({"target": float("nan")}, "expected a number"),
]


@pytest.mark.parametrize("arguments, message", FAULTS)
def test_wrong_arguments_are_refused(alone, arguments, message):
    with pytest.raises(SettingsError) as caught:
        AutoAssessor(**arguments)

    assert message in str(caught.value)


def test_a_pareto_search_has_a_rule_of_its_own():
    given = {"objectives": {"auc": "maximize"}, "limits": {}, "max_steps": None}
    given |= {"guardrails": (), "diverged": "keep", "max_seconds": None, "max_cost": None}
    given |= {"price_per_hour": None, "max_loss_probability": 0.01, "final_mode": "best"}
    rule = make_rule(Direction.MAXIMIZE, given)

    assert "ParetoRule" in repr(rule)
