"""One trial at a time on a platform of its own: this machine, or a MaxCompute that runs here."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.platforms.maxcompute_marker import MARKER
from hpo_nni.reaper.start import log_path, take
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.prompt_jobs import PromptMaxCompute
from hpo_nni.testing.crash_points import SEEN, Nursery
from hpo_nni.testing.processes import processes_with
from hpo_nni.trial import cancelling, reaping
from hpo_nni.trial.place import LOCAL_FOLDER
from hpo_nni.trial.reaping import Sweep

if TYPE_CHECKING:
    from pathlib import Path

SCORE = 0.5
LOCAL = f"""\
[platform_config]
name=local
resume=1
grace_seconds=2
cmd1=echo ${{lr}} >> starts; echo '{{"step": 1, "auc": {SCORE}}}' > ${{NNI_OUTPUT_DIR}}/m.jsonl; \\
  until [ -e {SEEN} ]; do sleep 0.02; done
[metric_config]
metric_type=json
metric_source=${{NNI_OUTPUT_DIR}}/m.jsonl
metric_dict={{'auc': 1}}
poll_interval=0.02
"""
CLOUD = """\
[platform_config]
name=MaxCompute
resume=1
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://bkt/pipeline.config
  -Dtrain_tables=odps://demo/tables/train
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'"
[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
poll_interval=0.02
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=${AK}
accessKeySecret=env:SK
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""
KEYS = {"LTAI5tCanaryKeyId": "canary/Secret+Value="}


@dataclass
class World:
    """A folder with a trial's settings, and what its platform knows.

    Attributes:
        submissions: job's name -> how often the platform took it up.
        running: what of it runs now.
    """

    folder: Path
    environment: dict[str, str]
    submissions: object = field(repr=False)
    running: object = field(repr=False)
    jobs: PromptMaxCompute | None = None

    def trial(self, nursery, kill_at=None):
        arguments = ["--config=trial.ini", "--params=point.json"]
        return nursery.run(self.folder, arguments, self.environment, kill_at)

    def ledger(self):
        return Ledger.open(self.folder / LOCAL_FOLDER)

    def clean_up(self):
        """What `hpo-nni reap` does."""
        with self.ledger() as ledger:
            sweep = Sweep(ledger)
            assert sweep.run(60), sweep.remaining


@contextmanager
def on_this_machine(folder):
    (folder / "trial.ini").write_text(LOCAL, encoding="utf-8")
    starts = folder / "starts"

    def submissions():
        count = len(starts.read_text().split()) if starts.exists() else 0
        return Counter({"cmd1": count})

    yield World(folder, clean(), submissions, lambda: processes_with(str(folder)))


@contextmanager
def on_maxcompute(folder):
    (folder / "trial.ini").write_text(CLOUD, encoding="utf-8")
    with (
        OssServer(folder / "oss", KEYS, buckets=["bkt"]) as oss,
        PromptMaxCompute(oss, KEYS, "demo", lambda _: SCORE) as jobs,
    ):
        oss.write("bkt", "pipeline.config", b"a: 1\n")
        jobs.add_click_table("train", 1)
        ((key_id, secret),) = KEYS.items()
        reached = {"OSS_HERE": oss.endpoint, "ODPS_HERE": jobs.endpoint, "AK": key_id, "SK": secret}

        def submissions():
            return Counter(one.parameters[MARKER] for one in jobs.instances.submitted())

        with patched_environment(reached):
            yield World(folder, clean(), submissions, jobs.instances.running, jobs)


def clean():
    return {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}


@contextmanager
def patched_environment(values):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as found:
        yield found


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Make a world: `with world("local") as here`. No reaper starts: the test is the reaper."""
    monkeypatch.setattr(cancelling, "ABSENCE_SECONDS", 0.2)  # nothing is under way for so long here
    monkeypatch.setattr(reaping, "FIRST_PAUSE", 0.02)
    kinds = {"local": on_this_machine, "maxcompute": on_maxcompute}
    count = iter(range(10_000))

    @contextmanager
    def make(kind):
        folder = tmp_path / f"{kind}{next(count)}"
        directory = folder / LOCAL_FOLDER
        directory.mkdir(parents=True)
        (folder / "point.json").write_text(json.dumps({"lr": 0.1}), encoding="utf-8")
        with ExitStack() as stack:
            lock = os.open(log_path(directory), os.O_RDWR | os.O_CREAT)
            stack.callback(os.close, lock)
            assert take(lock)
            yield stack.enter_context(kinds[kind](folder))

    return make
