from __future__ import annotations

import json
import random

import pytest

from hpo_nni.core.tuner import AskTellTuner
from hpo_nni.direction import Direction
from hpo_nni.errors import SettingsError
from hpo_nni.failures import Failure, FailureKind
from hpo_nni.ledger.records import RETRY, TrialState
from hpo_nni.nni_api.algorithms import NoMoreTrialError
from hpo_nni.optimizers.base import Observation, Outcome

pytestmark = pytest.mark.nni

SPACE = {
    "x": {"_type": "uniform", "_value": [0, 1]},
    "c": {"_type": "choice", "_value": ["a", "b"]},
}
HALF = {"x": {"_type": "uniform", "_value": [0, 0.5]}, "c": SPACE["c"]}


class Diary:
    """An optimizer that draws at random, remembers what it was told, and has so many points."""

    def __init__(self, space, direction, points=1000):
        self._space, self._rng = space, random.Random(1)
        self.direction, self.told, self._points = direction, [], points

    def ask(self):
        self._points -= 1
        return self._space.sample(self._rng) if self._points >= 0 else None

    def tell(self, observations):
        self.told += observations


@pytest.fixture
def outside(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)


def make(points=1000, space=SPACE, **arguments):
    tuner = AskTellTuner(
        lambda space, direction: Diary(space, direction, points), Direction.MAXIMIZE, **arguments
    )
    tuner.update_search_space(space)
    return tuner


def told(tuner):
    """What the optimizer knows when it is asked next."""
    tuner.generate_parameters(10_000)
    return tuner._optimizer.told


def test_a_result_is_told_before_the_next_proposal(outside):
    tuner = make()
    point = tuner.generate_parameters(0)

    tuner.receive_trial_result(0, point, 0.7, customized=False, trial_job_id="T0")

    assert told(tuner) == [Observation(point, Outcome.COMPLETE, 0.7)]


@pytest.mark.parametrize(
    "value, outcome, score",
    [
        (0.7, Outcome.COMPLETE, 0.7),
        (0, Outcome.COMPLETE, 0.0),
        ({"default": 0.7, "auc": 1.0}, Outcome.COMPLETE, 0.7),
        ({"auc": 1.0}, Outcome.FAILED, None),
        ({"default": float("nan")}, Outcome.FAILED, None),
        (float("nan"), Outcome.FAILED, None),
        (float("inf"), Outcome.FAILED, None),
        (None, Outcome.FAILED, None),
        ("0.7", Outcome.FAILED, None),
        ([0.7], Outcome.FAILED, None),
        (True, Outcome.FAILED, None),
    ],
)
def test_whatever_a_trial_reports_is_a_result_or_a_failure(outside, value, outcome, score):
    tuner = make()
    point = tuner.generate_parameters(0)

    tuner.receive_trial_result(0, point, value)

    assert told(tuner) == [Observation(point, outcome, score)]


def test_results_come_in_any_order_and_each_counts_once(outside):
    tuner = make()
    points = [tuner.generate_parameters(i) for i in range(3)]
    for i in (2, 0, 2, 1, 0):
        tuner.receive_trial_result(i, points[i], i / 10, trial_job_id=f"T{i}")

    assert told(tuner) == [Observation(points[i], Outcome.COMPLETE, i / 10) for i in (2, 0, 1)]


def test_the_end_may_overtake_the_result(outside):
    tuner = make()
    point = tuner.generate_parameters(0)
    tuner.trial_end(0, success=True)
    tuner.receive_trial_result(0, point, 0.5)

    assert told(tuner) == [Observation(point, Outcome.COMPLETE, 0.5)]


def test_a_trial_that_ends_without_a_result_is_no_longer_pending(outside):
    tuner = make()
    point = tuner.generate_parameters(0)

    tuner.trial_end(0, success=False)

    assert told(tuner) == [Observation(point, Outcome.CANCELLED)]


