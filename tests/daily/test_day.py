"""The days of a project, with everything outside of them made up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from hpo_nni.daily.day import Day
from hpo_nni.daily.project_file import read_project
from hpo_nni.daily.window import Window
from hpo_nni.errors import NniError, Problem, SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord, TrialState
from hpo_nni.trial.calendar import Unit

PROJECT = """\
experiment: config.yml
days: {tuning: 2, holdout: 5}
wait: {every: 10m, deadline: 1h}
budget: {trials: 4}
ship: {challengers: 1}
"""
UNTUNED = ()


class Killed(BaseException):
    """Stands in for SIGKILL: no code of ours runs after it."""


@dataclass
class MadeUp:
    """A world in which the score of a point on a day is known.

    Attributes:
        sweeps: points and tuning scores of each sweep to come.
        gains: held-out gain over the untuned config, by lr.
        late: how often the data is not there yet.
        killed_at: where the process is killed, once.
    """

    ledger: Ledger
    window: Window
    sweeps: list
    gains: dict = field(default_factory=dict)
    late: int = 0
    now: float = 1000.0
    killed_at: str = ""
    did: list = field(default_factory=list)
    fault: Exception | None = None

    def _do(self, what):
        self.did.append(what)
        if self.killed_at == what:
            self.killed_at = ""
            raise Killed

    def missing(self):
        self._do("look")
        self.late -= 1
        return ["day.csv"] if self.late >= 0 else []

    def pause(self, seconds):
        self.now += seconds

    def sweep(self, experiment_id, announce):
        if not experiment_id:
            experiment_id = f"Exp{len(self.ledger.experiments())}"
            announce(experiment_id)
        self._do("sweep")
        if self.fault:
            raise self.fault
        self.ledger.begin_experiment(ExperimentRecord(experiment_id, self.now, "maximize"))
        for number, (lr, score) in enumerate(self.sweeps.pop(0)):
            name = f"{experiment_id}-{number}"
            point = {} if lr is None else {"lr": lr}
            record = TrialRecord(
                name, experiment_id, number, self.now, point, is_baseline=not point
            )
            self.ledger.begin_trial(record)
            state = TrialState.FAILED if score is None else TrialState.SUCCEEDED
            self.ledger.end_trial(name, state, "", score)
        self._do("swept")

    def walk(self, experiment_id, contenders):
        self._do("walk")
        days = enumerate(self.window.held_out)
        wobble = {day: 0.001 * (number % 2) for number, day in days}
        return {
            one.name: {
                day: 0.7 + wobble[day] * len(one.point) + self.gains.get(one.point.get("lr"), 0.0)
                for day in self.window.held_out
            }
            if self.gains.get(one.point.get("lr"), 0.0) is not None
            else {}
            for one in contenders
        }

    def publish(self, run):
        self._do("publish")


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        yield ledger


@pytest.fixture
def day_of(tmp_path, ledger):
    (tmp_path / "config.yml").write_text("")
    (tmp_path / "project.yml").write_text(PROJECT)
    project = read_project(tmp_path / "project.yml")

    def make(number=11, **facts):
        window = Window(datetime(2026, 10, number), Unit.DAY, 2, 5)  # noqa: DTZ001
        facts = {"sweeps": [[(None, 0.7), (0.1, 0.8), (0.2, 0.9)]], "gains": {0.2: 0.05}} | facts
        world = MadeUp(ledger, window, **facts)
        return Day(project, "shop", window, ledger, world, clock=lambda: world.now)

    return make


def test_a_better_challenger_ships_and_is_the_next_days_champion(day_of):
    run = day_of(11).run()

    assert (run.state, run.champion, run.challenger) == ("shipped", {}, {"lr": 0.2})
    assert run.experiment_id == "Exp0"
    assert list(run.challenger_scores) == [f"202610{day:02}" for day in (7, 8, 9, 10, 11)]
    assert run.verdict["difference"] == pytest.approx(0.0504)
    following = day_of(12, sweeps=[[(0.3, 0.9)]], gains={0.2: 0.05, 0.3: 0.0}).run()
    assert (following.state, following.champion) == ("kept", {"lr": 0.2})
    assert day_of(13, sweeps=[[(0.3, 0.9)]]).run().champion == {"lr": 0.2}


def test_one_that_is_no_better_is_kept_out_and_the_reason_has_the_figures(day_of):
    run = day_of(gains={0.2: 0.0}).run()

    assert run.state == "kept"
    assert "at most 0.05 was asked for" in run.message


def test_a_decided_day_is_not_touched_again(day_of):
    first = day_of().run()
    again = day_of()

    assert again.run() == first
    assert again.work.did == []


@pytest.mark.parametrize("where", ["look", "sweep", "swept", "walk", "publish"])
def test_a_call_that_was_killed_is_gone_on_with(day_of, where):
    """What was done is not done again, but for the step in which it was killed."""
    day = day_of(killed_at=where, sweeps=[[(0.2, 0.9)], []])
    with pytest.raises(Killed):
        day.run()
    day.work.did.clear()

    run = day.run()

    steps = ["look", "sweep", "swept", "walk", "publish"]
    left = {"look": 0, "sweep": 1, "swept": 1, "walk": 3, "publish": 3}
    assert run.state == "shipped"
    assert run.experiment_id == "Exp0"
    assert day.work.did == steps[left[where] :]


def test_data_that_is_late_is_waited_for(day_of):
    day = day_of(late=2)

    assert day.run().state == "shipped"
    assert day.work.now == 1000.0 + 2 * 600


def test_where_it_may_not_wait_the_day_stays_open_and_its_deadline_runs(day_of):
    day = day_of(late=99)

    run = day.run(may_wait=False)
    assert (run.state, run.message) == ("waiting", "waits for day.csv")
    day.work.now += 3601
    run = day.run(may_wait=False)
    assert (run.state, run.message) == ("failed", "gave up after 1 h: it waits for day.csv")


def test_a_failed_day_is_taken_up_when_somebody_says_so(day_of):
    day = day_of(fault=NniError("the manager has gone"))
    run = day.run()
    assert (run.state, run.message) == ("failed", "the manager has gone")
    day.work.fault = None
    assert day.run().state == "failed"

    assert day.run(again=True).state == "shipped"


def test_files_that_are_wrong_leave_the_day_open(day_of):
    day = day_of(fault=SettingsError([Problem("config.yml", "is wrong")]))

    with pytest.raises(SettingsError):
        day.run()

    assert day.known().state == "sweeping"


@pytest.mark.parametrize(
    ("sweep", "state", "message"),
    [
        ([(None, 0.7)], "kept", "the sweep found nothing but the champion"),
        ([(0.1, None)], "failed", "no trial of the sweep Exp0 succeeded"),
        ([(0.4, 0.9)], "kept", "the challenger has no score on the held-out days"),
    ],
)
def test_a_sweep_without_a_challenger_that_works_changes_nothing(day_of, sweep, state, message):
    run = day_of(sweeps=[sweep], gains={0.4: None}).run()

    assert (run.state, run.message) == (state, message)


def test_several_challengers_are_accounted_for(day_of):
    day = day_of(gains={0.1: 0.05, 0.2: 0.0})
    terms = replace(day.project.terms, challengers=2, level=0.1)
    day.project = replace(day.project, terms=terms)

    run = day.run()

    assert (run.state, run.challenger) == ("shipped", {"lr": 0.1})
    assert run.verdict["comparisons"] == 2
