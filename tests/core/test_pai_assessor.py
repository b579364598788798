from __future__ import annotations

import logging
import math
import random
import threading

import pytest

from hpo_nni.core.assessor import REPEAT_SECONDS, RuleAssessor, history_of
from hpo_nni.core.pai_assessor import PAIAssessor, PaiAssessor
from hpo_nni.direction import Direction
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.algorithms import AssessResult
from hpo_nni.stopping.base import History
from hpo_nni.stopping.quantile import QuantileRule

pytestmark = pytest.mark.nni
GOOD, BAD = AssessResult.Good, AssessResult.Bad


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def peers(experiment, assessor, *curves):
    for number, curve in enumerate(curves):
        experiment.begin_trial(f"peer{number}", number=number)
        experiment.evaluate(f"peer{number}", dict(enumerate(curve, start=1)))


# Without a ledger: NNI's own histories


def test_both_spellings_are_one_class():
    assert PaiAssessor is PAIAssessor


def test_trials_outside_the_ledger_are_judged_by_what_nni_passes_on(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    assessor = PAIAssessor(optimize_mode="maximize", start_step=2)

    assert assessor.assess_trial("a", [0.7]) is GOOD
    assert assessor.assess_trial("a", [0.7, 0.8]) is GOOD
    assert assessor.assess_trial("b", [0.1]) is GOOD  # before start_step
    assert assessor.assess_trial("b", [0.1, 0.2]) is BAD
    assessor.trial_end("b", success=False)
    assert assessor.assess_trial("c", [0.1, 0.3]) is GOOD  # not worse than the median of a and b


@pytest.mark.parametrize(
    "arguments, rising, falling",
    [({"optimize_mode": "maximize"}, GOOD, BAD), ({"optimize_mode": "minimize"}, BAD, GOOD)],
)
def test_optimize_mode_turns_the_rule_round(monkeypatch, arguments, rising, falling):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    assessor = PAIAssessor(start_step=1, **arguments)
    assessor.assess_trial("a", [0.5])

    assert assessor.assess_trial("b", [0.6]) is rising
    assert assessor.assess_trial("c", [0.4]) is falling


def test_patience_acts_when_given(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    assert PAIAssessor().assess_trial("a", [0.9, 0.8, 0.7]) is GOOD
    assert PAIAssessor(patience=2).assess_trial("a", [0.9, 0.8, 0.7]) is BAD


def test_moving_avg_and_proportion_act_when_given(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    def verdict(**arguments):
        assessor = PAIAssessor(start_step=1, **arguments)
        for name, curve in {"a": [0.4, 0.5], "b": [0.6, 0.7]}.items():
            assessor.assess_trial(name, curve)
        return assessor.assess_trial("c", [0.6, 0.1])

    assert verdict() is GOOD  # 0.6 so far, lower median 0.5
    assert verdict(proportion=1) is BAD  # the best had 0.7
    assert verdict(moving_avg=True) is BAD  # mean 0.35, theirs 0.45 and 0.65


def test_wrong_arguments_are_refused_all_at_once():
    with pytest.raises(SettingsError) as caught:
        PAIAssessor(optimize_mode="up", pacience=3, proportion=7)

    assert len(caught.value.problems) == 3
    assert "classArgs of PAIAssessor" in str(caught.value)


def test_platform_is_accepted_and_said_to_be_unused(caplog, monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    with caplog.at_level(logging.INFO):
        PAIAssessor(platform="MAXCOMPUTE")

    assert "platform 'MAXCOMPUTE' is not needed" in caplog.text


# What trials may report

ODD_HISTORIES = [
    ([], History((), ())),
    ([None], History((), ())),
    ([0.5, float("nan"), 0.7], History((1, 3), (0.5, 0.7))),
    ([float("inf"), float("-inf")], History((), (), nonfinite="the score")),
    (["0.5", "text"], History((), ())),
    ([{"default": 0.5, "auc": 1}, {"auc": 0.7}, {}], History((1,), (0.5,))),
    ([[0.5], (0.6,), {"default": None}, {"default": "x"}], History((), ())),
    ([True, False], History((), ())),
    ([0, 1, -2], History((1, 2, 3), (0.0, 1.0, -2.0))),
]


@pytest.mark.parametrize("reported, history", ODD_HISTORIES)
def test_what_is_no_number_is_passed_over(reported, history, monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    assert history_of(reported) == history
    assert PAIAssessor(start_step=1).assess_trial("a", reported) is GOOD


@pytest.mark.parametrize("reported", [None, 3, "history", object()])
def test_even_a_history_that_is_none_keeps_the_trial(reported, monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    assert PAIAssessor().assess_trial("a", reported) is GOOD


def test_one_nan_in_a_peer_does_not_switch_the_rule_off(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    assessor = PAIAssessor(start_step=1)
    assessor.assess_trial("a", [float("nan"), 0.9])
    assessor.assess_trial("b", [0.8, 0.8])

    assert assessor.assess_trial("c", [0.1, 0.1]) is BAD


# With a ledger


def test_verdicts_are_made_from_the_ledger_at_training_steps(experiment):
    assessor = PAIAssessor(start_step=2)
    experiment.begin_trial("fast")
    experiment.evaluate("fast", {100: 0.1, 200: 0.5, 300: 0.9})
    experiment.begin_trial("slow")
    experiment.evaluate("slow", {50: 0.2, 100: 0.3, 150: 0.4})

    # NNI was told of one result only; by position, 0.4 would be compared with 0.9
    assert assessor.assess_trial("slow", [0.2]) is GOOD
    (decision,) = experiment.ledger.decisions("slow")
    assert decision.actor == "assessor"
    assert decision.action == "keep"
    assert decision.figures["step"] == 150
    assert decision.figures["threshold"] == pytest.approx(0.3)


def test_a_stop_is_written_down_with_reason_and_figures(experiment):
    assessor = PAIAssessor(start_step=1)
    peers(experiment, assessor, [0.7], [0.8], [0.9])
    experiment.end_trial("peer0", TrialState.STOPPED)  # stopped ones stay peers
    experiment.begin_trial("bad", number=3)
    experiment.evaluate("bad", {1: 0.1})

    assert assessor.assess_trial("bad", [0.1]) is BAD
    (decision,) = experiment.ledger.decisions("bad")
    assert decision.action == "stop"
    assert decision.reason == (
        "best score so far 0.1 is worse than 0.8, the median of 3 other trials at step 1"
    )
    assert decision.figures["own"] == 0.1
    assert decision.figures["peers"] == 3


def test_the_same_evaluation_is_judged_once(experiment):
    assessor = PAIAssessor(start_step=1)
    experiment.begin_trial("a")
    experiment.evaluate("a", {1: 0.5})
    for _ in range(3):
        assert assessor.assess_trial("a", [0.5]) is GOOD

    assert len(experiment.ledger.decisions("a")) == 1


def test_a_step_that_is_measured_again_replaces_the_old_score(experiment):
    assessor = PAIAssessor(start_step=1)
    peers(experiment, assessor, [0.5])
    experiment.begin_trial("a", number=1)
    experiment.evaluate("a", {1: 0.9})
    assert assessor.assess_trial("a", [0.9]) is GOOD

    experiment.evaluate("a", {1: math.nan, 2: 0.1})
    experiment.evaluate("peer0", {2: 0.5})

    assert assessor.assess_trial("a", [0.9, 0.1]) is BAD  # 0.9 is no longer its best


def test_trials_with_several_sources_are_compared_at_completed_sources(experiment):
    """The steps of each day begin anew; the runner notes one step for each completed day."""
    assessor = PAIAssessor(start_step=1)
    for number, (name, scores) in enumerate({"a": (0.9, 0.9), "b": (0.8, 0.1)}.items()):
        experiment.begin_trial(name, number=number)
        for day, score in enumerate(scores, start=1):
            experiment.evaluate(name, {100: 0.0, 200: 7.0}, source=f"day{day}")
            experiment.evaluate(name, {day: score})

    assert assessor.assess_trial("a", [0.9, 0.9]) is GOOD
    assert assessor.assess_trial("b", [0.8, 0.1]) is BAD
    assert experiment.ledger.decisions("b")[-1].figures["threshold"] == 0.9


def test_bad_is_said_once_and_again_only_when_nni_did_not_act(experiment):
    clock = Clock()
    assessor = RuleAssessor(QuantileRule, Direction.MAXIMIZE, clock=clock)
    peers(experiment, assessor, [0.9] * 9)
    experiment.begin_trial("bad", number=1)
    said = []
    for step in range(1, 5):
        experiment.evaluate("bad", {step: 0.1})
        said.append(assessor.assess_trial("bad", [0.1] * step))
        clock.now += REPEAT_SECONDS / 3 + 1e-6

    assert said == [BAD, GOOD, GOOD, BAD]
    assert [d.action for d in experiment.ledger.decisions("bad")] == ["stop"]


def test_the_tuners_direction_wins_and_is_logged(experiment, caplog):
    experiment.configure({"tuner": {"name": "TPE", "classArgs": {"optimize_mode": "minimize"}}})

    assessor = PAIAssessor(optimize_mode="maximize", start_step=1)

    assert "maximize here and minimize in the tuner" in caplog.text
    assert experiment.ledger.experiment("Exp1").direction == "minimize"
    peers(experiment, assessor, [0.1])
    experiment.begin_trial("a", number=1)
    experiment.evaluate("a", {1: 0.9})
    assert assessor.assess_trial("a", [0.9]) is BAD


def test_the_ledger_learns_where_nnis_rest_interface_is(experiment):
    PAIAssessor()

    assert experiment.ledger.experiment("Exp1").rest_url == "http://localhost:1"


def test_a_ledger_that_fails_later_keeps_the_trials(experiment, caplog):
    assessor = PAIAssessor(start_step=1)
    assessor._dispatcher.ledger.close()

    assert assessor.assess_trial("a", [0.5]) is GOOD
    assert "could not be judged" in caplog.text
    assessor.trial_end("a", success=False)


def test_verdicts_from_many_threads_agree_with_verdicts_in_order(experiment):
    assessor = PAIAssessor(start_step=1)
    names = [f"t{number}" for number in range(8)]
    for number, name in enumerate(names):
        experiment.begin_trial(name, number=number)
        experiment.evaluate(name, {1: number / 10})
    said = {}

    def judge(name):
        said[name] = assessor.assess_trial(name, [0.0])

    order = random.Random(0).sample(names, len(names))
    threads = [threading.Thread(target=judge, args=(name,)) for name in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said == {name: BAD if int(name[1]) < 4 else GOOD for name in names}


def test_subclasses_replace_the_rule_and_keep_the_end(experiment):
    class Mine(PAIAssessor):
        def assess_trial(self, trial_job_id, trial_history):
            return AssessResult.Bad if trial_history[-1] < 0 else AssessResult.Good

    assessor = Mine(optimize_mode="maximize")

    assert assessor.assess_trial("a", [-1.0]) is BAD
    experiment.begin_trial("a")
    assessor.trial_end("a", success=True)
    assert experiment.ledger.trial("a").state is TrialState.RUNNING