def test_a_wrong_id_in_trial_end_does_not_lose_the_result(outside):
    """NNI 3.0 may name another trial that still runs."""
    tuner = make()
    point = tuner.generate_parameters(0)
    tuner.trial_end(0, success=False)
    tuner.receive_trial_result(0, point, 0.5)

    assert told(tuner)[-1] == Observation(point, Outcome.COMPLETE, 0.5)


ODD_CALLS = [
    ("an end of nobody", lambda t: t.trial_end(None, success=False)),
    ("an unknown end", lambda t: t.trial_end(99, success=False)),
    ("an unknown success", lambda t: t.trial_end(99, success=True)),
    ("an end with more words", lambda t: t.trial_end(0, False, why="so")),
    ("a result without parameters", lambda t: t.receive_trial_result(99, None, 0.5)),
    ("a result with text", lambda t: t.receive_trial_result(99, "no json", 0.5)),
    ("a result of nothing", lambda t: t.receive_trial_result(None, None, None)),
    ("imported nothing", lambda t: t.import_data(None)),
    ("imported odd things", lambda t: t.import_data([None, 3, {}, {"parameter": 3, "value": 1}])),
    ("imported without values", lambda t: t.import_data([{"parameter": {"x": 0.1, "c": "a"}}])),
    ("imported NaN", lambda t: t.import_data([{"parameter": {}, "value": float("nan")}])),
    ("a faulty space", lambda t: t.update_search_space({"x": {"_type": "unifrom"}})),
    ("no space", lambda t: t.update_search_space(None)),
]


@pytest.mark.parametrize("call", [call for _, call in ODD_CALLS], ids=[n for n, _ in ODD_CALLS])
def test_whatever_nni_calls_nothing_is_raised_and_proposals_go_on(outside, call):
    tuner = make()
    tuner.generate_parameters(0)

    call(tuner)

    assert all(one.outcome is not Outcome.COMPLETE for one in told(tuner))
    assert set(tuner.generate_parameters(1)) == {"x", "c"}


def test_a_persons_own_trial_is_used_if_it_lies_in_the_space(outside):
    tuner = make()
    for number, point in enumerate([{"x": 0.25, "c": "a"}, {"x": 7, "c": "a"}, {"x": 0.5}]):
        tuner.receive_trial_result(number, point, 0.5, customized=True, trial_job_id=f"T{number}")

    assert tuner._accept_customized
    assert told(tuner) == [Observation({"x": 0.25, "c": "a"}, Outcome.COMPLETE, 0.5)]


def test_imported_results_are_told_once(outside):
    tuner = make()
    entry = {"parameter": {"x": 0.25, "c": "a"}, "value": {"default": 0.9}, "trialJobId": "T1"}
    text = {"parameter": '{"x": 0.75, "c": "b"}', "value": 0.8}
    for _ in range(2):
        tuner.import_data([entry])
    tuner.import_data([text])

    assert told(tuner) == [
        Observation({"x": 0.25, "c": "a"}, Outcome.COMPLETE, 0.9),
        Observation({"x": 0.75, "c": "b"}, Outcome.COMPLETE, 0.8),
    ]


def test_a_changed_search_space_keeps_the_history_that_fits(outside):
    tuner = make()
    tuner.receive_trial_result(0, {"x": 0.25, "c": "a"}, 0.1)
    tuner.receive_trial_result(1, {"x": 0.75, "c": "a"}, 0.2)
    assert len(told(tuner)) == 2

    tuner.update_search_space(HALF)

    known = Observation({"x": 0.25, "c": "a"}, Outcome.COMPLETE, 0.1)
    assert [one for one in told(tuner) if one.outcome is not Outcome.RUNNING] == [known]
    assert tuner.generate_parameters(5)["x"] <= 0.5


def test_the_end_of_the_space_is_nnis_own_error(outside):
    tuner = make(points=2)

    assert len(tuner.generate_multiple_parameters([0, 1, 2])) == 2
    with pytest.raises(NoMoreTrialError):
        tuner.generate_parameters(3)


