"""AutoTuner, HAZeroTuner and PSHE2Tuner as NNI calls them."""

from __future__ import annotations

import json
import time

import pytest

from hpo_nni.core.auto_tuner import AutoTuner
from hpo_nni.core.hazero_tuner import HAZeroTuner
from hpo_nni.core.optuna_tuner import OptunaTuner
from hpo_nni.core.pshe2_tuner import PSHE2Tuner
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.algorithms import NoMoreTrialError

pytestmark = pytest.mark.nni

SPACE = {
    "rate": {"_type": "loguniform", "_value": ["1e-4", 0.1]},  # as YAML reads 1e-4
    "units": {"_type": "choice", "_value": [[8], [16, 8]]},
    "optimizer": {
        "_type": "choice",
        "_value": [
            {"_name": "sgd", "momentum": {"_type": "uniform", "_value": [0, 1]}},
            {"_name": "adam"},
        ],
    },
}
SMALL = {"n": {"_type": "randint", "_value": [0, 3]}}
EACH = [AutoTuner, HAZeroTuner, OptunaTuner, PSHE2Tuner]
each = pytest.mark.parametrize("kind", EACH)


@pytest.fixture
def outside(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)


def started(kind, space=SPACE, **arguments):
    tuner = kind(**{"seed": 1, **arguments})
    tuner.update_search_space(space)
    return tuner


def points(tuner, count=12, value=lambda point: point["rate"]):
    made = []
    for number in range(count):
        made.append(tuner.generate_parameters(number))
        tuner.receive_trial_result(number, made[-1], value(made[-1]))
    return made


@each
def test_points_have_nnis_shape_and_follow_the_seed(outside, kind):
    first, second = (points(started(kind)) for _ in range(2))

    assert first == second
    for point in first:
        assert 1e-4 <= point["rate"] <= 0.1
        assert point["units"] in ([8], [16, 8])
        assert set(point["optimizer"]) in ({"_name", "momentum"}, {"_name"})


@each
def test_results_may_come_late_in_any_order_twice_or_never(outside, kind):
    tuner = started(kind)
    made = {number: tuner.generate_parameters(number) for number in range(8)}
    odd = (None, float("nan"), {"auc": 1.0}, "0.5")
    for number, value in zip((5, 3, 3, 0, 1, 2), (0.1, 0.2, 0.2, *odd[:3]), strict=True):
        tuner.trial_end(number, success=number % 2 == 0)
        tuner.receive_trial_result(number, made[number], value)
    tuner.receive_trial_result(99, {"rate": 7}, 0.3)

    later = [tuner.generate_parameters(number) for number in range(10, 16)]

    assert len({json.dumps(point, sort_keys=True) for point in [*made.values(), *later]}) == 14


@each
def test_a_small_space_ends_with_nnis_own_error(outside, kind):
    tuner = started(kind, SMALL)

    assert sorted(tuner.generate_parameters(number)["n"] for number in range(3)) == [0, 1, 2]
    with pytest.raises(NoMoreTrialError):
        tuner.generate_parameters(3)


@each
def test_a_changed_space_keeps_what_fits_and_what_runs(outside, kind):
    tuner = started(kind, SMALL)
    running, ended = (tuner.generate_parameters(number) for number in range(2))
    tuner.receive_trial_result(1, ended, 0.5)
    tuner.update_search_space({"n": {"_type": "randint", "_value": [0, 5]}})

    later = [tuner.generate_parameters(number)["n"] for number in range(2, 5)]

    assert sorted([running["n"], ended["n"], *later]) == [0, 1, 2, 3, 4]


