from __future__ import annotations

from hpo_nni.ledger.records import (
    Assessment,
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    Known,
    News,
    TrialRecord,
    TrialState,
)


def evaluation(trial_id, step, score, source="val"):
    return EvaluationRecord(trial_id, source, step, {}, score, time=1.0)


def job(name, trial_id):
    return JobRecord(name, trial_id, "cmd1", "local", "", 1.0, "h", "b", 1, 1)


def test_unknown_things_are_none_or_empty(ledger):
    assert ledger.experiment("nope") is None
    assert ledger.trial("nope") is None
    assert ledger.trials("nope") == ledger.jobs("nope") == ledger.decisions("nope") == []
    assert ledger.scores("nope") == {}
    assert ledger.news("nope") == News(Known(), (), ())


def test_experiments_come_newest_last(ledger):
    ledger.begin_experiment(ExperimentRecord("Older", 0.5, ""))
    ledger.begin_experiment(ExperimentRecord("Newer", 7.0, ""))

    assert [each.id for each in ledger.experiments()] == ["Older", "Exp1", "Newer"]


def test_trials_come_by_number_then_beginning(ledger):
    for name, number, started in (("x", 2, 9.0), ("late", 1, 8.0), ("early", 1, 7.0)):
        ledger.begin_trial(TrialRecord(name, "Exp1", number, started))

    assert [each.id for each in ledger.trials("Exp1")] == ["Abc", "early", "late", "x"]


def test_live_jobs_are_found_by_experiment_and_trial(ledger):
    ledger.begin_experiment(ExperimentRecord("Exp2", 3.0, ""))
    ledger.begin_trial(TrialRecord("other", "Exp2", 0, 4.0))
    for name, trial_id in (("a1", "Abc"), ("a2", "Abc"), ("o1", "other")):
        ledger.intend_job(job(name, trial_id))
    ledger.end_job("a1", "succeeded")

    def names(**scope):
        return [each.name for each in ledger.live_jobs(**scope)]

    assert names() == ["a2", "o1"]
    assert names(experiment_id="Exp1") == names(trial_id="Abc") == ["a2"]
    assert names(experiment_id="Exp2", trial_id="Abc") == []


def test_scores_are_ordered_by_beginning_and_step(ledger):
    ledger.begin_trial(TrialRecord("earlier", "Exp1", 5, 1.0))
    ledger.begin_trial(TrialRecord("silent", "Exp1", 6, 1.0))
    ledger.add_evaluations([evaluation("Abc", 20, 0.2), evaluation("Abc", 10, 0.1)])
    ledger.add_evaluations([evaluation("earlier", 5, 0.5), evaluation("earlier", 6, None)])
    ledger.add_evaluations([evaluation("Abc", 10, 0.3, source="fold2")])

    scores = ledger.scores("Exp1")

    assert list(scores.items()) == [
        ("earlier", [(5, 0.5)]),
        ("Abc", [(10, 0.1), (10, 0.3), (20, 0.2)]),
    ]


def test_a_follower_gets_each_evaluation_once_and_replacements_again(ledger):
    ledger.begin_experiment(ExperimentRecord("Exp2", 3.0, ""))
    ledger.begin_trial(TrialRecord("other", "Exp2", 0, 4.0))
    ledger.add_evaluations([evaluation("Abc", 1, 0.1), evaluation("other", 1, 0.9)])

    first = ledger.news("Exp1")
    nothing = ledger.news("Exp1", first.known)
    ledger.add_evaluations([evaluation("Abc", 2, 0.2), evaluation("Abc", 1, None)])
    second = ledger.news("Exp1", nothing.known)

    assert first.evaluations == (evaluation("Abc", 1, 0.1),)
    assert (nothing.evaluations, nothing.turns) == ((), ())
    assert second.evaluations == (evaluation("Abc", 2, 0.2), evaluation("Abc", 1, None))


def test_beginnings_ends_and_resumptions_are_told_in_their_order(ledger):
    ledger.end_trial("Abc", TrialState.FAILED, "x")
    ledger.begin_trial(TrialRecord("Abc", "Exp1", 0, 2.0))
    middle = ledger.news("Exp1").known
    ledger.end_trial("Abc", TrialState.SUCCEEDED, "", 0.7)

    states = [(turn.state.value, turn.score) for turn in ledger.news("Exp1").turns]
    assert states == [("running", None), ("failed", None), ("running", None), ("succeeded", 0.7)]
    assert [turn.state.value for turn in ledger.news("Exp1", middle).turns] == ["succeeded"]


def test_the_moment_of_a_verdict_stays_when_the_verdict_is_deleted(ledger):
    ledger.add_evaluations([evaluation("Abc", 1, 0.1)])
    known = ledger.news("Exp1").known
    verdict = DecisionRecord("Abc", "assessor", "keep", "", 1.0)
    ledger.add_decision(verdict, known)
    ledger.add_evaluations([evaluation("Abc", 2, 0.1)])

    assert ledger.assessments("Exp1") == [Assessment("Abc", known)]
    assert ledger.news("Exp1", until=known).known == known


def test_trial_is_found_in_the_experiment_that_is_named(ledger):
    ledger.begin_experiment(ExperimentRecord("Exp2", 3.0, ""))
    ledger.begin_trial(TrialRecord("Other", "Exp2", 0, 4.0))
    ledger.end_trial("Other", TrialState.FAILED, "x")

    assert ledger.find_trial("0").id == "Other"
    assert ledger.find_trial("0", "Exp1").id == "Abc"
    assert ledger.find_trial("ab").id == "Abc"


def test_a_trial_may_begin_anew_more_than_once(ledger):
    for score in (0.1, 0.2, 0.3):
        ledger.add_evaluations([evaluation("Abc", step, score) for step in (1, 2)])
        ledger.set_evaluations_aside("Abc")

    found = [(one.source, one.step, one.score) for one in ledger.evaluations("Abc")]
    assert found == [
        (source, step, score)
        for source, score in (
            ("earlier:earlier:earlier:val", 0.1),
            ("earlier:earlier:val", 0.2),
            ("earlier:val", 0.3),
        )
        for step in (1, 2)
    ]
