from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.errors import NniError
from hpo_nni.nni_api.launch import (
    KnownExperiment,
    RunningExperiment,
    free_port,
    goes_on,
    known_experiments,
    nni_version,
    port_is_free,
)
from hpo_nni.nni_api.rest import RestClient


@pytest.fixture
def taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_the_version_is_one_that_is_supported():
    assert nni_version() in {(2, 10, 1), (3, 0)}


def test_a_port_that_is_listened_on_is_passed_over(taken_port):
    assert not port_is_free(taken_port)
    found = free_port(taken_port)
    assert taken_port < found < taken_port + 100
    assert port_is_free(found)


def test_the_index_of_experiments_is_read_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert known_experiments() == []
    index = tmp_path / "nni-experiments" / ".experiment"
    index.parent.mkdir()
    index.write_text("{")
    assert known_experiments() == []
    rows = {
        "b": {"id": "b", "port": 8081, "startTime": 2, "logDir": "/data/b"},
        "a": {"id": "a", "port": 8080, "startTime": 1, "logDir": "/data/a"},
        "c": {"id": "c"},
    }
    index.write_text(json.dumps(rows))

    assert known_experiments() == [
        KnownExperiment("c", None, Path()),
        KnownExperiment("a", 8080, Path("/data/a")),
        KnownExperiment("b", 8081, Path("/data/b")),
    ]


@pytest.mark.parametrize("patience", [0.2, 30.0])
def test_a_manager_that_was_told_to_stop_is_gone_in_the_end(nni, tmp_path, patience):
    """One that does not go is killed."""
    seconds = 300 if patience < 1 else 0.5
    process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    running = RunningExperiment("ExpA", 0, tmp_path, RestClient(nni.url), process)

    running.stop()
    running.await_end(timeout=patience)

    assert process.returncode == (-9 if patience < 1 else 0)
    assert ("DELETE", "/api/v1/nni/experiment", None) in nni.requests


def test_a_manager_that_does_not_answer_is_stopped_too(nni, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    nni.close()

    running = RunningExperiment("ExpA", 0, tmp_path, RestClient(nni.url), process)
    running.stop()
    running.await_end()

    assert process.returncode == 0


@pytest.fixture
def manager():
    """A process that stays until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_manager_that_answers_is_followed(nni, tmp_path, manager):
    assert goes_on(RunningExperiment("ExpA", 0, tmp_path, RestClient(nni.url), manager), 30.0)


def test_a_manager_that_is_about_to_end_is_not_followed(nni, tmp_path, manager):
    nni.close()
    manager.stdin.close()

    assert not goes_on(RunningExperiment("ExpA", 0, tmp_path, RestClient(nni.url), manager), 30.0)


def test_a_manager_that_neither_answers_nor_ends_is_named(nni, tmp_path, manager):
    nni.close()
    running = RunningExperiment("ExpA", 0, tmp_path, RestClient(nni.url), manager)

    with pytest.raises(NniError, match="ExpA runs, but does not answer") as raised:
        goes_on(running, 0.0)

    assert f"end process {manager.pid}" in (raised.value.hint or "")


REJECTED = [
    ("trialConcurrency: two\n", "trial_concurrency ('two')"),
    ("trialConcurrency: 0\n", "assert self.trial_concurrency > 0"),
    ("trialConcurrency: 2\nmaxTrials: 3\n", "does not have field(s) maxtrials"),
]


@pytest.mark.nni
@pytest.mark.parametrize(("lines", "words"), REJECTED)
def test_a_config_that_nni_rejects_is_an_input_fault_in_its_words(tmp_path, lines, words):
    """In a process of its own: NNI is imported, which nothing else here needs."""
    (tmp_path / "config.yml").write_text(
        "searchSpace: {}\ntrialCommand: 'true'\ntrainingService: {platform: local}\n"
        "tuner: {name: Random}\n" + lines
    )
    script = (
        "from pathlib import Path; from hpo_nni.errors import NniError, SettingsError\n"
        "from hpo_nni.nni_api.launch import load_config\n"
        "try: load_config(Path('config.yml'))\n"
        "except SettingsError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("config.yml: NNI does not accept it: ")
    assert words in done.stdout
