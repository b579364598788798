"""The documented daily experiment under `nnictl create`, on a cloud that runs here.

Nothing in its files is changed but the account. One run, for it takes half a minute; the tests look
at it from different sides.
"""

from __future__ import annotations

import json
import random
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.launch import free_port, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.stage import put_checkpoint
from hpo_nni.testing.cloud.stand_in import stand_in_config
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [
    pytest.mark.nni,
    pytest.mark.skipif(
        nni_version() < (3,) and breaks_nni(Path(sys.executable)),
        reason="NNI 2 cannot start Python from a path with spaces: docs/guide/experiments.md",
    ),
]
PATIENCE = 600
ACCOUNT = {"LTAI5tOfTheFinetune": "the secret of the finetune"}
WEIGHTS = {
    "auc_is_valid_play": 0.5,
    "auc_is_like": 0.25,
    "auc_is_comment": 0.25,
    "loss_play_time": -0.25,
}
STEM = "rec_sv_rebuild_acc_rnk_rank_sample_embedding"
MODEL = "xxx/finetune/202206{}_finetune_model_nni_622"


RATE = (
    "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    ".exponential_decay_learning_rate.initial_learning_rate"
)


@dataclass
class Run:
    """What the experiment left.

    Attributes:
        reports: the intermediate results in NNI, in their order.
        flows: the parameters of the jobs that were submitted.
        logs: of the trainers, in the order in which they began.
    """

    oss: OssServer
    jobs: MaxComputeServer
    said: str = ""
    name: str = ""
    trial: object = None
    reports: list = field(default_factory=list)
    entry: object = None
    submitted: list = field(default_factory=list)
    live: list = field(default_factory=list)
    flows: list = field(default_factory=list)
    logs: list = field(default_factory=list)

    def model(self, day):
        return f"{MODEL.format(day)}/{self.name}_{self.trial.id}"


@pytest.fixture(scope="module")
def run(make_checkout, tmp_path_factory):
    root = tmp_path_factory.mktemp("finetune")
    cluster = Cluster(Training(evaluations=2, rows=300, seconds_per_evaluation=0.0))
    with (
        OssServer(root / "oss", ACCOUNT, buckets=["easyrec"]) as oss,
        MaxComputeServer(oss, ACCOUNT, "pai_rec_dev", cluster=cluster) as jobs,
    ):
        for day in (17, 18):
            jobs.add_click_table(f"{STEM}_shuffle_202206{day}", 300)
        jobs.add_click_table(f"{STEM}_modify", 300, ["dt=20220618", "dt=20220619"])
        put_checkpoint(oss, f"oss://easyrec/{MODEL.format(16)}")
        yield conduct(make_checkout(root), Run(oss, jobs))


def conduct(checkout, run):
    """Make the config of the finetuning, fill in the account, run the one trial, stop NNI."""
    ((key, secret),) = ACCOUNT.items()
    (checkout.path / "begin.config").write_text(stand_in_config(WEIGHTS, []), encoding="utf-8")
    (checkout.path / "ossutil.ini").write_text(
        f"[Credentials]\nendpoint={run.oss.endpoint}\naccessKeyID={key}\naccessKeySecret=env:SK\n",
        encoding="utf-8",
    )
    checkout.environment["SK"] = secret
    code, run.said = checkout.run(
        "python finetune/modify_pipeline_config.py --pipeline_config_path=./begin.config "
        "--save_path=oss://easyrec/xxx/pipeline_finetune.config --learning_rate=1e-6 "
        "--oss_config=ossutil.ini"
    )
    assert code == 0, run.said
    ini = checkout.path / "finetune" / "config_finetune.ini"
    text = ini.read_text(encoding="utf-8")
    for before, after in (
        ("http://oss-cn-beijing.aliyuncs.com", run.oss.endpoint),
        ("accessKeyID=xxx", f"accessKeyID={key}"),
        ("accessKeySecret=xxx", "accessKeySecret=env:SK"),
        ("http://service.odps.aliyun.com/api", run.jobs.endpoint),
    ):
        assert before in text
        text = text.replace(before, after)
    ini.write_text(text, encoding="utf-8")
    try:
        rest = create(checkout)
        run.name = rest.experiment_id()
        run.trial = eventually(lambda: ended(rest), seconds=PATIENCE)
        run.reports = intermediate_results(rest, run.trial.id)
    finally:
        code, printed = checkout.run("nnictl stop --all")
    assert code == 0, printed
    eventually(lambda: not processes_with(run.name), seconds=PATIENCE)
    flows = [one.parameters for one in run.jobs.instances]
    run.flows = [one for one in flows if "edit_config_json" in one]
    run.logs = ["\n".join(one.log) for one in run.jobs.instances if one.log]
    home = Path(checkout.environment["HOME"])
    with Ledger.open(home / "nni-experiments") as ledger:
        run.entry = ledger.trial(run.trial.id)
        run.submitted = [(job.step, job.state) for job in ledger.jobs(run.trial.id)]
        run.live = ledger.live_jobs(run.name)
    return run


