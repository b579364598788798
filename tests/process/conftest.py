"""A small experiment for the real NNI: a job that takes a second or two and can be slowed down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hpo_nni.testing.cloud.faults import Action, Fate, JobFault, RequestFault
from hpo_nni.testing.cloud.instances import TaskStatus
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import processes_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.testing.cloud.instances import Instance

ROOT = Path(__file__).parent.parent.parent

# `quality` decides the curve; `seconds` how long an epoch takes. It ignores TERM when told to, and
# has a child that does too: what survives a careless kill.
JOB = """
import json, os, re, signal, subprocess, sys, time
text = open(sys.argv[1]).read()
def value(name):
    return float(re.search(name + r": *([-+.e0-9]+)", text).group(1))
stubborn = value("stubborn") > 0
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(120)"])
with open(sys.argv[2], "a") as file:
    for epoch in range(1, int(value("epochs")) + 1):
        time.sleep(value("seconds"))
        score = value("quality") * (1 - 0.5 ** epoch)
        file.write(json.dumps({"step": epoch, "accuracy": score, "loss": 1 - score}) + "\\n")
        file.flush()
if stubborn:
    child.kill()
"""
CONFIG = """\
# the base config of the job
model { name: "toy" quality: 0.5 stubborn: 0 }
train {
  epochs: 6  # short
  seconds: 0.15
}
"""
INI = """\
[platform_config]
name = local
cmd1 = {python} {job} "${{config}}" "${{NNI_OUTPUT_DIR}}/metrics.jsonl"

[params_config]
params_src_dst_filepath = job.config

[metric_config]
metric_type = json
metric_source = ${{NNI_OUTPUT_DIR}}/metrics.jsonl
metric_dict = {{'accuracy': 1, 'loss': -0.1}}
poll_interval = 0.1
report_interval = 0
"""
SPACE: dict[str, Any] = {
    "model.quality": {"_type": "uniform", "_value": [0, 1]},
}


@dataclass(frozen=True)
class Folder:
    """An experiment's files, and what to run them with."""

    path: Path
    environment: dict[str, str]

    @property
    def config(self) -> Path:
        return self.path / "config.yml"

    @property
    def working_directory(self) -> Path:
        return self.path / "expdir"

    def cli(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `hpo-nni` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "hpo_nni.cli", *arguments],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *arguments: str, timeout: float = 300) -> tuple[int, str]:
        """Run `hpo-nni` to its end."""
        process = self.cli(*arguments)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Folder]:
    """Make an experiment: `experiment(max_trials=12, space={...}, ini=..., **config)`."""

    def make(
        *,
        space: dict[str, Any] | None = None,
        ini: str = INI,
        costs: str = "",
        name: str = "exp",
        **config: Any,
    ) -> Folder:
        folder = tmp_path / name
        folder.mkdir()
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        (folder / "job.py").write_text(JOB, encoding="utf-8")
        (folder / "job.config").write_text(CONFIG, encoding="utf-8")
        (folder / "search_space.json").write_text(json.dumps(space or SPACE), encoding="utf-8")
        (folder / "trial.ini").write_text(
            ini.format(python=f"'{sys.executable}'", job=f"'{folder / 'job.py'}'") + costs,
            encoding="utf-8",
        )
        core = ROOT / "core"
        base: dict[str, Any] = {
            "experimentWorkingDirectory": "./expdir",
            "searchSpaceFile": "search_space.json",
            "trialCommand": "python3 -m hpo_nni.trial --config=./trial.ini",
            "trialConcurrency": 2,
            "maxTrialNumber": 4,
            "tuner": {"name": "Random", "classArgs": {"seed": 1}},
            "trainingService": {"platform": "local"},
            "assessor": {
                "codeDirectory": str(core),
                "className": "pai_assessor.PAIAssessor",
                "classArgs": {"optimize_mode": "maximize", "start_step": 2},
            },
        }
        content = json.dumps(base | config)  # YAML reads JSON
        (folder / "config.yml").write_text(content, encoding="utf-8")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return Folder(folder, {**os.environ, "HOME": str(home), "PATH": path})

    return make


@dataclass(frozen=True)
class Bench:
    """One platform, one working directory, and the shell from which experiments are started.

    Attributes:
        live: what the platform, not the ledger, still runs of a trial, by its id.
        finish: lets the job of a trial succeed.
        roles: those of the first experiment, which run at the same time.
        answer_late: lets submissions be answered so many seconds late.
    """

    name: str
    folder: Folder
    live: Callable[[str], list[str]]
    finish: Callable[[TrialRecord], object]
    roles: tuple[str, ...]
    answer_late: Callable[[float], object]

    @property
    def nnictl(self) -> str:
        return str(Path(sys.executable).parent / "nnictl")


