"""What `hpo-nni init` makes passes the check, and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.cli.main import main
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training

SAMPLE = Path(__file__).parents[2] / "samples" / "pipeline.config"
PAI = """\
PAI -name=easy_rec_ext -project=algo_public -Dversion="0.4.2"
  -Dconfig=oss://bkt/base.config -Dcmd=train -Deval_method=separate
  -Dtrain_tables=odps://demo/tables/train/dt=${bizdate} -Deval_tables=odps://demo/tables/test
  -Dmodel_dir=oss://bkt/model/ -DossHost=oss-cn-beijing-internal.aliyuncs.com
"""
TRAINER = """\
import json, pathlib, sys
config = json.loads(pathlib.Path(sys.argv[1]).read_text())
for epoch in range(1, 4):
    print(f"epoch {epoch} auc={1 - config['lr'] / epoch}", flush=True)
"""
CONFIG = '{"lr": 0.01, "dropout": 0.1}'
PAIR = {"init-key-id": "init-key-secret"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a trainer, a PAI command and both their configs; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.config").write_text(SAMPLE.read_text())
    (tmp_path / "pai.txt").write_text(PAI)
    (tmp_path / "train.py").write_text(TRAINER)
    (tmp_path / "conf.json").write_text(CONFIG)
    return tmp_path


def init(*arguments):
    return main(["init", *arguments])


def init_pai(*more):
    given = ["--command-file", "pai.txt", "--config", "pipeline.config"]
    return init(*given, "--define", "bizdate=20220617", *more)


def test_an_experiment_on_maxcompute_passes_the_check(project, capsys):
    assert init_pai() == 0
    assert "--remote" in capsys.readouterr().out

    assert sorted(path.name for path in (project / "tuning").iterdir()) == [
        "config.yml",
        "search_space.json",
        "trial.ini",
    ]
    assert main(["check", "tuning/config.yml"]) == 0
    assert "auc_click x 0.5" in capsys.readouterr().out


def test_a_trial_of_it_trains_on_a_cloud(project, monkeypatch, capfd):
    """Real clients against real protocols: the edited config goes up, metrics come back."""
    cluster = Cluster(Training(evaluations=2, rows=200, seconds_per_evaluation=0.0))
    with (
        OssServer(project / "oss", PAIR, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, PAIR, "demo", cluster=cluster) as mc,
    ):
        mc.add_click_table("train", 200, ["dt=20220617"])
        mc.add_click_table("test", 100)
        assert init_pai() == 0
        ini = project / "tuning" / "trial.ini"
        text = ini.read_text()
        for real, here in (
            ("http://oss-cn-beijing.aliyuncs.com", oss.endpoint),
            ("http://service.cn-beijing.maxcompute.aliyun.com/api", mc.endpoint),
        ):
            assert real in text
            text = text.replace(real, here)
        ini.write_text(text)
        (key_id, secret), *_ = PAIR.items()
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret)
        assert main(["check", "tuning/config.yml", "--remote"]) == 0
        assert "dt=20220617: 200 rows" in capfd.readouterr().out
        (project / "point.json").write_text('{"data_config.batch_size": 512}')
        done = subprocess.run(
            [sys.executable, "-m", "hpo_nni.trial", f"--config={ini}", "--params=point.json"],
            capture_output=True,
            text=True,
            check=False,
        )
        configs = [one.key for one in oss.objects("bkt", "model/configs/")]
        edited = oss.read("bkt", configs[0]).decode()

    assert done.returncode == 0, done.stderr
    assert "batch_size: 512" in edited
    assert "final: " in done.stdout + done.stderr


@pytest.mark.nni
def test_an_experiment_of_this_machine_runs_under_nni(project):
    environment = os.environ | {"HOME": str(project / "home")}
    command = f"{sys.executable} train.py conf.json"
    for arguments in (
        ["init", "--command", command, "--metric", "auc=1"],
        ["run", "tuning/config.yml", "--max-trials", "2"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hpo_nni.cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "2 succeeded" in done.stdout


def test_the_command_may_come_from_standard_input(project, monkeypatch, capsys):
    with (project / "pai.txt").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert init("here", "--config", "pipeline.config", "--define", "bizdate=1") == 0

    assert "dt=1" in (project / "here" / "trial.ini").read_text()
    assert "here/config.yml" in capsys.readouterr().out


def test_an_existing_folder_keeps_what_is_in_it(project):
    (project / "mine").mkdir()
    (project / "mine" / "notes.txt").touch()

    assert init("mine", "--command", "python train.py conf.json") == 0
    assert "lr" in json.loads((project / "mine" / "search_space.json").read_text())
    assert (project / "mine" / "notes.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--command-file", "pai.txt", "--config", "pipeline.config"], "--define bizdate="),
        (["--command-file", "pai.txt"], "--config: it is missing"),
        (["--command-file", "no.txt"], "no.txt"),
        (["--command", "python train.py"], "does not tell which file it is"),
        (["--command", "python train.py x", "--config", "conf.json"], "does not name conf.json"),
        (["--command", "t no.json", "--config", "no.json"], "no.json"),
        (["--command", "t conf.json", "--metric", "auc"], "'auc' is not NAME=VALUE"),
        (["--command", "t conf.json", "--metric", "auc=x"], "'x' is no weight"),
        (["--command", "t conf.json", "--define", "a=1"], "the command has no ${a}"),
        (["--command", " "], "what trains today?"),
        (["--command", "PAI -name=a", "--config", "pipeline.config"], "-project is missing"),
        (["--command", "t odd.json", "--config", "odd.json"], "usually tuned"),
        (["--command", "t bad.json", "--config", "bad.json"], "bad.json"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(project, capsys, arguments, told):
    (project / "odd.json").write_text('{"seed": 1}')
    (project / "bad.json").write_text('{"lr": ')

    assert init(*arguments) == 2

    assert told in capsys.readouterr().err
    assert not (project / "tuning").exists()


def test_nothing_is_overwritten(project, capsys):
    (project / "tuning").mkdir()
    (project / "tuning" / "trial.ini").write_text("mine")

    assert init("--command", "python train.py conf.json") == 2

    assert "nothing is overwritten, and tuning has trial.ini" in capsys.readouterr().err
    assert (project / "tuning" / "trial.ini").read_text() == "mine"
    assert [path.name for path in (project / "tuning").iterdir()] == ["trial.ini"]


def test_what_would_not_pass_the_check_is_taken_back(project, capsys):
    assert init("--command", "t conf.json", "--metric", "auc(=1") == 2

    assert "trial.ini" in capsys.readouterr().err
    assert not (project / "tuning").exists()
