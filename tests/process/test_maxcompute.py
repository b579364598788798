"""Trials on a MaxCompute that runs here: our command, real clients, the server's own record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.database import FILE_NAME
from hpo_nni.metrics.events import EventSource
from hpo_nni.secrets import Redactor, Secret
from hpo_nni.testing.cloud.faults import Action, Fate, JobFault, RequestFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.orders import BY_DEATH
from hpo_nni.trial.place import LOCAL_FOLDER
from hpo_nni.trial.platforms import reopen_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_ID, KEY_SECRET = "LTAI5tCanaryKeyId", "canary/Secret+Value="
CONFIG = """
train_config { num_steps: 100 save_checkpoints_steps: 20
  optimizer_config { adam_optimizer { learning_rate {
    constant_learning_rate { learning_rate: 0.001 } } } } }
data_config { label_fields: "clk" }
feature_configs { input_names: "user_id" feature_type: IdFeature hash_bucket_size: 100 }
model_config { model_class: "DeepFM" deepfm { dnn { hidden_units: [16] } } }
"""
INI = """\
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://bkt/pipeline.config
  -Dtrain_tables=odps://demo/tables/train
  -Deval_tables=odps://demo/tables/test
  -Dcluster={"ps":{"count":1,"cpu":1000}}
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'"

