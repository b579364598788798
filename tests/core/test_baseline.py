from __future__ import annotations

import json

import pytest

from hpo_nni.core.baseline import UNKNOWN, baseline_point
from hpo_nni.core.optuna_tuner import OptunaTuner
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import TrialState
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.space import parse_space

CONFIG = """
train_config {
  learning_rate: 0.001  # as it was
  steps: 200
  name: "base"
}
features { dim: 8 size: 1 }
features { dim: 8 size: 2 }
hidden_units: 64
hidden_units: 32
"""
INI = """
[platform_config]
name=local
cmd1=python3 train.py --config ${config}%s

[params_config]
params_src_dst_filepath=./pipeline.config

[metric_config]
metric_type=summary
metric_source=./model/eval_val
metric_dict={'auc': 1}
"""


def choice(*options):
    return {"_type": "choice", "_value": list(options)}


def uniform(low, high):
    return {"_type": "uniform", "_value": [low, high]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipeline.config").write_text(CONFIG)
    (tmp_path / "trial.ini").write_text(INI % "")
    return tmp_path


def point(folder, space, command="python3 -m hpo_nni.trial --config=./trial.ini", **config):
    config = {"trialCommand": command, "trialCodeDirectory": str(folder)} | config
    made = baseline_point(config, parse_space(space))
    assert made.pop("_baseline") is True
    return made


@pytest.mark.parametrize(
    "key, parameter, value",
    [
        ("train_config.learning_rate", uniform(1e-5, 0.1), 0.001),
        ("train_config.learning_rate", uniform(0.01, 0.1), 0.001),  # outside the space, but true
        ("train_config.steps", {"_type": "randint", "_value": [1, 999]}, 200),
        ("train_config.name", choice("base", "other"), "base"),
        ("features[:].dim", choice(4, 8), 8),  # all places agree
        ("features[:].size", choice(1, 2), UNKNOWN),  # they differ
        ("hidden_units[:]", choice([64, 32], [128]), [64, 32]),
        ("hidden_units[:]", choice([1], [2, 3]), [64, 32]),
        ("hidden_units[:]", choice(32, 64), UNKNOWN),
        ("train_config.steps;features[0].dim", choice("100;4", "200;8"), "200;8"),
        ("train_config.momentum", uniform(0, 1), UNKNOWN),  # the config does not have it
        ("not a [ key", uniform(0, 1), UNKNOWN),
    ],
)
def test_each_key_shows_what_the_config_has_now(folder, key, parameter, value):
    assert point(folder, {key: parameter}) == {key: value}


def test_the_command_may_change_directory_first(folder):
    made = point(
        folder,
        {"train_config.steps": choice(200)},
        command=f"cd '{folder}' && python3 -m hpo_nni.trial --config=./trial.ini",
        trialCodeDirectory="/",
    )

    assert made == {"train_config.steps": 200}


@pytest.mark.parametrize(
    "command",
    ["bash train.sh", "python3 -m hpo_nni.trial --config=./missing.ini", "open 'quote"],
)
def test_what_cannot_be_read_is_said_aloud_and_shown_without_values(folder, caplog, command):
    assert point(folder, {"train_config.steps": choice(1)}, command=command) == {
        "train_config.steps": UNKNOWN
    }
    assert "the untuned trial is shown without values" in caplog.text


@pytest.mark.parametrize(
    "more, base",
    [(" --lr ${lr}", ""), ("", "rate: ${lr}"), (" --all '${tuner_params_json}'", "")],
    ids=["in the ini", "in the config", "the whole point"],
)
def test_a_key_that_fills_a_gap_leaves_no_untuned_config(folder, more, base):
    (folder / "trial.ini").write_text(INI % more)
    if base:
        (folder / "pipeline.config").write_text(CONFIG + 'note: "${lr}"\n')

    with pytest.raises(SettingsError, match="there is no untuned config: lr has no value"):
        point(folder, {"lr": uniform(0, 1)})


# Through the tuner


SPACE = {"train_config.learning_rate": uniform(1e-5, 0.1), "features[:].size": choice(1, 2)}


@pytest.fixture
def tuner(experiment, folder):
    experiment.configure(
        {
            "trialCommand": "bash run.sh --config=trial.ini",
            "trialCodeDirectory": str(folder),
        }
    )

    def make(space=SPACE, **arguments):
        tuner = OptunaTuner(seed=1, **arguments)
        tuner.update_search_space(space)
        return tuner

    return make


@pytest.mark.nni
def test_the_first_trials_are_untuned_and_the_next_are_not(tuner):
    tuner = tuner(baseline_trials=2)
    made = [tuner.generate_parameters(number) for number in range(4)]

    assert (
        made[0]
        == made[1]
        == {
            "train_config.learning_rate": 0.001,
            "features[:].size": UNKNOWN,
            "_baseline": True,
        }
    )
    assert all("_baseline" not in one for one in made[2:])
    json.dumps(made)


@pytest.mark.nni
def test_an_untuned_result_is_told_if_its_values_lie_in_the_space(tuner):
    inside = {"train_config.learning_rate": SPACE["train_config.learning_rate"]}
    for space, told in ((inside, True), (SPACE, False)):
        made = tuner(space, baseline_trials=1)
        untuned = made.generate_parameters(0)
        made.receive_trial_result(0, untuned, 0.9)

        observation = made._history[0]
        assert observation.outcome is Outcome.COMPLETE
        assert "_baseline" not in observation.point
        assert made._space.contains(observation.point) is told


@pytest.mark.nni
def test_after_a_resume_untuned_trials_are_not_repeated(tuner, experiment):
    first = tuner(baseline_trials=1)
    untuned = first.generate_parameters(0)
    experiment.begin_trial("T0", untuned, is_baseline=True)
    experiment.end_trial("T0", TrialState.SUCCEEDED, 0.9)

    resumed = tuner(baseline_trials=1)

    assert "_baseline" not in resumed.generate_parameters(1)
    assert resumed._history == [
        Observation({k: v for k, v in untuned.items() if k != "_baseline"}, Outcome.COMPLETE, 0.9)
    ]


@pytest.mark.nni
def test_without_an_untuned_config_the_tuner_goes_on_and_says_why(tuner, folder, caplog):
    (folder / "trial.ini").write_text(INI % " --lr ${lr}")
    made = tuner({"lr": uniform(0, 1)}, baseline_trials=3)

    assert set(made.generate_parameters(0)) == {"lr"}
    assert set(made.generate_parameters(1)) == {"lr"}
    assert caplog.text.count("no untuned trial can run") == 1
