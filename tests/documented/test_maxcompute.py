"""The documented begin experiment under `nnictl create`, on a cloud that runs here."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.metrics.events import EventSource
from hpo_nni.nni_api.launch import free_port, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.secrets import Redactor, Secret
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [
    pytest.mark.nni,
    pytest.mark.skipif(
        nni_version() < (3,) and breaks_nni(Path(sys.executable)),
        reason="NNI 2 cannot start Python from a path with spaces: docs/guide/experiments.md",
    ),
]
BEGIN = "examples/maxcompute_easyrec/begin"
KEY_ID, KEY_SECRET = "LTAI5tCanaryOfTheExample", "canary/Of+The/Example="
PATIENCE = 400
ENDED = {"SUCCEEDED", "EARLY_STOPPED", "USER_CANCELED", "FAILED"}


@pytest.fixture
def cloud(tmp_path):
    """The project, the tables and the bucket that the documents name."""
    pair = {KEY_ID: KEY_SECRET}
    cluster = Cluster(Training(evaluations=8, rows=500, seconds_per_evaluation=1.0))
    config = Path(__file__).parents[2] / "samples" / "pipeline.config"
    with (
        OssServer(tmp_path / "oss", pair, buckets=["lcl-bj"]) as oss,
        MaxComputeServer(oss, pair, "pai_rec_dev", cluster=cluster) as jobs,
    ):
        oss.write("lcl-bj", "eval_test/easyrec_model.config", config.read_bytes())
        for table in ("train_10000", "test_1000"):
            jobs.add_click_table(f"dwd_avazu_ctr_deepmodel_{table}", 500)
        yield oss, jobs


class Experiment:
    """The example in a checkout, its account filled in by references."""

    def __init__(self, checkout, oss, jobs):
        self.checkout = checkout
        self.folder = checkout.path / BEGIN
        self.key_file = self.folder / "secret.txt"
        self.key_file.write_text(KEY_SECRET, encoding="utf-8")
        checkout.environment.update(AK=KEY_ID, OSS_HERE=oss.endpoint, ODPS_HERE=jobs.endpoint)
        self._edit(
            "config_begin.ini",
            ("endpoint=http://oss-cn-beijing.aliyuncs.com", "endpoint=env:OSS_HERE"),
            ("accessKeyID=xxx", "accessKeyID=${AK}"),
            ("accessKeySecret=xxx", "accessKeySecret=file:secret.txt"),
            ("http://service.odps.aliyun.com/api", "env:ODPS_HERE"),
        )
        self._edit(
            "config.yml",
            ("trialConcurrency: 1", "trialConcurrency: 2"),
            ("maxTrialNumber: 1", "maxTrialNumber: 4"),
        )
        self.port = free_port(random.randrange(20_000, 30_000))
        self.rest = RestClient(f"http://127.0.0.1:{self.port}")

    def _edit(self, name, *changes):
        text = (self.folder / name).read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (self.folder / name).write_text(text, encoding="utf-8")

    def create(self):
        """As documented; NNI's launcher gives its manager four seconds, so try again."""
        command = f"nnictl create --config {BEGIN}/config.yml --port={self.port}"
        for attempt in range(1, 21):
            code, printed = self.checkout.run(command)
            if "Create experiment failed" not in printed:
                break
            print(f"attempt {attempt}: NNI's launcher lost patience")  # noqa: T201  (decided)
        assert code == 0, printed


@pytest.fixture
def experiment(clone, cloud):
    found = Experiment(clone(), *cloud)
    yield found
    found.checkout.run("nnictl stop --all")


def test_the_documented_experiment_runs_and_is_scored_and_cancelled(experiment, cloud, tmp_path):
    oss, jobs = cloud
    experiment.create()
    rest = experiment.rest
    name = rest.experiment_id()
    training = eventually(lambda: [one for one in jobs.instances if one.log], seconds=PATIENCE)
    xflow = jobs.instances[training[0].parent]
    cancelled = xflow.parameters["model_dir"].rpartition("_")[2]

    rest.cancel_trial(cancelled)

    def all_have_ended():
        trials = rest.trials()
        return len(trials) >= 4 and all(trial.status in ENDED for trial in trials) and trials

    trials = eventually(all_have_ended, seconds=PATIENCE)
    parts = [jobs.instances[one] for one in xflow.sub_instances.values()]
    assert all(one.is_final for one in (xflow, *parts))
    assert xflow.stopped_by == KEY_ID
    assert next(trial for trial in trials if trial.id == cancelled).status == "USER_CANCELED"
    assert not jobs.instances.running()
    succeeded = [trial for trial in trials if trial.status == "SUCCEEDED"]
    assert succeeded
    for trial in succeeded:
        assert trial.final == pytest.approx(_written(oss, tmp_path, f"{name}_{trial.id}"))
        mirror = experiment.folder.parent / "exp" / f"{name}_{trial.id}"
        assert list(mirror.glob("*.tfevents.*"))
        assert (mirror / "edit_config.json").is_file()
    code, printed = experiment.checkout.run("nnictl stop")
    assert code == 0, printed
    eventually(lambda: not processes_with(name), seconds=PATIENCE)
    with Ledger.open(experiment.folder.parent / "expdir") as ledger:
        assert not ledger.live_jobs(name)
        assert all(len(ledger.jobs(trial.id)) == 1 for trial in trials)
    assert _files_with_secrets(experiment.checkout) == [experiment.key_file]


def _written(oss, folder, own_name):
    """The last value that the trainer of this trial wrote."""
    prefix = f"eval_dist_test/{own_name}/eval_val/"
    copy = folder / "copies" / own_name
    copy.mkdir(parents=True)
    for entry in oss.objects("lcl-bj", prefix):
        (copy / entry.key.removeprefix(prefix)).write_bytes(oss.read("lcl-bj", entry.key))
    return EventSource(copy, ["auc"]).finish()[-1].values["auc"]


def _files_with_secrets(checkout):
    hide = Redactor([Secret(KEY_ID), Secret(KEY_SECRET)])
    found = []
    for folder in (checkout.path, Path(checkout.environment["HOME"])):
        for path in folder.rglob("*"):
            if path.is_file() and ".venv" not in path.parts:
                text = path.read_bytes().decode("latin-1")
                if path != Path(__file__) and hide(text) != text:
                    found.append(path)
    return [path for path in found if path.name != Path(__file__).name]