def test_an_optimizer_that_fails_is_replaced_by_chance(outside, caplog):
    def broken(space, direction):
        raise ZeroDivisionError("broken")

    tuner = AskTellTuner(broken, Direction.MAXIMIZE, seed=1)
    tuner.update_search_space(SPACE)

    assert set(tuner.generate_parameters(0)) == {"x", "c"}
    assert "a random point is tried instead" in caplog.text


# With a ledger


@pytest.mark.parametrize(
    "state, score, outcome, told_score",
    [
        (TrialState.SUCCEEDED, 0.5, Outcome.COMPLETE, 0.5),
        (TrialState.SUCCEEDED, None, Outcome.FAILED, None),
        (TrialState.FAILED, None, Outcome.FAILED, None),
        (TrialState.CANCELLED, None, Outcome.CANCELLED, None),
    ],
)
def test_what_nni_never_tells_comes_from_the_ledger(experiment, state, score, outcome, told_score):
    tuner = make()
    point = tuner.generate_parameters(0)
    experiment.begin_trial("T0", point)
    experiment.end_trial("T0", state, score)

    tuner.trial_end(0, success=False)

    assert told(tuner) == [Observation(point, outcome, told_score)]


def test_a_point_at_which_nothing_can_run_is_told_as_infeasible(experiment):
    tuner = make()
    point = tuner.generate_parameters(0)
    experiment.begin_trial("T0", point)
    failure = Failure(FailureKind.INFEASIBLE, "out of memory")
    experiment.ledger.note_failure("T0", failure)
    experiment.end_trial("T0", TrialState.FAILED)

    assert told(tuner) == [Observation(point, Outcome.INFEASIBLE)]


@pytest.mark.parametrize("knows", [False, True])
def test_a_failure_that_is_run_again_does_not_count(experiment, knows):
    """Whether the optimizer had heard of it or not."""
    tuner = make()
    point, other = tuner.generate_parameters(0), tuner.generate_parameters(1)
    experiment.begin_trial("T0", point)
    experiment.begin_trial("T1", other)
    experiment.end_trial("T0", TrialState.FAILED)
    experiment.end_trial("T1", TrialState.SUCCEEDED, 0.25)
    if knows:
        assert Observation(point, Outcome.FAILED) in told(tuner)
    again = point | {RETRY: "T0"}
    experiment.begin_trial("T2", again, retry_of="T0")
    experiment.end_trial("T2", TrialState.SUCCEEDED, 0.75)

    tuner.receive_trial_result(2, again, 0.75, trial_job_id="T2")

    known = [one for one in told(tuner) if one.outcome is not Outcome.RUNNING]
    assert sorted(known, key=lambda one: one.score) == [
        Observation(other, Outcome.COMPLETE, 0.25),
        Observation(point, Outcome.COMPLETE, 0.75),
    ]


def test_an_early_stopped_trial_is_told_with_its_last_score_and_step(experiment):
    tuner = make()
    point = tuner.generate_parameters(0)
    experiment.begin_trial("T0", point)
    experiment.evaluate("T0", {100: 0.4, 200: 0.3})
    experiment.end_trial("T0", TrialState.STOPPED)

    assert told(tuner) == [Observation(point, Outcome.STOPPED, 0.3, 200)]


@pytest.mark.parametrize("first", ["nni", "ledger"])
def test_a_trial_that_both_know_counts_once(experiment, first):
    tuner = make()
    point = tuner.generate_parameters(0)
    experiment.begin_trial("T0", point)
    experiment.end_trial("T0", TrialState.SUCCEEDED, 0.5)
    if first == "ledger":
        told(tuner)

    tuner.receive_trial_result(0, point, 0.5, trial_job_id="T0")

    assert told(tuner) == [Observation(point, Outcome.COMPLETE, 0.5)]


