"""Experiments that real assessors judged, trial by trial in turn, and what their ledger repeats."""

from __future__ import annotations

import sqlite3

import pytest

from hpo_nni.core.asha_assessor import AshaAssessor
from hpo_nni.core.assessors import ASSESSORS, open_rule
from hpo_nni.core.pai_assessor import PAIAssessor
from hpo_nni.core.replays import differences, replay, verdicts, winner
from hpo_nni.core.rescoring import Rescoring, refuse_unknown_metrics
from hpo_nni.direction import Direction
from hpo_nni.errors import RegistryError, SettingsError
from hpo_nni.ledger.records import EvaluationRecord, ExperimentRecord, TrialState
from hpo_nni.nni_api.algorithms import AssessResult

pytestmark = pytest.mark.nni
EXPERIMENT = "Exp1"
LENGTH = 10


@pytest.fixture(autouse=True)
def _begun(experiment):
    experiment.ledger.begin_experiment(ExperimentRecord(EXPERIMENT, 1.0, "maximize"))


def height(number):
    return 0.1 * ((7 * number) % 10)


def run(experiment, assessor, count=12, at_once=3):
    """Run trials in turn; a stopped one still writes one more evaluation before it dies."""
    waiting, running = list(range(count)), {}
    while waiting or running:
        while waiting and len(running) < at_once:
            number = waiting.pop(0)
            experiment.begin_trial(f"t{number}", {"lr": number}, number=number)
            running[number] = 0
        for number in list(running):
            running[number] += 1
            step, name = running[number], f"t{number}"
            evaluate(experiment, name, number, step)
            if assessor and assessor.assess_trial(name, [0.0] * step) is AssessResult.Bad:
                evaluate(experiment, name, number, step + 1)
                reason = experiment.ledger.decisions(name)[-1].reason
                experiment.ledger.end_trial(name, TrialState.STOPPED, reason)
                del running[number]
            elif step == LENGTH:
                experiment.end_trial(name, score=height(number))
                del running[number]


def evaluate(experiment, name, number, step):
    auc, loss = height(number) * step / LENGTH, 1 - 0.05 * number
    values = {"auc": auc, "loss": loss}
    # the writer's clock goes on, as in real trials
    clock = float(sum(1 for _ in experiment.ledger.news(EXPERIMENT).evaluations))
    experiment.ledger.add_evaluations([EvaluationRecord(name, "", step, values, auc, 10 + clock)])


def recorded_rule(ledger):
    described = ledger.experiment(EXPERIMENT).settings["assessor"]
    return open_rule(described["class"], described["arguments"], Direction.MAXIMIZE)


@pytest.mark.parametrize(
    "make", [lambda: PAIAssessor(patience=3), lambda: AshaAssessor(first_rung=2)]
)
def test_the_recorded_rule_repeats_the_recorded_verdicts_without_them(experiment, make):
    run(experiment, make())
    ledger = experiment.ledger
    said = verdicts(ledger, EXPERIMENT)
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("DELETE FROM decisions")

    again = replay(ledger, EXPERIMENT, recorded_rule(ledger))

    assert not verdicts(ledger, EXPERIMENT)
    stopped = {one.trial_id for one in said if one.action == "stop"}
    assert len(stopped) > 2
    assert again.stops.keys() == stopped
    assert differences(again, said) == []
    assert again.saved == 0
    figures = {
        (one.assessment.trial_id, tuple(sorted(one.verdict.figures.items())))
        for one in again.judgements
    }
    assert figures == {(one.trial_id, tuple(sorted(one.figures.items()))) for one in said}


def test_another_rule_says_what_it_would_have_saved_and_whether_the_winner_stays(experiment):
    run(experiment, PAIAssessor(proportion=0))
    ledger = experiment.ledger

    stricter = replay(ledger, EXPERIMENT, open_rule("paiassessor", {}, Direction.MAXIMIZE))

    assert stricter.saved > 0.1
    trials = ledger.trials(EXPERIMENT)
    best = winner(trials, {one.id: one.score for one in trials if one.score is not None}, 1)
    assert best.id not in stricter.stops
    assert differences(stricter, verdicts(ledger, EXPERIMENT))


def test_an_experiment_that_nobody_judged_is_judged_at_each_evaluation(experiment):
    run(experiment, None)

    rule = open_rule("PAIAssessor", {"start_step": 1}, Direction.MAXIMIZE)
    replayed = replay(experiment.ledger, EXPERIMENT, rule)

    assert replayed.stops
    assert sum(replayed.recorded.values()) == 12 * LENGTH
    assert len(replayed.judgements) == sum(replayed.made.values())


def test_new_weights_give_new_finals_and_other_stops(experiment):
    run(experiment, PAIAssessor(start_step=2))
    ledger = experiment.ledger
    rescoring = Rescoring.of(ledger.experiment(EXPERIMENT), {"auc": 0.0, "loss": -1.0})

    finals = {one.id: rescoring.final(ledger, one.id) for one in ledger.trials(EXPERIMENT)}
    assert finals["t11"] == max(finals.values()) == pytest.approx(-0.45)
    rule = recorded_rule(ledger)
    now = replay(ledger, EXPERIMENT, rule, rescoring.score)
    assert "t11" not in now.stops
    assert now.stops.keys() != replay(ledger, EXPERIMENT, rule).stops.keys()


def test_weights_as_recorded_give_the_recorded_scores(experiment):
    run(experiment, None)
    ledger = experiment.ledger
    rescoring = Rescoring({"auc": 1.0}, Direction.MAXIMIZE)

    for trial in ledger.trials(EXPERIMENT):
        assert rescoring.final(ledger, trial.id) == pytest.approx(trial.score)


def test_folds_are_scored_anew_one_by_one(experiment):
    experiment.begin_trial("a")
    for source, loss in (("fold1", 1.0), ("fold2", 3.0)):
        experiment.ledger.add_evaluations(
            [EvaluationRecord("a", source, 1, {"loss": loss}, None, 1.0)]
        )
    experiment.ledger.add_evaluations([EvaluationRecord("a", "", 1, {"loss": 9.0}, 9.0, 1.0)])

    best = Rescoring({"loss": 2.0}, Direction.MINIMIZE)
    assert best.final(experiment.ledger, "a") == 2.0


def test_a_metric_that_nobody_measured_is_refused_with_those_that_are(experiment):
    run(experiment, None, count=1)

    with pytest.raises(RegistryError, match="did you mean 'auc'"):
        refuse_unknown_metrics(experiment.ledger, EXPERIMENT, {"acu": 1.0})


def test_all_assessors_open_by_name_and_refuse_what_is_wrong():
    for name in ASSESSORS:
        assert open_rule(name, {"optimize_mode": None}, Direction.MINIMIZE)
        with pytest.raises(SettingsError):
            open_rule(name, {"nonsense": 1}, Direction.MINIMIZE)
    with pytest.raises(RegistryError, match="AutoAssessor"):
        open_rule("AutoAsessor", {}, Direction.MAXIMIZE)
