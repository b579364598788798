from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpo_nni.drafts.request import Request
from hpo_nni.drafts.shell import draft_shell
from hpo_nni.errors import SettingsError

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "pipeline.config"


def draft(command, tmp_path, text="lr: 0.1", name="conf.yml", **more):
    return draft_shell(
        Request(command, tmp_path / name, text, tmp_path / "tuning", tmp_path, **more)
    )


def command_of(drafted):
    return next(line for line in drafted.ini.splitlines() if line.startswith("cmd1="))


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("python t.py --config conf.yml", 'python t.py --config "${config}"'),
        ("python t.py --config=./conf.yml -v", 'python t.py --config="${config}" -v'),
        ("python t.py -c 'conf.yml'", 'python t.py -c "${config}"'),
        ("python t.py \\\n  -c conf.yml", 'python t.py    -c "${config}"'),
        ("t conf.yml my_conf.yml conf.yml.bak", 't "${config}" my_conf.yml conf.yml.bak'),
        (
            "t conf.yml --output_dir=runs/a --log-dir logs",
            't "${config}" --output_dir="${NNI_OUTPUT_DIR}/a" --log-dir "${NNI_OUTPUT_DIR}/logs"',
        ),
    ],
)
def test_the_command_gets_the_trials_own_config_and_folders(command, changed, tmp_path):
    assert command_of(draft(command, tmp_path)) == f"cmd1=cd .. && {changed}"


def test_the_absolute_path_of_the_config_is_found_too(tmp_path):
    drafted = draft(f"t {tmp_path}/conf.yml", tmp_path)

    assert command_of(drafted).endswith('t "${config}"')


def test_a_command_that_does_not_name_the_config_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot reach it"):
        draft("python train.py", tmp_path)


def test_text_that_a_template_would_read_stays_as_it_is(tmp_path):
    drafted = draft("t conf.yml --format '{{x}}'", tmp_path)

    assert command_of(drafted).startswith("cmd1={% raw %}cd ..")


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, ["metric_type=stdout", "metric_source=cmd1", "metric_dict={'auc': 1}"]),
        ({"weights": {"f1": 1.0, "loss": -0.1}}, ["metric_dict={'f1': 1, 'loss': -0.1}"]),
        ({"text": "{lr: 0.1, monitor: val_loss}"}, ["metric_dict={'val_loss': -1}"]),
        (
            {"metric_type": "json", "metric_source": "${NNI_OUTPUT_DIR}/m.jsonl"},
            ["metric_type=json", "metric_source=${NNI_OUTPUT_DIR}/m.jsonl"],
        ),
    ],
)
def test_metrics_come_from_the_user_the_config_or_an_example(more, lines, tmp_path):
    drafted = draft("t conf.yml", tmp_path, **more)

    assert not set(lines) - set(drafted.ini.splitlines())


def test_a_pipeline_of_easyrec_is_scored_by_its_event_files(tmp_path):
    command = "python -m easy_rec.python.train_eval --pipeline_config_path p.config --model_dir m"
    drafted = draft(command, tmp_path, SAMPLE.read_text(), "p.config")

    assert "metric_type=summary\nmetric_source=${NNI_OUTPUT_DIR}/m/eval_val\n" in drafted.ini
    assert drafted.weights["auc_click"] == 0.5


def test_a_guess_is_called_one(tmp_path):
    assert "name yours" in draft("t conf.yml", tmp_path).notes[0]
    assert (
        replace(draft("t conf.yml", tmp_path, weights={"f1": 1.0})).notes[0].startswith("metrics")
    )