def create(checkout):
    """As documented, on a port that is free; NNI's launcher gives its manager four seconds."""
    port = free_port(random.randrange(20_000, 30_000))
    for attempt in range(1, 21):
        code, printed = checkout.run(f"nnictl create --config finetune/config.yml --port={port}")
        if "Create experiment failed" not in printed:
            break
        print(f"attempt {attempt}: NNI's launcher lost patience")  # noqa: T201  (decided)
    assert code == 0, printed
    return RestClient(f"http://127.0.0.1:{port}")


def ended(rest):
    trials = rest.trials()
    return trials and trials[0].status in {"SUCCEEDED", "FAILED"} and trials[0]


def intermediate_results(rest, trial):
    """What NNI was told while the trial ran, in the order of its sequence numbers."""
    with urllib.request.urlopen(f"{rest.base_url}/api/v1/nni/metric-data/{trial}") as answer:
        metrics = [one for one in json.load(answer) if one["type"] == "PERIODICAL"]
    metrics.sort(key=lambda one: one["sequence"])
    return [json.loads(json.loads(one["data"]))["default"] for one in metrics]


def test_the_days_run_in_their_order_and_no_job_is_left(run):
    assert run.trial.status == "SUCCEEDED"
    assert run.entry.state is TrialState.SUCCEEDED
    assert run.submitted == [("cmd1_20220617", "succeeded"), ("cmd1_20220618", "succeeded")]
    assert not run.live
    assert not run.jobs.instances.running()


def test_each_day_goes_on_from_the_one_before(run):
    first, second = run.logs

    assert f"restored from oss://easyrec/{MODEL.format(16)}, without" in first
    assert f"restored from oss://easyrec/{run.model(17)}, without exception" in second


def test_each_day_gives_one_result_and_their_mean_is_the_score(run, tmp_path):
    scores = [_score(run, day, tmp_path) for day in (17, 18)]

    assert run.reports == pytest.approx(scores, abs=0)
    assert run.trial.final == pytest.approx(sum(scores) / 2, rel=1e-12)
    assert run.entry.score == run.trial.final


def test_the_config_is_that_of_the_script_and_each_day_edits_the_trials_rate(run):
    (word,) = run.trial.parameters.values()
    rate = float(word)  # the file ends in a comma, so NNI takes its numbers for strings

    assert "initial_learning_rate, line 7: 0.001 -> 1e-06" in run.said
    assert rate in {1e-6, 1e-5, 1e-4}
    config = run.oss.read("easyrec", "xxx/pipeline_finetune.config").decode()
    assert "initial_learning_rate: 1e-06" in config
    edits = [json.loads(one["edit_config_json"]) for one in run.flows]
    assert [float(edit[RATE]) for edit in edits] == [rate, rate]


def _score(run, day, folder):
    """What the trainer wrote last, weighted; read by TensorBoard."""
    copy = folder / str(day)
    copy.mkdir()
    prefix = f"{run.model(day)}/eval_val/"
    for entry in run.oss.objects("easyrec", prefix):
        (copy / entry.key.removeprefix(prefix)).write_bytes(run.oss.read("easyrec", entry.key))
    peer = EventAccumulator(str(copy), size_guidance={"scalars": 0})
    peer.Reload()
    return sum(weight * peer.Scalars(tag)[-1].value for tag, weight in WEIGHTS.items())
