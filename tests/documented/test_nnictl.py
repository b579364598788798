"""The example under NNI's own launcher, `nnictl create`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import psutil
import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.nni_api.launch import free_port, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [
    pytest.mark.nni,
    pytest.mark.skipif(
        nni_version() < (3,) and breaks_nni(Path(sys.executable)),
        reason="NNI 2 cannot start Python from a path with spaces: docs/guide/experiments.md",
    ),
]
EXAMPLE = "examples/digits_local/begin/config.yml"
PATIENCE = 600  # seconds; other things run on the same machine
ENDED = {"SUCCEEDED", "EARLY_STOPPED", "USER_CANCELED", "FAILED"}


class Nnictl:
    """`nnictl` in one checkout, whose HOME holds no other experiments."""

    def __init__(self, checkout):
        self.checkout = checkout
        self.port = free_port(random.randrange(20_000, 30_000))
        self.rest = RestClient(f"http://127.0.0.1:{self.port}")

    def create(self, before=""):
        """Start the example; NNI's launcher gives its manager four seconds, so try again."""
        command = f"{before}nnictl create --config {EXAMPLE} --port={self.port}"
        for attempt in range(1, 21):
            code, printed = self.checkout.run(command)
            if "Create experiment failed" not in printed:
                break
            print(f"attempt {attempt}: NNI's launcher lost patience")  # noqa: T201  (decided)
        assert code == 0, printed
        return printed

    def log(self, name):
        return self.checkout.path / "examples/digits_local/expdir/_latest/log" / name


@pytest.fixture
def nnictl(clone):
    started = []

    def make(name):
        started.append(Nnictl(clone(name)))
        return started[-1]

    yield make
    for one in started:
        one.checkout.run("nnictl stop --all")


def test_nnictl_runs_the_example_and_stops_it(nnictl):
    experiment = nnictl("checkout")
    experiment.create()
    rest = experiment.rest

    def two_have_ended():
        ended = [trial for trial in rest.trials() if trial.status in ENDED]
        return ended if len(ended) >= 2 else None

    ended = eventually(two_have_ended, seconds=PATIENCE)
    name = rest.experiment_id()
    code, printed = experiment.checkout.run("nnictl stop")

    assert code == 0, printed
    eventually(lambda: not processes_with(name), seconds=PATIENCE)
    with Ledger.open(experiment.checkout.path / "examples/digits_local/expdir") as ledger:
        trials = {trial.id: trial for trial in ledger.trials(name)}
        assert not ledger.live_jobs(name)
        assert "running" not in {trial.state.value for trial in trials.values()}
    succeeded = [trial for trial in ended if trial.status == "SUCCEEDED"]
    assert succeeded
    for trial in succeeded:
        assert trial.final == pytest.approx(trials[trial.id].score)
        assert trial.parameters == trials[trial.id].parameters


def test_the_hook_binds_the_web_page_to_this_machine(nnictl):
    experiment = nnictl("checkout")
    hook = experiment.checkout.path / "hpo_nni" / "nni_api" / "manager_hook.js"
    experiment.create(f'export NODE_OPTIONS="--require {hook}"; ')

    addresses = {
        one.laddr.ip
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == experiment.port
    }

    assert addresses == {"127.0.0.1"}


@pytest.mark.skipif(nni_version() >= (3,), reason="NNI 3 quotes its paths")
def test_nnictl_in_a_path_with_a_space_says_at_once_why_not(nnictl):
    experiment = nnictl("my checkout")
    experiment.create()

    eventually(lambda: experiment.rest.status() == "ERROR", seconds=PATIENCE)

    assert "Please check tuner (dispatcher) log" in " ".join(experiment.rest.errors())
    for log in ("dispatcher.log", "nnictl_stderr.log"):
        words = experiment.log(log).read_text(encoding="utf-8")
        assert "writes the path into a shell line without quotes" in words
        assert "start it with `hpo-nni run CONFIG`" in words
    assert experiment.rest.trials() == []
