from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

TUNERS = ("AutoTuner", "HAZeroTuner", "OptunaTuner", "PSHE2Tuner")
NAMES = {"PAIAssessor": "assessors"} | dict.fromkeys(TUNERS, "tuners")
LOAD = (
    "from nni.tools.package_utils import create_builtin_class_instance as create\n"
    "import sys\n"
    "print(type(create(sys.argv[1], {'optimize_mode': 'minimize'}, sys.argv[2])).__name__)\n"
)


def run(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "NNI_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.nni
def test_registered_classes_load_by_name_and_a_second_time_is_harmless(tmp_path):
    for _ in range(2):
        done = run(tmp_path, "-m", "hpo_nni.cli", "install")
        assert done.returncode == 0, done.stderr
        assert f"registered in {tmp_path}/registered_algorithms.yml" in done.stdout

    for name, kind in NAMES.items():
        loaded = run(tmp_path, "-c", LOAD, name.lower(), kind)
        assert loaded.stdout.splitlines()[-1:] == [name], loaded.stderr


@pytest.mark.nni
def test_what_others_registered_stays(tmp_path):
    file = tmp_path / "registered_algorithms.yml"
    other = {"builtinName": "Mine", "className": "json.JSONDecoder", "source": "user"}
    file.write_text(yaml.safe_dump({"tuners": [other]}))

    run(tmp_path, "-m", "hpo_nni.cli", "install")

    names = [entry["builtinName"] for entry in yaml.safe_load(file.read_text())["tuners"]]
    assert sorted(names) == sorted(["Mine", *TUNERS])


@pytest.mark.nni
def test_a_register_that_cannot_be_written_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "registered_algorithms.yml").mkdir()

    done = run(tmp_path, "-m", "hpo_nni.cli", "install")

    assert done.returncode == 1
    assert "NNI_CONFIG_DIR" in done.stderr