[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
final_mode=final
poll_interval=0.2

[oss_config]
endpoint=env:OSS_HERE
accessKeyID=${AK}
accessKeySecret=env:SK

[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""


class Cloud:
    """Both servers, and the environment of a shell in which they can be used."""

    def __init__(self, oss, jobs, home):
        self.oss = oss
        self.jobs = jobs
        self.home = home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("NNI_")},
            "OSS_HERE": oss.endpoint,
            "ODPS_HERE": jobs.endpoint,
            "AK": KEY_ID,
            "SK": KEY_SECRET,
            "HOME": str(home),
        }

    def start(self, folder, point, **environment):
        """Start one trial of the `trial.ini` in a folder."""
        (folder / "point.json").write_text(json.dumps(point), encoding="utf-8")
        command = [sys.executable, "-m", "hpo_nni.trial", "--config", "trial.ini"]
        return subprocess.Popen(
            [*command, "--params", "point.json"],
            cwd=folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, folder, point, **environment):
        """Run one trial to its end: exit code, standard output, standard error."""
        process = self.start(folder, point, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def await_training(self, process):
        """Wait until a job of the process trains; returns its instance."""

        eventually(lambda: process.poll() is not None or self.training())
        assert process.poll() is None, process.communicate()
        return self.jobs.instances.submitted()[-1]

    def training(self):
        return [one for one in self.jobs.instances if one.log]

    def scores(self, instance):
        """The values of auc that the trainer wrote, read as local files."""
        prefix = instance.parameters["model_dir"].removeprefix("oss://bkt/") + "/eval_val/"
        folder = self.home / "copy" / instance.id
        folder.mkdir(parents=True)
        for entry in self.oss.objects("bkt", prefix):
            (folder / entry.key.removeprefix(prefix)).write_bytes(self.oss.read("bkt", entry.key))
        return [point.values["auc"] for point in EventSource(folder, ["auc"]).finish()]


@pytest.fixture
def cloud(tmp_path):
    pair = {KEY_ID: KEY_SECRET}
    cluster = Cluster(Training(evaluations=1_000_000, rows=200, seconds_per_evaluation=0.05))
    with (
        OssServer(tmp_path / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo", cluster=cluster) as jobs,
    ):
        oss.write("bkt", "pipeline.config", CONFIG.encode())
        for table in ("train", "test"):
            jobs.add_click_table(table, 200)
        yield Cloud(oss, jobs, tmp_path)


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "experiment"
    found.mkdir()
    (found / "trial.ini").write_text(INI, encoding="utf-8")
    return found


def ledger_of(folder):
    return Ledger.open(folder / LOCAL_FOLDER)


def only_job(folder):
    with ledger_of(folder) as ledger:
        (experiment,) = ledger.experiments()
        (trial,) = ledger.trials(experiment.id)
        (job,) = ledger.jobs(trial.id)
        return trial, job


def test_a_trial_is_scored_by_what_the_trainer_wrote(cloud, folder):
    point = {"model_config.deepfm.dnn.hidden_units[0]": 8, "train_config.num_steps": 60}

    code, out, err = cloud.run(folder, point)

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    written = cloud.scores(instance)
    trial, job = only_job(folder)
    assert len(written) == 3
    assert trial.score == pytest.approx(written[-1])
    assert f"final: {written[-1]:.6g}" in out
    assert json.loads(instance.parameters["edit_config_json"]) == point
    assert job.job_id == instance.id
    assert job.settings_file == str(folder / "trial.ini")
    assert "eval step" in (folder / LOCAL_FOLDER / trial.id / "cmd1.stdout").read_text()
    assert "eval step" in job.log_tail
    assert f"job {instance.id}: http://127.0.0.1" in err, "the address of its logview"


def test_a_job_in_the_queue_is_waited_for_and_can_be_cancelled(cloud, folder):
    cloud.jobs.faults.add(JobFault(Fate.WAITS))
    process = cloud.start(folder, {})

    lines = iter(process.stderr.readline, "")
    assert any("in the queue" in line for line in lines)
    (instance,) = cloud.jobs.instances.submitted()
    assert not instance.is_final
    process.terminate()
    process.communicate(timeout=60)

    assert instance.stopped_by == KEY_ID
    trial, job = only_job(folder)
    assert (trial.state.value, job.state) == ("cancelled", "cancelled")


def test_a_terminated_trial_leaves_nothing_running(cloud, folder):
    process = cloud.start(folder, {"train_config.num_steps": 100_000_000})
    cloud.await_training(process)

    process.terminate()
    _, err = process.communicate(timeout=60)

    assert process.returncode != 0
    assert not cloud.jobs.instances.running(), err
    trial, job = only_job(folder)
    assert (trial.state.value, job.state) == ("cancelled", "cancelled")


def test_the_job_of_a_dead_trial_is_stopped_with_ledger_and_settings_alone(
    cloud, folder, monkeypatch
):
    process = cloud.start(folder, {"train_config.num_steps": 100_000_000})
    instance = cloud.await_training(process)
    process.kill()
    process.communicate()
    for name in ("AK", "SK", "ODPS_HERE", "OSS_HERE"):
        monkeypatch.setenv(name, cloud.environment[name])
    _, job = only_job(folder)
    assert job.job_id == instance.id

    handle = reopen_platform(job, folder / LOCAL_FOLDER).attach(job.job_id)
    handle.cancel()
    eventually(lambda: handle.status().state.is_final)

    assert not cloud.jobs.instances.running()


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.REFUSE, "POST", "/instances$", status=429),
        RequestFault(Action.DROP_AFTER, "POST", "/instances$"),
        RequestFault(Action.DUPLICATE, "POST", "/instances$"),
        RequestFault(Action.REFUSE, "GET", "/instances/", status=502, first=5, times=3),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.method} {fault.status}",
)
def test_what_may_pass_is_tried_again_and_no_step_runs_twice(cloud, folder, fault):
    cloud.jobs.faults.add(fault)

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    submitted = cloud.jobs.instances.submitted()
    assert len([one for one in submitted if not one.stopped_by]) == 1
    assert not cloud.jobs.instances.running()


FATES = {
    "not enough resource": (
        JobFault(
            Fate.FAILS, message="ODPS-1202005:Algo Job Failed-Wait over 30min, not enough resource."
        ),
        ["transient", ""],
    ),
    "out of memory": (
        JobFault(Fate.FAILS, message="ODPS-0010000:System internal error - worker 0 was OOMKilled"),
        ["infeasible"],
    ),
    "no table": (
        JobFault(Fate.FAILS, message="ODPS-0130131:[0,0] Table not found - table demo.train"),
        ["user"],
    ),
}