ROLES = ("waiting", "running", "runner", "silent", "early")
# Deaf to every polite signal, as are its child and its grandchild in a session of its own.
DEAF_JOB = """
import json, os, signal, subprocess, sys, time
DEAF = '''
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while not os.path.exists(sys.argv[-1] + ".finish"):
    time.sleep(0.2)
'''
if sys.argv[1] != "silent":
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps({"step": 1, "accuracy": 0.5}) + "\\n")
subprocess.Popen([sys.executable, "-c", DEAF])
subprocess.Popen(["setsid", sys.executable, "-c", DEAF])
exec(DEAF)
"""
# Points in a stated order, through our own tuner; and a rule that stops those called "early".
ALGORITHMS = """
from hpo_nni.core.assessor import RuleAssessor
from hpo_nni.core.dispatcher import this_dispatcher
from hpo_nni.core.tuner import AskTellTuner
from hpo_nni.direction import Direction
from hpo_nni.stopping.base import Verdict

class InOrder:
    def __init__(self, points):
        self.points = list(points)
    def ask(self):
        return self.points.pop(0) if self.points else None
    def tell(self, observations):
        pass

class Roles(AskTellTuner):
    def __init__(self, points):
        super().__init__(lambda space, direction: InOrder(points), Direction.MAXIMIZE)

class Always:
    def judge(self, trial, peers):
        return Verdict(keep=False, reason="it was meant to be stopped")

class StopsEarly(RuleAssessor):
    def __init__(self):
        super().__init__(lambda direction: Always(), Direction.MAXIMIZE)
    def _is_baseline(self, trial_id):  # which is never stopped
        trial = this_dispatcher().ledger.trial(trial_id)
        return trial is None or trial.parameters["${role}"] != "early"
"""
MATRIX_INI = """\
[platform_config]
name = local
grace_seconds = 1
cmd1 = {python} {job} ${{role}} "${{NNI_OUTPUT_DIR}}/metrics.jsonl"
[metric_config]
metric_type = json
metric_source = ${{NNI_OUTPUT_DIR}}/metrics.jsonl
metric_dict = {{'accuracy': 1}}
poll_interval = 0.2
report_interval = 0
[schedule_config]
start_time = ${{opens}}
end_time = ${{closes}}
"""
CLOUD_CONFIG = """
train_config { num_steps: 100000000 save_checkpoints_steps: 20
  optimizer_config { adam_optimizer { learning_rate {
    constant_learning_rate { learning_rate: 0.001 } } } } }
data_config { label_fields: "clk" }
feature_configs { input_names: "user_id" feature_type: IdFeature hash_bucket_size: 100 }
model_config { model_class: "DeepFM" deepfm { dnn { hidden_units: [16] } } }
"""
CLOUD_INI = """\
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://bkt/pipeline.config
  -Dtrain_tables=odps://demo/tables/train
  -Deval_tables=odps://demo/tables/test
  -Dcluster={"ps":{"count":1,"cpu":1000}}
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}_${role}"
[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}_${role}/eval_val/
metric_dict={'auc': 1}
poll_interval=0.2
report_interval=0
[schedule_config]
start_time=${opens}
end_time=${closes}
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=env:AK
accessKeySecret=env:SK
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""


def matrix_folder(path: Path, ini: str, **environment: str) -> Folder:
    """The files that both platforms share."""
    home = path / "home"
    home.mkdir(parents=True)
    (path / "algorithms.py").write_text(ALGORITHMS, encoding="utf-8")
    (path / "trial.ini").write_text(ini, encoding="utf-8")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
    hook = ROOT / "hpo_nni" / "nni_api" / "manager_hook.js"
    quick = {"HOME": str(home), "PATH": search, "NODE_OPTIONS": f"--require {hook}"}
    return Folder(path, inherited | quick | environment)


@pytest.fixture(scope="session")
def local_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Jobs on this machine that are deaf, as are their children."""
    path = tmp_path_factory.mktemp("local") / "matrix"
    job = path / "job.py"
    ini = MATRIX_INI.format(python=f"'{sys.executable}'", job=f"'{job}'")
    folder = matrix_folder(path, ini)
    job.write_text(DEAF_JOB, encoding="utf-8")

    def finish(trial: TrialRecord) -> None:
        Path(trial.directory, "metrics.jsonl.finish").touch()

    return Bench("local", folder, processes_with, finish, ROLES, lambda seconds: None)


@pytest.fixture(scope="session")
def cloud_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Jobs on the loopback MaxCompute, which keeps its own record."""
    path = tmp_path_factory.mktemp("cloud") / "matrix"
    pair = {"LTAI5tMatrixKey": "matrix/Secret+Value="}
    cluster = Cluster(Training(evaluations=1_000_000, rows=200, seconds_per_evaluation=0.5))
    with (
        OssServer(path.parent / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo", cluster=cluster) as jobs,
    ):
        oss.write("bkt", "pipeline.config", CLOUD_CONFIG.encode())
        for table in ("train", "test"):
            jobs.add_click_table(table, 200)

        def answer_late(seconds: float) -> None:
            jobs.faults.clear()
            jobs.faults.add(JobFault(Fate.WAITS, "_(queued|silent)<", times=0))
            if seconds:
                late = RequestFault(
                    Action.ANSWER_LATE, "POST", "/instances$", times=0, seconds=seconds
                )
                jobs.faults.add(late)

        def live(trial_id: str) -> list[str]:
            return [f"{one.id} {one.task} {one.status.value}" for one in running(trial_id)]

        def finish(trial: TrialRecord) -> None:
            for one in running(trial.id):
                if one.kind == "PS":
                    jobs.instances.end(one, TaskStatus.SUCCESS)

        def running(trial_id: str) -> list[Instance]:
            left = {one.id for one in jobs.instances if trial_id in one.source}
            for one in jobs.instances:  # in the order of their submission: parts come later
                left |= {one.id} if one.parent in left else set()
            return [one for one in jobs.instances.running() if one.id in left]

        environment = {
            "OSS_HERE": oss.endpoint,
            "ODPS_HERE": jobs.endpoint,
            **dict(zip(("AK", "SK"), *pair.items(), strict=True)),
        }
        folder = matrix_folder(path, CLOUD_INI, **environment)
        roles = (*ROLES[:-1], "queued", "submitting", ROLES[-1])
        yield Bench("maxcompute", folder, live, finish, roles, answer_late)
