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

if TYPE_CHECKING:
    from collections.abc import Callable

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
