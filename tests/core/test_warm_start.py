"""AutoTuner starts from the earlier sweeps of its project, which it finds in the ledger."""

from __future__ import annotations

import sys

import pytest

from hpo_nni.cli import main
from hpo_nni.core.auto_tuner import AutoTuner
from hpo_nni.core.past import earlier_sweeps
from hpo_nni.ledger.records import (
    JUDGED,
    EvaluationRecord,
    ExperimentRecord,
    TrialRecord,
    TrialState,
)

pytestmark = pytest.mark.nni

SPACE = {
    "rate": {"_type": "uniform", "_value": [0, 1]},
    "size": {"_type": "randint", "_value": [1, 9]},
}
DAYS = ("20261001", "20261002", "20261003")


class Past:
    """Sweeps of yesterday and before, in the ledger of today's experiment."""

    def __init__(self, experiment):
        self.experiment = experiment
        experiment.configure({"experimentName": "daily"})

    @property
    def ledger(self):
        return self.experiment.ledger

    def sweep(self, name, best, started=1.0, **more):
        """A sweep of nine trials, of which the one with rate 0.`best` is the best on each day."""
        record = ExperimentRecord(name, started, "maximize", **{"project": "daily", **more})
        self.ledger.begin_experiment(record)
        for number in range(9):
            self.trial(name, number, abs(number - best), days=DAYS[: 1 + 2 * (number < 7)])

    def trial(self, sweep, number, loss, days=DAYS, state=None, **more):
        name = f"{sweep}{number}"
        point = {"rate": number / 10, "size": 3}
        self.ledger.begin_trial(
            TrialRecord(name, sweep, number, 1.0, **{"parameters": point, **more})
        )
        self.ledger.add_evaluations(
            [
                EvaluationRecord(name, source, step, {"auc": -loss}, 100 * shift - loss, 1.0)
                for shift, day in enumerate(days)
                for source, step in ((day, 1), (JUDGED, shift))
            ]
        )
        ended = state or (TrialState.SUCCEEDED if len(days) == len(DAYS) else TrialState.STOPPED)
        score = 100 - loss if ended is TrialState.SUCCEEDED else None
        self.ledger.end_trial(name, ended, "", score)

    def tuner(self, **arguments):
        self.experiment.configure({"experimentName": "daily"})
        tuner = AutoTuner(**{"seed": 1, "warm_start": "auto", **arguments})
        tuner.update_search_space(SPACE)
        return tuner

    def found(self, wanted=()):
        own = self.ledger.experiment("Exp1")
        return earlier_sweeps(self.ledger, own, wanted)


@pytest.fixture
def past(experiment):
    return Past(experiment)


def first(tuner):
    return tuner.generate_parameters(0)


def test_the_newest_sweep_of_the_project_gives_the_first_point(past):
    past.sweep("Old", best=2, started=1.0)
    past.sweep("New", best=5, started=2.0)
    past.sweep("Other", best=4, started=3.0, project="another")

    tuner = past.tuner()

    assert first(tuner) == {"rate": 0.5, "size": 3}
    assert [sweep.name for sweep in past.found()] == ["Old", "New"]


def test_by_default_and_when_off_the_start_is_cold(past):
    past.sweep("Old", best=2)

    cold = first(past.tuner(warm_start="off"))
    assert first(past.tuner(warm_start=False)) == cold, "YAML reads a bare off as false"
    assert first(past.tuner(warm_start=None)) == cold, "as if it had not been given"


@pytest.mark.parametrize("wanted", ["Other", ["Other"]])
def test_experiments_may_be_named_of_any_project(past, wanted):
    past.sweep("Old", best=2)
    past.sweep("Other", best=7 - 1, project="another")

    assert first(past.tuner(warm_start=wanted)) == {"rate": 0.6, "size": 3}


