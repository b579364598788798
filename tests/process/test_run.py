"""When `hpo-nni run` ends, under the real NNI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord, TrialState
from hpo_nni.trial.spending import Account

pytestmark = pytest.mark.nni

CORE = Path(__file__).parent.parent.parent / "core"

ONE_POINT = {"model.quality": {"_type": "choice", "_value": [0.5]}}


def states(folder):
    with Ledger.open(folder.working_directory) as ledger:
        return [trial.state for trial in ledger.trials(ledger.experiments()[-1].id)]


def test_a_last_trial_that_is_slow_to_start_is_waited_for(experiment):
    """NNI says NO_MORE_TRIAL as soon as the last one is submitted."""
    command = "sleep 4; python3 -m hpo_nni.trial --config=./trial.ini"
    folder = experiment(trialConcurrency=1, maxTrialNumber=1, trialCommand=command)

    code, output = folder.run("run", "config.yml")

    assert code == 0, output
    assert states(folder) == [TrialState.SUCCEEDED]
    assert "trials       1: 1 succeeded" in output


def test_a_tuner_that_runs_out_of_points_ends_the_experiment(experiment):
    """NNI would wait for ever, and never calls it DONE."""
    folder = experiment(space=ONE_POINT, maxTrialNumber=10, experimentName="mine")

    code, output = folder.run("run", "config.yml")

    assert code == 0, output
    assert states(folder) == [TrialState.SUCCEEDED]
    with Ledger.open(folder.working_directory) as ledger:
        assert [one.project for one in ledger.experiments()] == ["mine"]


def test_arguments_that_do_not_fit_the_space_end_the_experiment_with_their_letter(experiment):
    """NNI keeps the space from the dispatcher's arguments; it comes before the first proposal."""
    tuner = {"codeDirectory": str(CORE), "className": "hazero_tuner.HAZeroTuner"}
    folder = experiment(tuner={**tuner, "classArgs": {"init": {"model.qualty": 0.5}}})

    code, output = folder.run("run", "config.yml")

    assert code != 0
    assert "init has 'model.qualty', which the search space has not" in output
    assert "did you mean 'model.quality'?" in output


def test_options_replace_what_the_config_says(experiment):
    folder = experiment(trialConcurrency=1, maxTrialNumber=9)

    code, output = folder.run("run", "config.yml", "--max-trials=2", "--concurrency=2")

    assert code == 0, output
    assert "/2 trials done" in output
    assert len(states(folder)) == 2
    with Ledger.open(folder.working_directory) as ledger:
        experiment_id = ledger.experiments()[-1].id
        starts = [job.intended for t in ledger.trials(experiment_id) for job in ledger.jobs(t.id)]
        ends = [trial.ended for trial in ledger.trials(experiment_id)]
    assert max(starts) < min(ends)  # they ran side by side


def test_show_and_logs_find_what_ran(experiment):
    folder = experiment(maxTrialNumber=1)
    folder.run("run", "config.yml")

    for where in [], ["--dir=expdir"]:
        code, shown = folder.run("show", *where)
        assert code == 0, shown
        assert "trials       1: 1 succeeded" in shown
        code, facts = folder.run("show", "--json", *where)
        best = json.loads(facts)["best"]
        assert f"best trial   0 ({best['id']})" in shown
        code, log = folder.run("logs", "0", *where)
        assert code == 0, log
        assert "cmd1: succeeded exit code 0" in log
        code, compared = folder.run("compare", json.loads(facts)["experiment"], "expdir", *where)
        assert code == 0, compared
        assert "config       job.config: no difference" in compared
        assert "not recorded" not in compared


def test_a_sweep_starts_from_the_earlier_ones_of_its_name(experiment):
    """NNI tells the dispatcher the experiment's name, by which they are found."""
    arguments = {"seed": 1, "warm_start": "auto"}
    tuner = {"codeDirectory": str(CORE), "className": "auto_tuner.AutoTuner"}
    folder = experiment(
        experimentName="mine", maxTrialNumber=1, tuner={**tuner, "classArgs": arguments}
    )
    with Ledger.open(folder.working_directory) as ledger:
        ledger.begin_experiment(ExperimentRecord("Old", 1.0, "maximize", "mine"))
        for number, quality in enumerate((0.25, 0.625, 0.5)):
            point = {"model.quality": quality}
            ledger.begin_trial(TrialRecord(f"O{number}", "Old", number, 1.0, parameters=point))
            ledger.end_trial(f"O{number}", TrialState.SUCCEEDED, "", quality)

    code, output = folder.run("run", "config.yml")

    assert code == 0, output
    code, story = folder.run("why", "0")
    words = "because it was the best of sweep Old, as its trial 1: model.quality = 0.625"
    assert words in story


PRICES = """
[cost_config]
currency = CNY
job_hour = 3600
trial_cost = {trial_cost}
budget = {budget}
"""


@pytest.mark.parametrize("tuner", ["AutoTuner", "Random"])
def test_a_budget_ends_the_experiment_and_says_so(experiment, tuner):
    """Our tuner proposes no more; NNI's own is told by NNI's own limit, which a trial lowers."""
    costs = PRICES.format(trial_cost=100, budget=106)
    chosen = {"name": tuner, "classArgs": {"seed": 1}}
    if tuner == "AutoTuner":
        chosen |= {"codeDirectory": str(CORE), "className": "auto_tuner.AutoTuner"}
        del chosen["name"]
    folder = experiment(costs=costs, maxTrialNumber=40, tuner=chosen)

    code, output = folder.run("run", "config.yml")

    assert code == 0, output
    assert " of 106.00 CNY" in output, "the status line has what was spent"
    assert "budget       the budget of 106.00 CNY has no room for another trial" in output
    found = states(folder)
    assert TrialState.SUCCEEDED in found
    assert set(found) <= {TrialState.SUCCEEDED, TrialState.STOPPED, TrialState.CANCELLED}
    assert len(found) < 40
    with Ledger.open(folder.working_directory) as ledger:
        (record,) = ledger.experiments()
        assert 0 < Account.read(ledger, record.id, 0.0).spent <= 106
        for trial in ledger.trials(record.id):
            if trial.state is TrialState.CANCELLED:
                assert ledger.jobs(trial.id) == []
