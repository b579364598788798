"""Many short trials under the real NNI, on a cloud where a tenth of all calls goes wrong."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from hpo_nni.failures import FailureKind
from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.ledger.leftovers import find_leftovers
from hpo_nni.ledger.records import TrialState
from hpo_nni.platforms.maxcompute_marker import MARKER
from hpo_nni.testing.cloud.faults import Action, Faults, RequestFault
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.prompt_jobs import PromptMaxCompute
from hpo_nni.testing.processes import processes_with

KEYS = {"LTAI5tCanaryKeyId": "canary/Secret+Value="}
SPACE = {
    "lr": {"_type": "uniform", "_value": [0.1, 0.9]},
    "good": {"_type": "choice", "_value": [1, 1, 1, 1, 1, 1, 1, 0]},
}
INI = """\
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://bkt/pipeline.config
  -Dtrain_tables=odps://demo/tables/train
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'"
[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
poll_interval=0.5
[failure_config]
pause_after=0
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=${AK}
accessKeySecret=env:SK
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""
ALL = {"times": 0}
FAULTS = [  # of every call, one in ten
    RequestFault(Action.REFUSE, probability=0.03, status=503, **ALL),
    RequestFault(Action.DROP_BEFORE, probability=0.025, **ALL),
    RequestFault(Action.DROP_AFTER, probability=0.025, **ALL),
    RequestFault(Action.DELAY, probability=0.02, seconds=0.5, **ALL),
    RequestFault(Action.DUPLICATE, "POST", path="/instances$", probability=0.05, **ALL),
]
ROLES = {  # what stands in a process's arguments
    "dispatcher": "--exp_params",
    "reaper": "hpo_nni/reaper/__main__.py",
}


def expected(point):
    """The score of a point; None where its job fails."""
    return round(point["lr"] * 0.5 + 0.25, 6) if point["good"] else None


@contextmanager
def cloud(folder):
    def score(instance):
        return expected(json.loads(instance.parameters["edit_config_json"]))

    with (
        OssServer(folder / "oss", KEYS, buckets=["bkt"]) as oss,
        PromptMaxCompute(oss, KEYS, "demo", score) as jobs,
    ):
        oss.write("bkt", "pipeline.config", b"a: 1\n")
        jobs.add_click_table("train", 1)
        for number, server in enumerate((oss, jobs)):
            server.faults = Faults(number)
            server.faults.add(*FAULTS)
        yield oss, jobs


class Sampler:
    """What the long-lived processes take, over time."""

    def __init__(self, directory):
        self._directory = directory
        self._began = time.monotonic()
        self.rows = []

    def take(self):
        row = {"seconds": round(time.monotonic() - self._began, 1)}
        everything = processes_with(str(self._directory))
        for role, mark in ROLES.items():
            marked = [one for one in everything if mark in one]
            found = [taken(one.partition(":")[0]) for one in marked]
            if found:  # the shell that started it stands beside it
                row[f"{role} MB"], row[f"{role} files"] = max(found)
        for name, suffix in (("ledger MB", ""), ("log MB", "-wal")):
            file = self._directory / (LEDGER_NAME + suffix)
            row[name] = round(file.stat().st_size / 2**20, 2) if file.exists() else 0.0
        with Ledger.open(self._directory) as ledger:
            trials = [one for exp in ledger.experiments() for one in ledger.trials(exp.id)]
        row["trials"] = sum(trial.state.is_final for trial in trials)
        self.rows.append(row)


def taken(pid):
    """Resident memory in MB, and open files."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        files = len([*Path(f"/proc/{pid}/fd").iterdir()])
    except OSError:  # it has ended
        return 0.0, 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1), files


def growth(rows, column):
    """The median of the second quarter and that of the last one."""
    values = [row[column] for row in rows if column in row]
    quarter = max(1, len(values) // 4)
    return median(values[quarter : 2 * quarter] or values), median(values[-quarter:])


@dataclass
class Soaked:
    """What came of it.

    Attributes:
        rows: samples over time.
        calls: how many requests the servers got.
        broken: the share of those that were answered with an error, or not at all.
    """

    folder: object
    rows: list[dict[str, float]]
    jobs: PromptMaxCompute
    calls: int
    broken: float


def soak(experiment, trials, concurrency):
    folder = experiment(
        space=SPACE, ini=INI.replace("{", "{{").replace("}", "}}"), maxTrialNumber=trials,
        trialConcurrency=concurrency, tuner={"name": "Random", "classArgs": {"seed": 1}},
    )  # fmt: skip
    with cloud(folder.path) as (oss, jobs):
        ((key_id, secret),) = KEYS.items()
        folder.environment.update(
            OSS_HERE=oss.endpoint, ODPS_HERE=jobs.endpoint, AK=key_id, SK=secret
        )
        process = folder.cli("run", "config.yml")
        printed = []
        reader = threading.Thread(target=lambda: printed.extend(process.stdout))
        reader.start()
        sampler = Sampler(folder.working_directory)
        while process.poll() is None:
            if (folder.working_directory / LEDGER_NAME).exists():
                sampler.take()
            time.sleep(1)  # between two samples
        reader.join()
        assert process.returncode == 0, "".join(printed)[-3000:]
        rows = [row for row in sampler.rows if row["trials"] < trials]
        exchanges = [*oss.exchanges, *jobs.exchanges]
        broken = sum(one.status == 0 or one.status >= 500 for one in exchanges) / len(exchanges)
        return Soaked(folder, rows, jobs, len(exchanges), broken)


def check(soaked, trials):
    jobs = soaked.jobs
    with Ledger.open(soaked.folder.working_directory) as ledger:
        (one,) = ledger.experiments()
        found = ledger.trials(one.id)
        faults = ledger.faults()
        left = find_leftovers(ledger, time.time())
        owned = {job.name for trial in found for job in ledger.jobs(trial.id)}
    wrong = []
    for trial in found:
        score = expected(trial.parameters)
        state = TrialState.FAILED if score is None else TrialState.SUCCEEDED
        if trial.state is not state or (score is not None and abs(trial.score - score) > 1e-6):
            wrong.append(f"{trial.number}: {trial.state.value} {trial.score} {trial.reason}")
        elif score is None and trial.failure != FailureKind.USER.value:
            wrong.append(f"{trial.number}: {trial.failure} {trial.evidence}")
    assert wrong == []
    assert len(found) == trials
    assert faults == []
    assert not left
    assert jobs.instances.running() == []
    twins = Counter(one.parameters[MARKER] for one in jobs.instances.submitted())
    done = Counter(
        one.parameters[MARKER]
        for one in jobs.instances.submitted()
        if one.status.value == "Success"
    )
    assert set(twins) <= owned
    assert max(done.values()) == 1
    return found


def report(soaked, found, concurrency):
    rows = soaked.rows
    states = Counter(trial.state.value for trial in found)
    ends = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    taken = len(soaked.jobs.instances.submitted())
    lines = [
        f"{len(found)} trials, {concurrency} at a time, in {rows[-1]['seconds']:.0f} s: {ends}",
        f"{soaked.calls} calls, {100 * soaked.broken:.1f} % answered with an error or not at all",
        f"{taken} jobs taken up by the platform; none left, and no contradiction in the ledger",
        "",
        "| | second quarter | last quarter |",
        "|---|---|---|",
    ]
    columns = [f"{role} {unit}" for role in ROLES for unit in ("MB", "files")]
    for column in [*columns, "ledger MB", "log MB"]:
        before, after = growth(rows, column)
        lines.append(f"| {column} | {before:g} | {after:g} |")
    names = ["seconds", "trials", *columns, "ledger MB", "log MB"]
    lines += ["", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    step = max(1, len(rows) // 20)
    lines += [
        "| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows[::step]
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("trials", "concurrency"),
    [
        pytest.param(16, 4, marks=pytest.mark.nni),
        pytest.param(200, 8, marks=pytest.mark.prove),
    ],
)
def test_many_trials_on_a_bad_cloud_end_right_and_leave_nothing(experiment, trials, concurrency):
    soaked = soak(experiment, trials, concurrency)

    text = report(soaked, check(soaked, trials), concurrency)
    sys.stdout.write("\n" + text)
    if "HPO_NNI_PROOFS" in os.environ:
        Path(os.environ["HPO_NNI_PROOFS"], "soak.txt").write_text(text, encoding="utf-8")
    for role in ROLES if trials >= 100 else ():  # a minute says nothing about growth
        before, after = growth(soaked.rows, f"{role} MB")
        assert after < 1.1 * before + 2
        before, after = growth(soaked.rows, f"{role} files")
        assert after <= before + 2
