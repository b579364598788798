"""What `hpo-nni daily` does without NNI; the rest is in tests/process, under the real one."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.cli.daily import _alone
from hpo_nni.cli.main import main
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import DailyRunRecord
from hpo_nni.testing.processes import eventually

PROJECT = """\
project: shop
experiment: config.yml
days: {tuning: 2, holdout: 5}
budget: {trials: 4}
"""
CONFIG = """\
experimentWorkingDirectory: ./expdir
searchSpaceFile: space.json
trialCommand: python3 -m hpo_nni.trial --config=./trial.ini
trialConcurrency: 1
maxTrialNumber: 1
tuner: {name: Random}
trainingService: {platform: local}
"""
INI = """\
[platform_config]
name=local
cmd1=echo ${lr}
[metric_config]
metric_type=json
metric_source=m.jsonl
metric_dict={'auc': 1}
"""


@pytest.fixture
def shop(tmp_path):
    for name, text in {"project.yml": PROJECT, "config.yml": CONFIG, "trial.ini": INI}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    space = {"lr": {"_type": "uniform", "_value": [0, 1]}}
    (tmp_path / "space.json").write_text(json.dumps(space), encoding="utf-8")
    return tmp_path


def call(shop, *options):
    return main(["daily", str(shop / "project.yml"), "--bizdate=2026-10-11", *options])


@pytest.mark.parametrize(("state", "code"), [("shipped", 0), ("failed", 1), ("kept", 4)])
def test_a_decided_day_gives_its_exit_code_again(shop, capsys, state, code):
    with Ledger.open(shop / "expdir") as ledger:
        ledger.put_daily_run(DailyRunRecord("shop", "20261011", state, 1.0, ended=2.0))

    assert call(shop, "--json") == code

    printed = capsys.readouterr().out
    assert json.loads(printed)["state"] == state
    assert printed.count("\n") == 1


def test_what_the_experiments_files_lack_is_told_before_anything_begins(shop, capsys):
    assert call(shop) == 2

    printed = capsys.readouterr()
    assert "the trial command names days, and this file asks for none" in printed.err
    assert not printed.out
    with Ledger.open(shop / "expdir") as ledger:
        assert ledger.daily_runs("shop") == []


@pytest.mark.parametrize(
    ("command", "fact"),
    [
        ("python3 mine.py --config=./trial.ini", "it takes no days"),
        ("python3 -m hpo_nni.trial --config=./trial.ini; true", "it is more than one command"),
    ],
)
def test_a_trial_command_into_which_no_days_can_be_filled_is_a_fault(shop, capsys, command, fact):
    config = CONFIG.replace("python3 -m hpo_nni.trial --config=./trial.ini", command)
    (shop / "config.yml").write_text(config, encoding="utf-8")

    assert call(shop) == 2

    assert f"config.yml:3:1 trialCommand: {fact}" in capsys.readouterr().err


def test_days_without_a_source_of_their_own_are_a_fault(shop, capsys):
    ini = INI.replace("cmd1=echo ${lr}", "cmd1=echo ${lr} {{ start_time }}")
    (shop / "trial.ini").write_text(ini, encoding="utf-8")

    assert call(shop) == 2

    assert "no metric source is called by the day 20261005" in capsys.readouterr().err


def test_without_a_day_and_without_data_to_wait_for_there_is_nothing_to_do(shop, capsys):
    assert main(["daily", str(shop / "project.yml")]) == 2

    assert "name the day, as in --bizdate 20261008" in capsys.readouterr().err


def test_a_day_that_is_none_is_refused(shop):
    with pytest.raises(SystemExit) as caught:
        main(["daily", str(shop / "project.yml"), "--bizdate=20261032"])

    assert caught.value.code == 2


def test_only_one_call_is_at_work(tmp_path):
    lock = tmp_path / "daily.lock"

    with _alone(lock) as first, _alone(lock) as second:
        assert (first, second) == (True, False)
    with _alone(lock) as third:
        assert third


BY_DAY = """\
[platform_config]
name=local
{% for day in date_list %}
cmd_{{ day }}=echo ${lr}
{% endfor %}
[metric_config]
metric_type=json
{% for day in date_list %}
metric_source_{{ day }}=${NNI_OUTPUT_DIR}/{{ day }}.jsonl
{% endfor %}
metric_dict={'auc': 1}
"""


def test_a_call_that_waits_ends_when_it_is_told_to_and_the_next_one_waits_on(shop):
    (shop / "trial.ini").write_text(BY_DAY, encoding="utf-8")
    wait = "wait: {for: ['days/{bizdate}.csv'], every: 1h}\n"
    (shop / "project.yml").write_text(PROJECT + wait, encoding="utf-8")
    command = [sys.executable, "-m", "hpo_nni.cli", "daily", "project.yml", "--bizdate=20261011"]
    calls = {}
    for number in (signal.SIGKILL, signal.SIGTERM):
        call = subprocess.Popen([*command, "--json"], cwd=shop, stdout=subprocess.PIPE, text=True)
        eventually(lambda: open_files(call.pid) & {str(shop / "expdir" / "daily-shop.lock")})  # noqa: B023
        eventually(lambda: waits(shop))
        call.send_signal(number)
        calls[number] = (call.communicate(timeout=30)[0], call.returncode)

    assert calls[signal.SIGKILL] == ("", -signal.SIGKILL)
    printed, code = calls[signal.SIGTERM]
    assert code == 3
    facts = json.loads(printed)
    assert (facts["state"], facts["message"]) == (
        "waiting",
        f"waits for {shop / 'days' / '20261011.csv'}",
    )
    assert "the next call goes on" in facts["note"]


def waits(shop):
    with Ledger.open(shop / "expdir") as ledger:
        return [run for run in ledger.daily_runs("shop") if run.message]


def open_files(pid):
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return found
