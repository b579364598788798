"""What an experiment has cost, out of a ledger with a clock of the test's own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.costs import Prices
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, JobRecord, TrialRecord, TrialState
from hpo_nni.trial.budget import FACTS, STOPPED, Budget
from hpo_nni.trial.cost_settings import CostSettings
from hpo_nni.trial.spending import Account

PRICES = Prices("CNY", {"job": 3600.0})  # a second costs one


class World:
    """A ledger in which trials run for as long as it is told."""

    def __init__(self, folder):
        self.now = 0.0
        self.ledger = Ledger.open(folder, clock=lambda: self.now)
        self.ledger.begin_experiment(ExperimentRecord("e", 0.0, "maximize"))
        self.jobs = itertools.count()

    def begin(self, name, *, rate=3600.0):
        self.ledger.begin_trial(TrialRecord(name, "e", next(self.jobs), self.now))
        self.submit(name, rate)

    def submit(self, name, rate=3600.0):
        record = JobRecord(name, name, "cmd1", "local", "", self.now, "h", "b", 1, 1, rate=rate)
        self.ledger.intend_job(record)
        self.ledger.observe_job(name, is_running=True)

    def end(self, name, state=TrialState.SUCCEEDED):
        self.ledger.end_job(name, "succeeded")
        self.ledger.end_trial(name, state, "")

    def budget(self, amount, **more):
        return Budget(self.ledger, "e", CostSettings(PRICES, budget=amount, **more))

    def account(self):
        return Account.read(self.ledger, "e", self.now)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.ledger.close()


def test_without_prices_there_is_no_account(world):
    world.begin("a", rate=None)
    Budget(world.ledger, "e", CostSettings()).admit_trial(0.0, "a")

    assert world.account() is None
    assert FACTS not in world.ledger.experiment("e").settings


def test_trials_are_counted_by_how_they_ended(world):
    for number, state in enumerate([TrialState.SUCCEEDED, TrialState.STOPPED, TrialState.FAILED]):
        world.begin(state.value)
        world.now += 10.0 + number
        world.end(state.value, state)
    world.begin("r")
    world.now += 5.0
    world.budget(None).admit_trial(world.now, "r")
    account = world.account()

    assert {one.state: one.amount for one in account.trials.values()} == {
        "succeeded": 10.0,
        "stopped": 11.0,
        "failed": 12.0,
        "running": 5.0,
    }
    assert account.spent == 38.0
    assert account.words(4) == "38.00 CNY, 40.63 to 47.37 in all"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("rwe"), st.floats(0.0, 500.0)), max_size=8))
def test_the_total_is_the_integral_whatever_a_job_does(tmp_path_factory, events):
    """Running, waiting in the queue, ending; in any order, as often as it likes."""
    world = World(tmp_path_factory.mktemp("ledger"))
    world.begin("a")
    world.budget(None).admit_trial(0.0, "a")
    is_running, is_over, integral = True, False, 0.0
    for kind, seconds in events:
        world.now += seconds
        integral += seconds if is_running and not is_over else 0.0
        assert world.account().spent == pytest.approx(integral)
        if kind == "e":
            world.ledger.end_job("a", "succeeded")
            is_over = True
        else:
            is_running = kind == "r"
            world.ledger.observe_job("a", is_running=is_running)
    world.ledger.close()


def test_a_trial_without_room_is_refused_and_the_experiment_says_so(world):
    world.begin("a")
    world.now = 6.0
    world.end("a")
    world.begin("b")
    world.ledger.begin_trial(TrialRecord("c", "e", 9, world.now))
    reason = world.budget(13.0).admit_trial(world.now, "c")

    assert reason == (
        "the budget of 13.00 CNY has no room for another trial: 6.00 spent, "
        "6.00 expected of trials that run, and one more is expected to cost 6.00"
    )
    assert world.account().stopped == reason


def test_a_later_trial_that_finds_room_again_says_so(world):
    world.ledger.begin_trial(TrialRecord("a", "e", 1, 0.0))
    assert world.budget(5.0, trial_cost=9.0).admit_trial(1.0, "a")
    world.ledger.begin_trial(TrialRecord("b", "e", 2, 2.0))

    assert world.budget(50.0, trial_cost=9.0).admit_trial(2.0, "b") == ""
    assert world.account().stopped == ""


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_of_trials_that_begin_together_the_first_gets_the_room(world, order):
    world.begin("a")
    world.now = 6.0
    world.end("a")
    for name in "bc":
        world.ledger.begin_trial(TrialRecord(name, "e", 1, world.now))

    said = {name: world.budget(12.0).admit_trial(world.now, name) for name in order}

    assert said["b"] == ""
    assert "no room" in said["c"]
    assert world.account().stopped == said["c"], "whoever of them asks last"


def test_what_a_tuner_has_proposed_is_counted(world):
    world.begin("a")
    world.now = 6.0
    world.end("a")

    assert world.budget(12.0).admit_proposal(world.now, awaited=0) == ""
    assert "no room" in world.budget(12.0).admit_proposal(world.now, awaited=1)


def test_a_trial_does_not_clear_what_the_tuner_has_said(world):
    world.begin("a")
    assert world.budget(5.0, trial_cost=9.0).admit_proposal(0.0, awaited=0)
    assert world.budget(50.0).admit_trial(0.0, "a") == ""

    assert world.ledger.experiment("e").settings[STOPPED]