@pytest.mark.parametrize("fault, classes", FATES.values(), ids=FATES)
def test_the_services_words_say_whether_a_job_is_tried_again(cloud, folder, fault, classes):
    """A second attempt has a name of its own and trains on in the same model directory."""
    ini = folder / "trial.ini"
    ini.write_text(f"{ini.read_text(encoding='utf-8')}[failure_config]\nretry_seconds = 0\n")
    cloud.jobs.faults.add(fault)

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        jobs = ledger.jobs(trial.id)
    assert [job.failure for job in jobs] == classes
    assert (code == 0) is (classes[-1] == ""), err
    assert trial.failure == classes[-1]
    assert len({job.name for job in jobs}) == len(jobs) == len(cloud.jobs.instances.submitted())
    models = {one.parameters["model_dir"] for one in cloud.jobs.instances.submitted()}
    assert len(models) == 1


def test_what_was_written_last_is_read_though_the_store_is_busy_then(cloud, folder):
    cloud.oss.faults.add(RequestFault(Action.REFUSE, "GET", path="tfevents", status=503, times=4))

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
    assert trial.score == pytest.approx(cloud.scores(instance)[-1])


@dataclass(frozen=True)
class Mistake:
    """What somebody gets wrong about the account or the command, and what they must be told.

    Attributes:
        told: fact, place, next step: fragments of the message, in their order.
        environment: variables that are set otherwise.
        ini: replacements in trial.ini.
        code: with which the trial's process ends.
        submits: whether it can only be seen when the service tries it.
    """

    told: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    ini: Sequence[tuple[str, str]] = ()
    code: int = 1
    submits: bool = False


