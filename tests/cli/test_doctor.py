"""The command as a whole, by a real process where it matters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hpo_nni.cli.main import main

pytestmark = pytest.mark.nni
CLOUD = """
[oss_config]
endpoint=http://127.0.0.1:1
accessKeyID=env:HPO_NNI_NO_SUCH_VARIABLE
accessKeySecret=env:HPO_NNI_NO_SUCH_VARIABLE
"""


def _without_proxies(environ):
    return {name: value for name, value in environ.items() if not name.lower().endswith("_proxy")}


def test_a_line_for_each_thing_in_plain_text(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hpo_nni.cli", "doctor"],
        env={**_without_proxies(os.environ), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()

    assert done.returncode == 0, done.stdout + done.stderr
    subjects = ("Python", "NNI", "nnictl", "node", "port", "file locks", "logs")
    for subject in subjects:
        assert any(line.startswith("ok") and line.split("  ")[2] == subject for line in lines), (
            subject
        )
    assert "\x1b" not in done.stdout
    assert lines[-1].endswith("0 to put right")
    assert list(tmp_path.iterdir()) == []


def test_the_accounts_of_an_experiment_are_looked_at(files, capsys):
    ini = files / "trial.ini"
    ini.write_text(ini.read_text() + CLOUD)

    assert main(["doctor", "config.yml"]) == 1

    printed = capsys.readouterr().out
    assert "trial.ini:13 [oss_config] accessKeyID: the environment variable" in printed
    assert "-> export HPO_NNI_NO_SUCH_VARIABLE=" in printed
    assert "127.0.0.1:1 does not answer" in printed
    assert str(files / "expdir") in printed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: Random", "name: Randon"), "NNI knows no tuner 'Randon'"),
        (("./trial.ini", "./no.ini"), "no.ini"),
        (("--config=./trial.ini", ""), "trialCommand names none"),
    ],
)
def test_what_an_experiment_lacks_is_told(files, capsys, change, told):
    config = files / "config.yml"
    config.write_text(config.read_text().replace(*change))

    main(["doctor", "config.yml"])

    assert told in capsys.readouterr().out
