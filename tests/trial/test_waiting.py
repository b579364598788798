"""Trials as processes of their own: waiting for a window or a day, and telling of their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.testing.processes import eventually

INI = """\
[platform_config]
name=local
cmd_1=echo '{{"step": 1, "auc": 0.5}}' > "${{NNI_OUTPUT_DIR}}/m.jsonl"; {command}
[metric_config]
metric_type=json
metric_source=${{NNI_OUTPUT_DIR}}/m.jsonl
metric_dict={{'auc': 1}}
poll_interval=0.02
{more}
"""


@pytest.fixture
def start(tmp_path):
    """Start a trial outside NNI; gives its process."""
    started = []

    def run(more, command="true", **environ):
        (tmp_path / "trial.ini").write_text(INI.format(more=more, command=command))
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo_nni.trial", "--config=trial.ini"],
            cwd=tmp_path,
            env=clean | environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def trials(folder):
    if not (folder / "hpo_nni_trials").exists():
        return []
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        return ledger.trials("local") if ledger.experiment("local") else []


def clock(hours):
    return f"{datetime.now() + timedelta(hours=hours):%H:%M}"  # noqa: DTZ005  (the wall's)


def test_a_trial_waits_for_its_window_says_why_and_can_be_cancelled(start, tmp_path):
    window = f"[schedule_config]\nstart_time={clock(5)}\nend_time={clock(6)}\n"
    process = start(window)
    eventually(lambda: any(trial.reason for trial in trials(tmp_path)))
    (waiting,) = trials(tmp_path)

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)

    assert waiting.state is TrialState.RUNNING
    assert waiting.reason.startswith("cmd_1: waits until ")
    assert waiting.reason in log
    (ended,) = trials(tmp_path)
    assert ended.state is TrialState.CANCELLED
    assert "waits until" not in ended.reason
    with Ledger.open(tmp_path / "hpo_nni_trials") as ledger:
        assert ledger.jobs(ended.id) == []


def test_a_trial_that_waits_for_a_day_is_cancelled_at_once(start, tmp_path):
    process = start("[day_config]\nmissing_policy=wait\ndata_1=days/1.csv\n")
    eventually(lambda: any(trial.reason for trial in trials(tmp_path)))
    (waiting,) = trials(tmp_path)
    began = time.monotonic()

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert waiting.state is TrialState.RUNNING
    assert waiting.reason.startswith(f"cmd_1: waits for {tmp_path}/days/1.csv, until ")
    assert time.monotonic() - began < 30, "much less than poll_seconds"
    (ended,) = trials(tmp_path)
    assert ended.state is TrialState.CANCELLED
    with Ledger.open(tmp_path / "hpo_nni_trials") as ledger:
        assert ledger.jobs(ended.id) == []


def test_in_its_window_a_trial_runs_at_once(start, tmp_path):
    process = start(f"[schedule_config]\nstart_time={clock(-2)}\nend_time={clock(2)}\n")
    process.communicate(timeout=60)

    (trial,) = trials(tmp_path)
    assert (trial.state, trial.score, trial.reason) == (TrialState.SUCCEEDED, 0.5, "")


def test_a_failed_trial_tells_its_webhook(start, tmp_path, webhook):
    monitor = "[monitor_config]\nurl=env:WEBHOOK\n"
    process = start(monitor, "echo broken >&2; exit 3", WEBHOOK=webhook.url)
    process.communicate(timeout=60)

    eventually(lambda: webhook.requests)
    text = webhook.bodies[0]["text"]["content"]
    assert process.returncode == 1
    assert "A trial failed" in text
    assert "exit code 3" in text
    assert "broken" in text