MISTAKES = {
    "a key that nobody has": Mistake(
        [
            "cannot list oss://bkt/models/",
            "InvalidAccessKeyId: The OSS Access Key Id you provided does not exist",
            "hint: trial.ini:20 [oss_config] accessKeyID: is accessKeyID right",
        ],
        environment={"AK": "LTAI5tNobody"},
    ),
    "another key's secret": Mistake(
        [
            "SignatureDoesNotMatch: The request signature",
            "hint: trial.ini:21 [oss_config] accessKeySecret: accessKeySecret does not belong to",
        ],
        environment={"SK": "wrong-secret"},
    ),
    "a key that nobody has, on MaxCompute": Mistake(
        ["cannot list instances", "hint: trial.ini:24 [odps_config] access_id: is the access key"],
        ini=[("project_name=demo", "access_id=LTAI5tNobody\naccess_key=env:SK\nproject_name=demo")],
    ),
    "a variable that is empty": Mistake(
        [
            "trial.ini:20 [oss_config] accessKeyID: the environment variable AK is empty",
            "hint: export AK=",
        ],
        environment={"AK": ""},
        code=2,
    ),
    "a placeholder": Mistake(
        [
            "trial.ini:20 [oss_config] accessKeyID: this is a placeholder",
            "`hpo-nni rehearse CONFIG`",
        ],
        ini=[("accessKeyID=${AK}", "accessKeyID=<your key>")],
        code=2,
    ),
    "a bucket that is not there": Mistake(
        [
            "cannot list oss://bukt/models/",
            "NoSuchBucket: The specified bucket does not exist",
            "hint: trial.ini:19 [oss_config] endpoint: is the bucket's name right",
        ],
        ini=[("metric_source=oss://bkt", "metric_source=oss://bukt")],
    ),
    "a project that is not there": Mistake(
        [
            "NoSuchProject: ODPS-0420111: Project not found - 'demmo'",
            "hint: trial.ini:24 [odps_config] project_name: is project_name right",
        ],
        ini=[("project_name=demo", "project_name=demmo")],
    ),
    "a table that is not there": Mistake(
        [
            "cmd1 failed: ODPS-0130131:[0,0] Table not found - table odps://demo/tables/trian",
            "hint: is the table's name right",
            "`hpo-nni check CONFIG --remote`",
        ],
        ini=[("tables/train", "tables/trian")],
        submits=True,
    ),
    "an algorithm that is not there": Mistake(
        [
            "cannot submit algo_pubic.easy_rec_ext",
            "xflow not found - algo_pubic/xflows/easy_rec_ext",
            "hint: are the names right?",
        ],
        ini=[("algo_public", "algo_pubic")],
    ),
    "an endpoint that is no address": Mistake(
        [
            "'127.0.0.1' is no address",
            "hint: trial.ini:25 [odps_config] odps_endpoint: odps_endpoint is as in http://",
        ],
        environment={"ODPS_HERE": "127.0.0.1"},
    ),
    "a command that is malformed": Mistake(
        ["trial.ini:3 [platform_config] cmd1: line 2: expected '=' after -Dconfig", "^"],
        ini=[("-Dconfig=oss:", "-Dconfig = oss:")],
        code=2,
    ),
    "five faults in the ini": Mistake(
        [
            "5 faults",
            "trial.ini:3 [platform_config] cmd1: line 7: this quote is never closed",
            "trial.ini:13 [metric_config] metric_source: metrics of json are read from local",
            "hint",
            "trial.ini:14 [metric_config] metric_dict: this is not a dictionary",
            "hint: as in metric_dict=",
            "trial.ini:15 [metric_config] final_mode",
            "did you mean 'final'",
            "trial.ini:16 [metric_config] poll_interval: 'soon' is not a number of seconds",
        ],
        ini=[
            ("'${tuner_params_json}'", "'${tuner_params_json}"),
            ("metric_type=summary", "metric_type=json"),
            ("{'auc': 1}", "auc=1"),
            ("poll_interval=0.2", "poll_interval=soon"),
            ("final_mode=final", "final_mode=finl"),
        ],
        code=2,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_the_next_step(cloud, folder, name):
    mistake, text = MISTAKES[name], INI
    for before, after in mistake.ini:
        assert before in text
        text = text.replace(before, after)
    (folder / "trial.ini").write_text(text, encoding="utf-8")

    code, _, err = cloud.run(folder, {}, **mistake.environment)

    assert code == mistake.code, err
    rest = err
    for fragment in mistake.told:
        assert fragment in rest, f"{fragment!r} is not in, or not in this order:\n{err}"
        rest = rest.partition(fragment)[2]
    assert len(err.splitlines()) < 25, "a letter, and not a heap of XML"
    assert bool(cloud.jobs.instances.submitted()) == mistake.submits
    assert not cloud.jobs.instances.running()
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        assert trial.state.value == "failed"
        assert trial.reason.splitlines()[0] in err
        assert not ledger.live_jobs()


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("OSS_HERE", "trial.ini:19 [oss_config] endpoint: can this machine reach"),
        ("ODPS_HERE", "trial.ini:25 [odps_config] odps_endpoint: is odps_endpoint right"),
    ],
)
def test_an_endpoint_that_does_not_answer_is_named_and_asked_again(cloud, folder, variable, place):
    process = cloud.start(folder, {}, **{variable: "http://127.0.0.1:1/api"})

    too_long = threading.Timer(120, process.kill)
    too_long.start()
    told = []
    for line in process.stderr:
        told.append(line)
        if place in line:
            break
    too_long.cancel()
    process.terminate()
    process.communicate(timeout=60)

    assert any("trying again in" in line for line in told), told
    assert place in told[-1]
    assert not len(cloud.jobs.instances)


def test_credentials_are_in_no_file(cloud, folder):
    code, out, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    hide = Redactor([Secret(KEY_ID), Secret(KEY_SECRET)])
    texts = [out, err, *(path.read_bytes().decode("latin-1") for path in found)]
    assert all(hide(text) == text for text in texts)


