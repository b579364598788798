from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpo_nni.trial.substitutions import Substitutions, format_value

POINT = {
    "${lr}": 0.001,
    "batch_size": 64,
    "units": [128, 64],
    "tag": "it's",
    "combined": {"${wd}": 0.1, "lr": 9},
    "layer": {"_name": "conv", "kernel": 3, "pool": {"_name": "max", "size": 2}},
}
WORDS = Substitutions("ExP1", "TrIaL", Path("/out"), POINT).words()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exp_id", ("exp1",)),
        ("trial_id", ("trial",)),
        ("NNI_OUTPUT_DIR", ("/out",)),
        ("lr", ("0.001",)),
        ("batch_size", ("64",)),
        ("units", ("[128, 64]",)),
        ("tag", ("it's",)),
        ("combined", ('{"${wd}": 0.1, "lr": 9}',)),
        ("wd", ("0.1",)),
        ("layer", ("conv",)),
        ("kernel", ("3",)),
        ("pool", ("max",)),
        ("size", ("2",)),
    ],
)
def test_what_names_stand_for(name: str, words) -> None:
    assert WORDS[name] == words


def test_the_whole_point_in_three_forms_and_a_label() -> None:
    words = Substitutions(point={"${lr}": 0.001, "batch_size": 64, "tag": "it's a"}).words()

    assert words["tuner_params_list"] == ("lr", "0.001", "batch_size", "64", "tag", "it's a")
    assert words["tuner_params_dict"] == ("lr=0.001", "batch_size=64", "tag=it's a")
    assert json.loads(words["tuner_params_json"][0]) == {
        "${lr}": 0.001,
        "batch_size": 64,
        "tag": "it's a",
    }
    assert "'" not in words["tuner_params_json"][0]
    assert words["params"] == ("lr0.001_batchsize64_tagitsa",)


def test_a_label_fits_into_a_file_name() -> None:
    points = [{f"key_number_{n}": n + shift for n in range(60)} for shift in (0, 1)]
    labels = [Substitutions(point=point).words()["params"][0] for point in points]

    assert all(len(label) <= 200 for label in labels)
    assert labels[0] != labels[1]


def test_names_lead_back_to_the_keys_that_they_use() -> None:
    substitutions = Substitutions.example(POINT)

    assert substitutions.keys_of("lr") == {"${lr}"}
    assert substitutions.keys_of("kernel") == {"layer"}
    assert substitutions.keys_of("tuner_params_json") == set(POINT)
    assert substitutions.keys_of("exp_id") == frozenset()


def test_built_in_names_come_before_keys() -> None:
    assert Substitutions(trial_id="t", point={"trial_id": 3}).words()["trial_id"] == ("t",)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), (1e-05, "1e-05"), (16, "16"), ("x y", "x y"), (["é"], None)],
)
def test_values_as_text(value, text: str | None) -> None:
    assert format_value(value) == (text or json.dumps(value))
