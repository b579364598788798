from __future__ import annotations

import importlib.util
import time

import pytest

from hpo_nni.core.optuna_tuner import OptunaTuner
from hpo_nni.errors import SettingsError

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


@pytest.fixture(autouse=True)
def _outside(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)


def points(count=15, sign=1, **arguments):
    tuner = OptunaTuner(**arguments)
    tuner.update_search_space(SPACE)
    made = []
    for number in range(count):
        made.append(tuner.generate_parameters(number))
        tuner.receive_trial_result(number, made[-1], sign * made[-1]["rate"])
    return made


def test_the_same_seed_gives_the_same_points():
    assert points(seed=1) == points(seed=1)
    assert points(seed=1) != points(seed=2)


def test_points_have_nnis_shape():
    for point in points(seed=1):
        assert 1e-4 <= point["rate"] <= 0.1
        assert point["units"] in ([8], [16, 8])
        assert set(point["optimizer"]) in ({"_name", "momentum"}, {"_name"})


def test_both_directions_are_followed():
    up = points(seed=1, count=30)
    down = points(seed=1, count=30, optimize_mode="minimize", sign=-1)

    assert up == down
    assert sum(p["rate"] for p in up[20:]) > sum(p["rate"] for p in up[:10])


def test_the_random_sampler_learns_nothing():
    assert points(seed=1, sampler="random") == points(seed=1, sampler="random", sign=-1)


@pytest.mark.parametrize("sampler", ["cmaes", "nsgaii", "NSGAIIISampler", "qmc", "TPESampler"])
def test_samplers_go_by_name(sampler):
    assert len(points(seed=1, sampler=sampler)) == 15


def test_samplers_take_their_own_arguments():
    few, many = (points(seed=1, sampler_arguments={"n_ei_candidates": count}) for count in (2, 100))

    assert few[:10] == many[:10]
    assert few != many


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is here")
def test_the_sampler_that_needs_pytorch_says_so():
    with pytest.raises(SettingsError, match="sampler gp needs PyTorch"):
        OptunaTuner(sampler="gp")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"sampler": "tpee"}, "sampler is 'tpee'; expected tpe or random or cmaes or gp"),
        ({"sampler_arguments": 3}, "sampler_arguments is 3; expected a mapping"),
        ({"seed": 1.5}, "seed is 1.5; expected a whole number of at least 0"),
        ({"baseline_trials": True}, "baseline_trials is True"),
        ({"baseline_trails": 1}, "did you mean 'baseline_trials'?"),
        ({"startup_trials": 0}, "startup_trials is 0; expected a whole number of at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(SettingsError) as caught:
        OptunaTuner(**arguments)

    assert words in str(caught.value)


def test_construction_is_quick():
    """NNI gives the dispatcher 10 s to connect; Optuna is imported at the first proposal."""
    begin = time.perf_counter()
    OptunaTuner(seed=1).update_search_space(SPACE)

    assert time.perf_counter() - begin < 0.2