def test_after_a_resume_ledger_and_imported_data_come_to_the_same(experiment):
    make()
    points = [{"x": 0.1, "c": "a"}, {"x": 0.2, "c": "b"}]
    for number, point in enumerate(points):
        experiment.begin_trial(f"T{number}", point, number=number)
    experiment.end_trial("T0", TrialState.SUCCEEDED, 0.5)
    experiment.end_trial("T1", TrialState.STOPPED)
    imported = [{"parameter": points[0], "value": 0.5, "trialJobId": "T0"}]

    resumed, without_import = make(), make()
    resumed.import_data(imported)

    assert told(resumed) == told(without_import)
    assert len(told(resumed)) == 2


@pytest.mark.parametrize("first", ["nni", "ledger"])
def test_a_resumed_trial_reports_without_its_id_and_counts_once(experiment, first):
    tuner, point = make(), {"x": 0.1, "c": "a"}
    experiment.begin_trial("T0", point)
    experiment.end_trial("T0", TrialState.SUCCEEDED, 0.5)
    if first == "ledger":
        told(tuner)

    tuner.import_data([{"parameter": point, "value": {"default": 0.5}}])

    assert told(tuner) == [Observation(point, Outcome.COMPLETE, 0.5)]


def test_a_trial_that_still_runs_is_not_told(experiment):
    tuner = make()
    experiment.begin_trial("T0", tuner.generate_parameters(0))

    tuner.trial_end(0, success=False)  # NNI 3.0 may mean another one

    assert told(tuner) == []


@pytest.mark.usefixtures("experiment")
def test_a_faulty_search_space_is_refused_at_first():
    tuner = AskTellTuner(Diary, Direction.MAXIMIZE)

    with pytest.raises(SettingsError, match="unifrom"):
        tuner.update_search_space({"x": {"_type": "unifrom", "_value": [0, 1]}})


def test_a_ledger_that_fails_later_does_not_stop_the_proposals(experiment, caplog):
    tuner = make()
    tuner._dispatcher.ledger.close()

    tuner.trial_end(0, success=False)

    assert set(tuner.generate_parameters(0)) == {"x", "c"}


def test_nothing_is_proposed_without_room_in_the_budget_and_again_when_it_is_raised(experiment):
    ini = experiment.directory / "trial.ini"
    experiment.configure({"trialCommand": f"python3 -m hpo_nni.trial --config={ini}"})
    tuner = make()
    ini.write_text("[cost_config]\njob_hour=1\nbudget=5\ntrial_cost=3\n", encoding="utf-8")
    tuner.generate_parameters(0)

    with pytest.raises(NoMoreTrialError, match=r"the budget of 5\.00 has no room for another"):
        tuner.generate_parameters(1)
    assert "no room" in experiment.ledger.experiment("Exp1").settings["budget_stop"]

    ini.write_text("[cost_config]\njob_hour=1\nbudget=6\ntrial_cost=3\n", encoding="utf-8")
    tuner.generate_parameters(2)
    assert experiment.ledger.experiment("Exp1").settings["budget_stop"] == ""


def test_a_settings_file_with_faults_holds_no_proposal_back(experiment, caplog):
    ini = experiment.directory / "trial.ini"
    experiment.configure({"trialCommand": f"python3 -m hpo_nni.trial --config={ini}"})
    tuner = make()
    ini.write_text("[cost_config]\njob_hour=cheap\n", encoding="utf-8")

    assert tuner.generate_parameters(0)
    assert "the budget is not known here" in caplog.text


def test_nothing_is_proposed_in_an_experiment_that_was_ended(experiment):
    tuner = make()
    tuner.generate_parameters(0)

    experiment.ledger.halt_experiment("Exp1", "hpo-nni kill ended it")

    with pytest.raises(NoMoreTrialError, match="hpo-nni kill ended it"):
        tuner.generate_parameters(1)


def test_each_space_that_nni_hands_over_is_noted_once(experiment):
    tuner = make()
    tuner.update_search_space(SPACE)
    tuner.update_search_space(HALF)

    assert [json.loads(one.text) for one in experiment.ledger.inputs("Exp1")] == [SPACE, HALF]