@each
def test_a_resume_is_the_same_from_the_ledger_as_from_imported_data(experiment, kind):
    started(kind)
    tried = points(started(kind), 5)
    for number, point in enumerate(tried):
        experiment.begin_trial(f"T{number}", point, number=number)
        experiment.end_trial(f"T{number}", TrialState.SUCCEEDED, 0.1 * number)
    experiment.begin_trial("T5", {**tried[0], "rate": 0.05}, number=5)  # it runs again

    from_ledger, from_both = started(kind), started(kind)
    from_both.import_data(
        [
            {"parameter": point, "value": 0.1 * number, "trialJobId": f"T{number}"}
            for number, point in enumerate(tried)
        ]
    )
    proposed = [from_ledger.generate_parameters(number) for number in range(3)]

    assert proposed == [from_both.generate_parameters(number) for number in range(3)]
    assert all(point not in tried for point in proposed)


def test_objectives_and_limits_read_the_metrics(outside):
    goals = {"objectives": ["auc", "-latency"], "constraints": ["latency < 20"]}
    tuner = started(AutoTuner, **goals)
    for number in range(12):
        point = tuner.generate_parameters(number)
        metrics = {"auc": point["rate"], "latency": 300 * point["rate"]}
        tuner.receive_trial_result(number, point, {"default": 0.0, **metrics})

    assert set(tuner.generate_parameters(12)) == set(SPACE)


@pytest.mark.parametrize("method", ["random", "sobol", "grid"])
def test_methods_that_learn_nothing_go_by_name(outside, method):
    up = points(started(AutoTuner, method=method))

    assert up == points(started(AutoTuner, method=method), value=lambda point: -point["rate"])


@pytest.mark.parametrize(
    "kind, arguments, words",
    [
        (AutoTuner, {"objectives": [3]}, "objectives is [3]; expected a text or a list of texts"),
        (AutoTuner, {"objectives": ["-"]}, "'-' names no metric"),
        (AutoTuner, {"constraints": "x"}, "'x' is no limit on a metric"),
        (AutoTuner, {"method": "gird"}, "method is 'gird'"),
        (AutoTuner, {"method": "grid", "objectives": ["a"]}, "method grid knows no objectives"),
        (AutoTuner, {"warm_start": []}, "warm_start is []; expected off, auto, or ids"),
        (AutoTuner, {"warm_start": "auto", "method": "grid"}, "method grid learns nothing"),
        (AutoTuner, {"trails": 5}, "did you mean 'trials'?"),
        (AutoTuner, {"optimize_mode": "up", "trials": 0}, "trials is 0"),
        (HAZeroTuner, {"popsize": 1}, "popsize is 1; expected a whole number of at least 2"),
        (HAZeroTuner, {"init": [1]}, "init is [1]; expected a mapping"),
        (PSHE2Tuner, {"faithful": "yes"}, "faithful is 'yes'; expected true or false"),
        (PSHE2Tuner, {"popsize": 0}, "popsize is 0"),
    ],
)
def test_wrong_arguments_are_refused(outside, kind, arguments, words):
    with pytest.raises(SettingsError) as caught:
        kind(**arguments)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "kind, arguments, words",
    [
        (HAZeroTuner, {"init": {"raet": 1}}, "init has 'raet', which the search space has not"),
        (PSHE2Tuner, {"init": {"rate": 7}}, "init: rate cannot be 7"),
        (AutoTuner, {"warm_start": ["Old"]}, "there is no experiment 'Old'"),
        (AutoTuner, {"warm_start": "auto"}, "warm_start: auto goes by experimentName"),
    ],
)
def test_what_does_not_fit_the_experiment_is_refused(experiment, kind, arguments, words):
    experiment.configure({})

    with pytest.raises(SettingsError) as caught:
        kind(**arguments).update_search_space(SPACE)

    assert words in str(caught.value)


@pytest.mark.parametrize("kind", [HAZeroTuner, PSHE2Tuner])
def test_a_start_may_be_given(outside, kind):
    high = points(started(kind, init={"rate": 0.09}, popsize=8), 8)
    low = points(started(kind, init={"rate": 0.0002}, popsize=8), 8)

    assert sum(point["rate"] for point in high) > sum(point["rate"] for point in low)


@each
def test_construction_is_quick(outside, kind):
    """NNI gives the dispatcher 10 s to connect; the rest is imported at the first proposal."""
    begin = time.process_time()
    started(kind)

    assert time.process_time() - begin < 0.2
