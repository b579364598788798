"""Days that were trained before are not trained again: real processes, jobs counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import JUDGED, TrialState
from hpo_nni.testing.processes import eventually

TRAIN = '''\
"""Adds a day to the model it starts from, and says in trained.log that it ran."""
import json, os, pathlib, sys, time
import arithmetic
config, day, start, out = sys.argv[1:]
rate = float(pathlib.Path(config).read_text().split()[1])
pathlib.Path("trained.log").open("a").write(f"{day} {rate:g}\\n")
while pathlib.Path(f"hold_{day}").exists():
    time.sleep(0.01)
if pathlib.Path(f"fail_{day}").exists():
    sys.exit("no such luck")
value = arithmetic.add(float(pathlib.Path(start, "model").read_text()), rate)
os.makedirs(out, exist_ok=True)
metrics = pathlib.Path(out, "metrics.jsonl")
if not pathlib.Path(f"damage_{day}").exists():
    metrics.write_text(json.dumps({"step": 1, "auc": value, "loss": -value}) + "\\n")
else:
    metrics.write_text(json.dumps({"step": 1, "auc": value}) + '\\n{"step": 2, "auc"\\n')
pathlib.Path(out, "model").write_text(str(value))
'''
INI = """\
{{% set days = date_range({first}, {last}) %}}
[platform_config]
name=local
resume={resume}
{{% for day in days %}}
cmd_{{{{ day }}}}={python} train.py ${{config}} {{{{ day }}}} ${{day_start}} ${{day_model}}
{{% endfor %}}
[params_config]
params_src_dst_filepath=base.yaml
[day_config]
reuse={reuse}
start={start}
{{% for day in days %}}
model_{{{{ day }}}}=${{NNI_OUTPUT_DIR}}/{{{{ day }}}}
{{% endfor %}}
[metric_config]
metric_type=json
{{% for day in days %}}
metric_source_{{{{ day }}}}=${{NNI_OUTPUT_DIR}}/{{{{ day }}}}/metrics.jsonl
{{% endfor %}}
step_key=step
metric_dict={weights}
final_mode=final
source_list_final_mode=avg
poll_interval=0.02
[failure_config]
retries=0
"""
USUAL = {
    "first": 20261001,
    "last": 20261004,
    "resume": 0,
    "reuse": 1,
    "start": "base",
    "weights": "{'auc': 1, 'loss': 0}",
}


class Sweep:
    """A folder with a trainer, in which trials are run outside NNI."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "train.py").write_text(TRAIN)
        (folder / "arithmetic.py").write_text("def add(x, y):\n    return x + y\n")
        (folder / "base.yaml").write_text("rate: 1\n")
        (folder / "base").mkdir()
        (folder / "base/model").write_text("0")
        self.write()

    def write(self, **more):
        """Write trial.ini; what is not said is usual."""
        text = INI.format(**USUAL | more, python=sys.executable)
        (self.folder / "trial.ini").write_text(text)

    def run(self, rate=2, code=0):
        """Run a trial; returns the days that it trained."""
        before = len(self.log())
        process = self.start(rate)
        _, self.said = process.communicate(timeout=60)
        assert process.returncode == code, self.said
        return [line.split()[0][-1] for line in self.log()[before:]]

    def start(self, rate=2):
        point = {"_baseline": True} if rate is None else {"rate": rate}
        (self.folder / f"{rate}.json").write_text(json.dumps(point))
        command = [sys.executable, "-m", "hpo_nni.trial", "--config=trial.ini"]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        return subprocess.Popen(
            [*command, f"--params={rate}.json"],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def log(self):
        file = self.folder / "trained.log"
        return file.read_text().splitlines() if file.exists() else []

    def ledger(self):
        return Ledger.open(self.folder / "hpo_nni_trials")

    def trials(self):
        with self.ledger() as ledger:
            return ledger.trials("local")

    def jobs(self):
        with self.ledger() as ledger:
            return [job for trial in ledger.trials("local") for job in ledger.jobs(trial.id)]


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


def test_a_day_trained_once_is_not_trained_again_by_another_trial(sweep):
    assert sweep.run() == ["1", "2", "3", "4"]

    assert sweep.run() == []

    first, second = sweep.trials()
    assert second.state is TrialState.SUCCEEDED
    assert second.score == first.score == 5.0  # the mean of 2, 4, 6, 8
    assert len(sweep.jobs()) == 4
    with sweep.ledger() as ledger:
        judged = [one.score for one in ledger.evaluations(second.id) if one.source == JUDGED]
        reasons = [one.reason for one in ledger.decisions(second.id) if one.action == "reuse"]
        assert [use.is_reused for use in ledger.training_uses()] == [False] * 4 + [True] * 4
    assert judged == [2.0, 4.0, 6.0, 8.0]  # one intermediate result for each day, as ever
    assert len(reasons) == 4
    assert f"cmd_20261001: trial {first.id} of experiment local has trained it" in reasons[0]
    assert f"trial {second.id} does not train cmd_20261001" in sweep.said


def test_a_later_day_starts_from_the_other_trials_model(sweep):
    sweep.write(last=20261002)
    assert sweep.run() == ["1", "2"]
    sweep.write()

    assert sweep.run() == ["3", "4"]

    first, second = sweep.trials()
    assert second.score == 5.0
    job = sweep.jobs()[2]
    assert f"{first.directory}/20261002 " in job.plan
    assert f"{second.directory}/20261003" in job.plan


def test_other_parameters_are_other_days(sweep):
    sweep.run(2)

    assert sweep.run(3) == ["1", "2", "3", "4"]
    assert sweep.trials()[1].score == 7.5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which four days have been trained; what is changed there is changed back."""
    sweep = Sweep(tmp_path_factory.mktemp("trained"))
    assert sweep.run() == ["1", "2", "3", "4"]
    return sweep


def edit(name, before, after):
    """A change of one file, and how to undo it."""

    def change(sweep):
        file = sweep.folder / name
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        return lambda: file.write_text(text)

    return change


def settings(**more):
    def change(sweep):
        sweep.write(**more)
        return sweep.write

    return change


def model(day, text):
    def change(sweep):
        with sweep.ledger() as ledger:
            trainings = ledger.trainings()
        places = [Path(one.model, "model") for one in trainings if one.step.endswith(day)]
        for place in places:
            place.write_text(text) if text else place.unlink()
        return lambda: None

    return change


THIRD = "{% if loop.index == 3 %}-u {% endif %}train.py"
CHANGES = {
    "nothing": (lambda _: lambda: None, ""),
    "the start": (edit("base/model", "0", "1"), "1234"),
    "the config": (edit("base.yaml", "\n", "\nmore: 2\n"), "1234"),
    "the script": (edit("train.py", "no such luck", "bad luck"), "1234"),
    "a module beside it": (edit("arithmetic.py", "x + y", "y + x"), "1234"),
    "the command of the third": (edit("trial.ini", "train.py", THIRD), "34"),
    "a metric that is recorded only": (
        settings(weights="{'auc': 1, 'loss': 0, 'gauc': 0}"),
        "",
    ),
    "the weights": (settings(weights="{'auc': 1, 'loss': 1}"), ""),
    "where the metrics are read": (edit("trial.ini", "step_key=step", ""), "1234"),
    "the window": (settings(first=20261001, last=20261003), ""),
    "the switch": (settings(reuse=0), "1234"),
    "a model that has gone": (model("20261003", ""), "3"),
    "a model that was written over": (model("20261002", "7"), "2"),
}


@pytest.mark.parametrize(("change", "again"), CHANGES.values(), ids=CHANGES)
def test_a_change_trains_exactly_what_comes_after_it(trained, change, again):
    undo = change(trained)
    try:
        assert "".join(trained.run()) == again
    finally:
        undo()


def test_a_second_trial_waits_for_the_first_ones_day(sweep):
    hold = sweep.folder / "hold_20261001"
    hold.touch()
    first = sweep.start()
    eventually(lambda: len(sweep.log()) == 1)
    second = sweep.start()
    eventually(lambda: [one for one in sweep.trials() if "is waited for" in one.reason])

    hold.unlink()
    said = [one.communicate(timeout=60)[1] for one in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), said
    assert len(sweep.log()) == 4  # the days, each of them once
    assert [one.score for one in sweep.trials()] == [5.0, 5.0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_a_twin_that_is_killed_does_not_hold_up_the_other(sweep, number):
    hold = sweep.folder / "hold_20261001"
    hold.touch()
    first = sweep.start()
    eventually(lambda: len(sweep.log()) == 1)
    second = sweep.start()
    eventually(lambda: [one for one in sweep.trials() if "is waited for" in one.reason])

    first.send_signal(number)
    first.communicate(timeout=60)
    eventually(lambda: len(sweep.log()) == 2)
    hold.unlink()
    _, said = second.communicate(timeout=60)

    assert second.returncode == 0, said
    assert sweep.trials()[1].score == 5.0


def test_a_twin_that_fails_does_not_fail_the_other(sweep):
    (sweep.folder / "fail_20261001").touch()
    assert sweep.run(code=1) == ["1"]
    (sweep.folder / "fail_20261001").unlink()

    assert sweep.run() == ["1", "2", "3", "4"]


def test_a_day_with_damaged_metrics_is_trained_again(sweep):
    (sweep.folder / "damage_20261002").touch()
    assert sweep.run() == ["1", "2", "3", "4"]
    (sweep.folder / "damage_20261002").unlink()

    assert sweep.run() == ["2"]


@pytest.mark.parametrize("resume", [0, 1], ids=["another trial", "one that goes on"])
def test_days_of_a_trial_that_failed_later_count(sweep, resume):
    sweep.write(resume=resume)
    (sweep.folder / "fail_20261003").touch()
    assert sweep.run(code=1) == ["1", "2", "3"]
    (sweep.folder / "fail_20261003").unlink()

    assert sweep.run() == ["3", "4"]
    assert sweep.trials()[1].score == 5.0


def test_a_window_that_moves_on_trains_each_day_of_a_configuration_once(sweep, capsys):
    """Three sweeps of two points each: 8 jobs in the place of 2 * (2 + 3 + 4) = 18."""
    scored = edit(
        "trial.ini",
        "{% for day in days %}\nmetric_source",
        "{% for day in days[-2:] %}\nmetric_source",
    )
    for last in (20261002, 20261003, 20261004):
        sweep.write(last=last)
        scored(sweep)
        for rate in (2, 3):
            sweep.run(rate)

    assert len(sweep.jobs()) == len(sweep.log()) == 8
    assert [one.score for one in sweep.trials()] == [3.0, 4.5, 5.0, 7.5, 7.0, 10.5]
    last = sweep.trials()[-1]
    folder = str(sweep.folder / "hpo_nni_trials")
    assert main(["show", "--dir", folder]) == 0
    assert "days         8 trained, 10 trained before and used again\n" in capsys.readouterr().out
    assert main(["why", last.id, "--dir", folder]) == 0
    said = capsys.readouterr().out
    assert "not trained  cmd_20261001: trial " in said
    assert said.count("has trained it; model ") == 3


def test_repeated_trials_of_the_untuned_config_train_their_days_each(sweep):
    """They are there to show the noise."""
    sweep.write(last=20261002)

    assert [sweep.run(None) for _ in range(2)] == [["1", "2"]] * 2
    assert sweep.run(1) == []  # the same config, as a point of the search space


def test_a_day_whose_input_is_written_meanwhile_is_not_kept(sweep):
    """What a day reads may be another thing by its end; then nobody may use what came of it."""
    hold = sweep.folder / "hold_20261001"
    hold.touch()
    first = sweep.start()
    eventually(lambda: len(sweep.log()) == 1)
    (sweep.folder / "arithmetic.py").write_text("def add(x, y):\n    return y + x\n")
    hold.unlink()
    _, said = first.communicate(timeout=60)

    assert first.returncode == 0
    assert "20261001 is not kept for others: " in said
    assert "arithmetic.py changed meanwhile" in said