def test_an_edited_config_is_uploaded_under_the_trials_own_name(cloud, folder):
    text = INI.replace("  -Dedit_config_json='${tuner_params_json}'\"", '"').replace(
        "oss://bkt/pipeline.config", "${config}"
    )
    own = "oss://bkt/pipeline.config,oss://bkt/configs/${exp_id}_${trial_id}.config"
    (folder / "trial.ini").write_text(
        f"{text}[params_config]\nparams_src_dst_filepath={own}\nformat=prototext\n",
        encoding="utf-8",
    )
    cloud.oss.faults.add(RequestFault(Action.REFUSE, "PUT", status=503))

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    (stored,) = cloud.oss.objects("bkt", "configs/")
    assert instance.parameters["config"] == f"oss://bkt/{stored.key}"
    written = cloud.oss.read("bkt", stored.key).decode()
    assert written == CONFIG.replace("num_steps: 100 ", "num_steps: 60 ")
    assert len(cloud.scores(instance)) == 3


PRINTED = r"""
metric_type=stdout
metric_source=cmd1
metric_dict={'auc=([0-9.]+)': 1}
step_regex=eval step=(\d+)
"""


def test_a_trial_is_scored_by_what_its_job_prints(cloud, folder):
    text = re.sub(r"(?s)metric_type=summary.*?\{'auc': 1\}\n", lambda _: PRINTED, INI)
    (folder / "trial.ini").write_text(text, encoding="utf-8")

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    written = cloud.scores(instance)
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        seen = {one.step: one.score for one in ledger.evaluations(trial.id)}
    assert list(seen) == [20, 40, 60]
    assert list(seen.values()) == pytest.approx(written, abs=1e-6)
    lines = (folder / LOCAL_FOLDER / trial.id / "cmd1.stdout").read_text().splitlines()
    assert sum(line.startswith("eval step=") for line in lines) == 3


PRICES = "\n[cost_config]\ncurrency=CNY\ncpu_hour=3600\n"


def test_time_in_the_queue_costs_nothing(cloud, folder):
    (folder / "trial.ini").write_text(INI + PRICES, encoding="utf-8")
    cloud.jobs.faults.add(JobFault(Fate.WAITS))
    process = cloud.start(folder, {})
    eventually(lambda: process.poll() is not None or ledger_says_running(folder))

    process.terminate()
    _, err = process.communicate(timeout=60)

    _, job = only_job(folder)
    assert (job.state, job.ran) == ("cancelled", 0.0), err
    assert job.resources == {"cpu": 10.0}
    assert job.rate == 36000.0


def test_a_job_costs_for_as_long_as_it_runs(cloud, folder):
    (folder / "trial.ini").write_text(INI + PRICES, encoding="utf-8")
    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    _, job = only_job(folder)
    assert 0 < job.ran <= job.ended - job.intended
    assert job.running_since is None


def ledger_says_running(folder):
    """Whether the service has taken the job, as far as the trial knows."""
    if not (folder / LOCAL_FOLDER / FILE_NAME).is_file():
        return False
    with ledger_of(folder) as ledger:
        return any(job.job_id for job in ledger.live_jobs())


def test_a_job_whose_trial_was_killed_while_it_submitted_is_found_by_its_name(cloud, folder):
    """The service has it, and answers somebody who is dead: the reaper ends it."""
    cloud.jobs.faults.add(RequestFault(Action.ANSWER_LATE, "POST", "/instances$", seconds=5.0))
    process = cloud.start(folder, {"train_config.num_steps": 100_000_000})
    eventually(lambda: process.poll() is not None or cloud.jobs.instances.submitted())

    process.kill()
    process.communicate()

    eventually(lambda: not cloud.jobs.instances.running(), seconds=120)
    eventually(lambda: only_job(folder)[1].ended is not None, seconds=120)
    assert only_job(folder)[1].state == "cancelled"
    eventually(lambda: only_job(folder)[0].state.is_final, seconds=120)
    assert only_job(folder)[0].reason == BY_DEATH