def test_trials_keep_the_days_that_they_have_and_their_own_kind(past):
    past.sweep("Old", best=2)
    past.trial("Old", 20, 0, state=TrialState.FAILED)
    past.trial("Old", 21, 0, is_baseline=True)
    past.trial("Old", 22, 0, parameters={"rate": 0.9, "size": 4, "_retry_of": "x"})
    past.tuner()

    (sweep,) = past.found()

    assert [trial.name for trial in sweep.trials] == [*map(str, range(9)), "22"]
    assert sweep.trials[0].scores == dict(zip(DAYS, (-2, 98, 198), strict=True))
    assert [trial.is_complete for trial in sweep.trials[-4:]] == [True, False, False, True]
    assert list(sweep.trials[8].scores) == [DAYS[0]]
    assert sweep.trials[-1].point == {"rate": 0.9, "size": 4}


def test_a_day_in_which_a_trial_was_stopped_does_not_count(past):
    past.sweep("Old", best=2)
    past.ledger.add_evaluations([EvaluationRecord("Old8", DAYS[1], 1, {}, 9999.0, 1.0)])
    past.tuner()

    (sweep,) = past.found()

    assert list(sweep.trials[8].scores) == [DAYS[0]]


def test_without_days_a_trial_has_its_score_and_a_stopped_one_none(past):
    past.ledger.begin_experiment(ExperimentRecord("Old", 1.0, "minimize", "daily"))
    past.trial("Old", 0, 3, days=(), state=TrialState.SUCCEEDED)
    past.trial("Old", 1, 3, days=("",), state=TrialState.STOPPED)
    past.tuner()

    (sweep,) = past.found()

    assert [trial.scores for trial in sweep.trials] == [{"": -97.0}], "it was to be minimised"


def test_what_ends_after_the_experiment_began_is_none_of_its_past(past):
    past.sweep("Old", best=2)
    past.tuner()
    before = past.found()
    past.trial("Old", 30, -5)
    past.sweep("Later", best=4, started=4e9)

    assert past.found() == before


def test_a_resumed_experiment_starts_from_the_same_past(past):
    past.sweep("Old", best=2)
    whole = past.tuner()
    points = [whole.generate_parameters(number) for number in range(4)]
    resumed = past.tuner()
    past.trial("Old", 30, -5)
    for number, point in enumerate(points[:3]):
        past.experiment.begin_trial(f"T{number}", point, number=number)

    assert resumed.generate_parameters(3) == points[3]


def test_the_log_and_why_say_which_sweeps_were_used(past, caplog, capsys):
    caplog.set_level("INFO")
    past.sweep("Old", best=2)
    tuner = past.tuner()
    for number in range(2):
        past.experiment.begin_trial(f"T{number}", tuner.generate_parameters(number), number=number)

    assert "warm start from 1 earlier sweeps (Old), 9 trials" in caplog.text
    assert "the best of Old, its trial 2" in caplog.text
    for trial, words in (
        ("T0", "because it was the best of sweep Old, as its trial 2: rate = 0.2, size = 3"),
        ("T1", "by the tuner, which had the sweeps Old to learn from: "),
    ):
        main.main(["why", trial, "--dir", str(past.experiment.directory)])
        assert words in capsys.readouterr().out


def test_the_first_sweep_of_a_project_says_that_it_starts_cold(past, caplog):
    caplog.set_level("INFO")

    first(past.tuner())

    assert "there is no earlier sweep to start from" in caplog.text


def test_a_parameter_that_was_not_tuned_then_has_the_value_of_the_config(past, tmp_path):
    (tmp_path / "job.yaml").write_text("rate: 0.5\nsize: 7\n")
    (tmp_path / "trial.ini").write_text(
        "[platform_config]\nname=local\ncmd1=true\n"
        "[params_config]\nparams_src_dst_filepath=job.yaml\n"
        "[metric_config]\nmetric_type=json\nmetric_source=m.jsonl\nmetric_dict={'auc': 1}\n"
    )
    past.sweep("Old", best=2)
    past.ledger.begin_experiment(ExperimentRecord("Newer", 2.0, "maximize", "daily"))
    past.trial("Newer", 0, 0, parameters={"rate": 0.3})
    config = {
        "experimentName": "daily",
        "trialCommand": f"{sys.executable} -m hpo_nni.trial --config=./trial.ini",
        "trialCodeDirectory": str(tmp_path),
    }
    past.experiment.configure(config)
    tuner = AutoTuner(seed=1, warm_start="Newer")
    tuner.update_search_space(SPACE)

    assert first(tuner) == {"rate": 0.3, "size": 7}
