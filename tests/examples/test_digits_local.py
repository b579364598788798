"""The example that newcomers run: its trainer, and its files against each other."""

from __future__ import annotations

import importlib
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hpo_nni.documents import apply_edits, find_values, parse_document
from hpo_nni.space import load_space
from hpo_nni.trial.settings import Substitutions, load_settings

EXAMPLE = Path(__file__).parents[2] / "examples/digits_local"
BEGIN = EXAMPLE / "begin"
TRAIN = EXAMPLE / "trainer/train.py"


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """The example's own config, cut down to a second of training."""
    text = (EXAMPLE / "pipeline.config").read_text(encoding="utf-8")
    for name, value in {"num_epochs": 3, "views_per_epoch": 6}.items():
        text, count = re.subn(rf"\b{name}: \d+", f"{name}: {value}", text)
        assert count == 1
    path = tmp_path_factory.mktemp("config") / "pipeline.config"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def edited(tiny_config, tmp_path):
    """Replace the one place of a pattern in a copy of the config; return (copy, line)."""

    def edit(pattern: str, replacement: str) -> tuple[Path, int]:
        text = tiny_config.read_text(encoding="utf-8")
        found = re.search(pattern, text)
        assert found
        copy = tmp_path / "pipeline.config"
        copy.write_text(re.sub(pattern, replacement, text, count=1), encoding="utf-8")
        return copy, text.count("\n", 0, found.start()) + 1

    return edit


@pytest.fixture
def config_module(monkeypatch):
    """The trainer's module that reads configs, as its own scripts import it."""
    monkeypatch.syspath_prepend(EXAMPLE / "trainer")
    return importlib.import_module("pipeline_config")


def run_trainer(config: Path, model_dir: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TRAIN, "--pipeline_config_path", config, "--model_dir", model_dir]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="session")
def trained(tiny_config, tmp_path_factory):
    """One finished run: (model_dir, what it printed)."""
    model_dir = tmp_path_factory.mktemp("trained")
    done = run_trainer(tiny_config, model_dir)
    assert done.returncode == 0, done.stderr
    return model_dir, done.stdout


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_trainer_learns_in_three_epochs(trained):
    """Chance is 0.1."""
    accuracy = read_events(trained[0] / "eval_val")["accuracy"]
    assert accuracy[-1][1] > 0.6


def test_each_epoch_is_one_step_in_the_validation_events(trained):
    events = read_events(trained[0] / "eval_val")
    assert events.keys() == {"accuracy", "f1", "loss"}
    assert all([step for step, _ in points] == [1, 2, 3] for points in events.values())


def test_test_metrics_are_written_once_and_apart(trained):
    events = read_events(trained[0] / "eval_test")
    assert [step for step, _ in events["accuracy"]] == [3]


def test_progress_and_test_metrics_are_printed(trained):
    lines = trained[1].splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "test"]


def test_same_config_gives_the_same_numbers(trained, tiny_config, tmp_path):
    assert run_trainer(tiny_config, tmp_path).stdout == trained[1]
    assert (tmp_path / "model.npz").read_bytes() == (trained[0] / "model.npz").read_bytes()


@pytest.mark.parametrize(
    "pattern, replacement, expected",
    [
        (r"batch_size: \d+", "batchsize: 32", 'has no field named "batchsize"'),
        (r"batch_size: \d+", "batch_size: 0.5", "pipeline.config:{line}:"),
        (r"batch_size: \d+", "batch_size: 0", "train_config.batch_size: 0, expected at least 1"),
        (r"dropout: [\d.]+", "dropout: nan", "model_config.dropout: nan, expected from 0 to 0.95"),
        (r"hidden_units: .*", "", "model_config.hidden_units: [], expected positive sizes"),
        (r'"row_3"', '"row_8"', "feature_configs[3].input_names: there is no 'row_8'"),
        (r"train_size: \d+", "train_size: 1300", "leave no test split of the 1797"),
        (r"(?s)learning_rate \{.*", "}}}", "adam_optimizer.learning_rate: missing; known are"),
        (r"decay_steps: \d+", "decay_steps: 0", "decay_steps: 0, expected at least 1"),
    ],
)
def test_bad_config_is_refused_by_name(pattern, replacement, expected, config_module, edited):
    path, line = edited(pattern, replacement)

    with pytest.raises(config_module.ConfigError) as caught:
        config_module.read_config(path)

    assert expected.format(line=line) in str(caught.value)


