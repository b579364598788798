from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.cli.experiment_file import ExperimentFile
from hpo_nni.errors import SettingsError


def read(folder, text):
    path = folder / "config.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ExperimentFile.read(path)


def test_keys_are_spelt_as_in_nnis_documents_whatever_the_user_wrote(tmp_path):
    """NNI takes upper and lower case as one and ignores underscores."""
    file = read(
        tmp_path,
        "trial_command: run\nTRIALCODEDIRECTORY: code\nexperiment_working_directory: /data\n"
        "tuner: {class_name: a.B, code_directory: c, classargs: {optimize_mode: minimize}}\n",
    )

    assert file.content["trialCommand"] == "run"
    assert file.code_directory == tmp_path / "code"
    assert file.working_directory == Path("/data")
    arguments = {"optimize_mode": "minimize"}
    assert file.algorithm("tuner") == {
        "className": "a.B",
        "codeDirectory": "c",
        "classArgs": arguments,
    }
    assert file.unknown == ()


def test_what_is_not_said_has_nnis_defaults(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    file = read(tmp_path, "trialConcurrency: 2\n")

    assert file.code_directory == tmp_path
    assert file.working_directory == Path("/home/me/nni-experiments")
    assert file.algorithm("assessor") == {}


def test_keys_have_places(tmp_path):
    file = read(tmp_path, "# a comment\ntuner:\n  classArgs:\n    optimize_mode: up\n")

    keys = ("tuner", "classArgs", "optimize_mode")
    assert file.where(*keys) == "config.yml:4:5 tuner.classArgs.optimize_mode"
    assert file.where("trialCommand") == "config.yml trialCommand"


def test_unknown_keys_are_told_with_their_place_and_the_nearest_ones(tmp_path):
    file = read(tmp_path, "trialComand: x\ntuner:\n  nam: TPE\n  classArgs: {anything: 1}\n")

    assert [str(problem) for problem in file.unknown] == [
        "config.yml:1:1: NNI has no key 'trialComand'\n  hint: did you mean 'trialCommand'?",
        "config.yml:3:3: NNI has no key 'nam' in tuner\n  hint: did you mean 'name'?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1\nb: 2\n", "config.yml:2:2: this is not YAML: expected ',' or ']'"),
        ("a: b: c\n", "config.yml:1:5: this is not YAML: mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", "config.yml:2:1: this is not YAML: expected a single document"),
        ("a: 2026-13-99\n", "config.yml: this is not YAML: month must be"),
        ("? [1, 2]\n: x\n{", "config.yml:"),
        ("", "config.yml: the file should hold keys and values"),
        ("- 1\n", "config.yml: the file should hold keys and values"),
        (b"a: \xff", "the file is not UTF-8"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_a_fault_with_its_place(tmp_path, text, told):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)

    assert told in str(caught.value)


def test_a_merge_of_yaml_is_resolved(tmp_path):
    file = read(tmp_path, "tuner: &t {name: TPE}\nassessor:\n  <<: *t\n")

    assert file.algorithm("assessor") == {"name": "TPE"}
