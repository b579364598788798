"""`hpo-nni finetune-config` and the script of PAI-NNI-HPO, on this machine and on OSS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.modify_pipeline_config import main as modify
from hpo_nni.testing.cloud.oss_server import OssServer

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "pipeline.config"
PAIR = {"an id": "a very secret key"}


@pytest.fixture
def server(tmp_path):
    with OssServer(tmp_path / "oss", PAIR, buckets=["bkt"]) as server:
        (tmp_path / "ossutil").write_text(
            f"[Credentials]\nlanguage=EN\nendpoint={server.endpoint}\n"
            "accessKeyID=an id\naccessKeySecret=env:KEY\n",
            encoding="utf-8",
        )
        yield server


def test_the_documents_example_comes_to_its_floor(capsys, tmp_path):
    out = tmp_path / "new.config"

    assert main(["finetune-config", str(SAMPLE), "--steps", "8000", "-o", str(out)]) == 0

    expected = SAMPLE.read_text("utf-8").replace("rate: 0.001", "rate: 1e-07")
    assert out.read_text("utf-8") == expected
    assert "comes to 1e-07 after 8000 steps" in capsys.readouterr().err


def test_without_steps_the_configs_own_count(capfd):
    assert main(["finetune-config", str(SAMPLE), "--diff"]) == 0

    out, err = capfd.readouterr()
    assert "after 8000 steps" in err
    assert [line for line in out.splitlines() if line[0] in "+-"][2:] == [
        "-          initial_learning_rate: 0.001  # a good start for eight thousand steps",
        "+          initial_learning_rate: 1e-07  # a good start for eight thousand steps",
    ]


def test_the_documented_script_writes_a_config_and_says_what_it_changed(tmp_path):
    out = tmp_path / "pipeline_finetune.config"
    command = [
        sys.executable, "finetune/modify_pipeline_config.py",
        "--pipeline_config_path=./samples/pipeline.config", f"--save_path={out}",
        "--learning_rate=1e-6",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert out.read_text("utf-8") == SAMPLE.read_text("utf-8").replace("rate: 0.001", "rate: 1e-06")
    assert "line 13: 0.001 -> 1e-06" in done.stdout
    assert done.stdout.splitlines()[-1] == f"written: {out}"


def test_both_sides_may_be_on_oss(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KEY", "a very secret key")
    account = f"--oss_config={tmp_path / 'ossutil'}"
    up = [f"--pipeline_config_path={SAMPLE}", "--save_path=oss://bkt/a/p.config"]
    down = ["--pipeline_config_path=oss://bkt/a/p.config", f"--save_path={tmp_path / 'p'}"]

    assert modify([*up, "--learning_rate=1e-5", account]) == 0
    assert modify([*down, "--learning_rate=1e-6", account]) == 0

    expected = SAMPLE.read_text("utf-8").replace("rate: 0.001", "rate: 1e-06")
    assert (tmp_path / "p").read_text("utf-8") == expected
    assert "secret" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (None, ["cannot be reached without an account"]),
        ("", ["endpoint is missing", "accessKeyID is missing", "accessKeySecret is missing"]),
        ("no ini, but s3cret", ["it is not an INI file"]),
        (
            "[Credentials]\nendpoint=x\naccessKeyID=env:NONE\naccessKeySecret=xxx",
            ["environment variable NONE is not set", "accessKeySecret: this is a placeholder"],
        ),
    ],
)
def test_a_missing_account_is_a_letter(account, words, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NONE", raising=False)
    arguments = [f"--pipeline_config_path={SAMPLE}", "--save_path=oss://bkt/p.config"]
    if account is not None:
        (tmp_path / "ossutil").write_text(account, encoding="utf-8")
        arguments.append(f"--oss_config={tmp_path / 'ossutil'}")

    assert modify(arguments) in {1, 2}

    printed = capsys.readouterr().err
    for word in words:
        assert word in printed
    assert "s3cret" not in printed


def test_a_config_without_steps_asks_for_them(tmp_path, capsys):
    path = tmp_path / "x.config"
    path.write_text("a { constant_learning_rate { } }", encoding="utf-8")

    assert main(["finetune-config", str(path)]) == 2

    assert "the config does not say how long it trains" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_a_rate_is_a_positive_number(rate, capsys):
    with pytest.raises(SystemExit):
        main(["finetune-config", str(SAMPLE), f"--learning-rate={rate}"])

    assert "is not a learning rate" in capsys.readouterr().err