def test_all_faults_of_a_config_are_named_at_once(config_module, edited):
    path, _ = edited(r"(?s)dropout: [\d.]+(.*)batch_size: \d+", r"dropout: 7\1batch_size: 0")

    with pytest.raises(config_module.ConfigError) as caught:
        config_module.read_config(path)

    assert [re.split(r"[ :]+", line)[1] for line in str(caught.value).splitlines()] == [
        "model_config.dropout",
        "train_config.batch_size",
    ]


def test_missing_config_is_a_message(tmp_path):
    done = run_trainer(tmp_path / "nowhere.config", tmp_path / "model")
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'nowhere.config'}: No such file or directory\n"


def test_diverged_training_fails_with_advice(edited, tmp_path):
    rate = "learning_rate { constant_learning_rate { learning_rate: 10 } }"
    momentum = f"momentum_optimizer {{ {rate} momentum: 0.99 }} }} }}"
    config, _ = edited(r"(?s)adam_optimizer \{.*", momentum)

    done = run_trainer(config, tmp_path / "model")

    assert done.returncode == 1
    assert "lower the learning rate" in done.stderr
    assert "Traceback" not in done.stderr


def test_trainer_knows_nothing_of_tuning():
    for path in (EXAMPLE / "trainer").glob("*.py"):
        assert "hpo_nni" not in path.read_text(encoding="utf-8")


@pytest.fixture
def experiment():
    return yaml.safe_load((BEGIN / "config.yml").read_text(encoding="utf-8"))


def test_code_directories_are_the_doors(experiment):
    for part in ("tuner", "assessor"):
        assert (BEGIN / experiment[part]["codeDirectory"]).resolve() == EXAMPLE.parents[1] / "core"


def test_all_files_agree_on_the_direction(experiment):
    settings = load_settings(BEGIN / "trial.ini", Substitutions())
    modes = {experiment[part]["classArgs"]["optimize_mode"] for part in ("tuner", "assessor")}
    assert modes == {settings.metrics.direction.value}


def test_trial_settings_are_without_warnings():
    point = load_space(BEGIN / "search_space.json").sample(random.Random(1))
    assert load_settings(BEGIN / "trial.ini", Substitutions.example(point)).warnings == ()


def test_weighted_metrics_are_those_that_the_trainer_writes(trained):
    settings = load_settings(BEGIN / "trial.ini", Substitutions())
    assert settings.metrics.weights.keys() <= read_events(trained[0] / "eval_val").keys()


def test_keys_select_as_many_places_as_they_say():
    config = read_base()
    space = load_space(BEGIN / "search_space.json")
    places = {key.rpartition(".")[2]: len(find_values(config, key)) for key in space}
    assert places == {
        "initial_learning_rate": 1,
        "batch_size": 1,
        "train_shifted": 1,
        "hidden_units": 1,
        "dropout": 1,
        "l2": 1,
        "train_noise": 9,
        "scale": 5,
        "num_buckets": 1,
    }


def test_untuned_values_lie_in_the_search_space():
    config = read_base()
    space = load_space(BEGIN / "search_space.json")
    assert space.contains({key: find_values(config, key)[0] for key in space})


@pytest.mark.parametrize("seed", range(20))
def test_any_point_gives_a_config_that_can_be_trained_with(seed, config_module, tmp_path):
    point = load_space(BEGIN / "search_space.json").sample(random.Random(seed))
    path = tmp_path / "pipeline.config"
    path.write_text(apply_edits(read_base(), point).text, encoding="utf-8")

    config = config_module.read_config(path)

    assert list(config.model_config.hidden_units) == point["model_config.hidden_units"]
    assert config.train_config.batch_size == point["train_config.batch_size"]


def read_base():
    path = EXAMPLE / "pipeline.config"
    return parse_document(path.read_text(encoding="utf-8"), path=str(path))
