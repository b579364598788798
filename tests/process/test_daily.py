"""`hpo-nni daily` over two days of the example, under the real NNI, killed in each stage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hpo_nni.ledger import Ledger
from hpo_nni.testing.processes import eventually, processes_with

EXAMPLE = Path(__file__).parents[2] / "examples" / "daily_local"


class Shop:
    """A copy of the example with little to do, and its scheduler."""

    def __init__(self, path):
        left_out = shutil.ignore_patterns("exp", "expdir", "__pycache__")
        self.path = path / "examples" / "daily_local"
        shutil.copytree(EXAMPLE, self.path, ignore=left_out)
        shutil.copytree(EXAMPLE.parents[1] / "core", path / "core")
        project = yaml.safe_load((self.path / "project.yml").read_text("utf-8"))
        project["days"] |= {"tuning": 1, "holdout": 5}
        project["budget"] = {"trials": 2}
        (self.path / "project.yml").write_text(yaml.safe_dump(project), encoding="utf-8")
        config = self.path / "finetune" / "config.yml"
        tuned = config.read_text("utf-8").replace("baseline_trials: 1", "baseline_trials: 0")
        config.write_text(tuned, encoding="utf-8")  # both trials may challenge
        (path / "home").mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NNI_")}
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = kept | {"HOME": str(path / "home"), "PATH": search}
        self.trainer("train.py", "--config=pipeline.yaml", "--first=20260930", "--out=exp/base")

    def trainer(self, *words):
        command = [sys.executable, f"trainer/{words[0]}", *words[1:]]
        subprocess.run(command, cwd=self.path, check=True, capture_output=True)

    def deliver(self, first, last):
        self.trainer("deliver.py", f"--first={first}", f"--last={last}", "--out=exp/days")

    def call(self, day, *options):
        """Start one call, as a scheduler does: no terminal, and its own group."""
        command = [sys.executable, "-m", "hpo_nni.cli", "daily", "project.yml", "--json"]
        return subprocess.Popen(
            [*command, f"--bizdate={day}", *options],
            cwd=self.path, env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def result(self, call):
        """The exit code and the JSON object of a call."""
        output, errors = call.communicate(timeout=240)
        assert output, errors
        return call.returncode, json.loads(output)

    def history(self):
        """What `hpo-nni history` says of the project, by the path of its file."""
        words = ["-m", "hpo_nni.cli", "history", "project.yml", "--json"]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.path, env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    def ledger(self):
        return Ledger.open(self.path / "expdir")

    def begun(self, suffix=""):
        """The ids of trials with a job, of experiments whose id ends so."""
        with self.ledger() as ledger:
            return [
                trial.id
                for one in ledger.experiments()
                for trial in ledger.trials(one.id)
                if one.id.endswith("-holdout") == bool(suffix) and ledger.jobs(trial.id)
            ]

    def live_jobs(self):
        with self.ledger() as ledger:
            return ledger.live_jobs()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


@pytest.mark.nni
def test_two_days_are_decided_although_each_stage_is_killed(shop):
    waiting = shop.call("20261006", "--no-wait")
    assert shop.result(waiting)[0] == 3
    shop.deliver("20261006", "20261008")

    swept = shop.call("20261006")
    eventually(shop.begun)
    code, second = shop.result(shop.call("20261006"))
    assert (code, second["note"]) == (3, "another call is at work on this project")
    swept.kill()
    swept.communicate()

    code, first = shop.result(shop.call("20261006"))
    assert code in {0, 4}, first
    assert first["state"] == ("shipped" if code == 0 else "kept")
    assert len(first["days"]) == 5
    with shop.ledger() as ledger:
        sweeps = [one.id for one in ledger.experiments() if not one.id.endswith("-holdout")]
        assert sweeps == [first["experiment"]]
        assert len(ledger.trials(sweeps[0])) == 2
    folder = Path(first["folder"])
    assert (folder / "pipeline.yaml").read_text("utf-8").startswith("# The recommender's config")
    assert json.loads((folder / "verdict.json").read_text("utf-8"))["state"] == first["state"]
    assert shop.result(shop.call("20261006")) == (code, first)

    told = shop.call("20261007")
    eventually(lambda: len(shop.begun("-holdout")) > 2)
    told.send_signal(signal.SIGTERM)
    code, found = shop.result(told)
    assert (code, found["state"]) == (3, "comparing")
    assert not shop.live_jobs()

    killed = shop.call("20261007")
    eventually(shop.live_jobs)
    killed.kill()
    killed.communicate()
    eventually(lambda: not shop.live_jobs())

    code, following = shop.result(shop.call("20261007"))
    assert code in {0, 4}, following
    champion = first["challenger"] if first["state"] == "shipped" else {}
    assert following["champion"] == champion
    history = shop.history()
    assert [day["state"] for day in history["days"]] == [first["state"], following["state"]]
    assert [day["challenger"] for day in history["days"]] == [
        first["challenger"],
        following["challenger"],
    ]
    assert all(day["score"] and day["tried"] for day in history["days"])
    assert not shop.live_jobs()
    assert not [one for one in processes_with(str(shop.path)) if "reaper" not in one]
