"""Mistakes of new users, through the real commands: what they are told, and what is not done."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hpo_nni.errors import NniError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api import launch

if TYPE_CHECKING:
    from collections.abc import Sequence

CORE = Path(__file__).parent.parent.parent / "core"
QUALITY = {"_type": "uniform", "_value": [0, 1]}
DEADLINE = 60


@dataclass(frozen=True)
class Mistake:
    """What somebody gets wrong in the files, and what they must be told: fact, place, next step.

    Attributes:
        told: fragments of the message, in their order.
        config: keys of config.yml; None leaves one out.
        space: the search space, if it is the culprit; a text goes into the file as it is.
        ini: replacements in trial.ini.
        missing: a file that is not there.
        base: the text of job.config.
    """

    told: list[str]
    config: dict[str, Any] = field(default_factory=dict)
    space: Any = None
    ini: Sequence[tuple[str, str]] = ()
    missing: str = ""
    base: str = ""


FILES = {
    "a key that the config does not have": Mistake(
        ["search_space.json:2:18", "model.qualty", "no 'qualty'", "did you mean 'quality'?"],
        space={"model.qualty": QUALITY},
    ),
    "two such keys": Mistake(
        ["2 faults", "model.qualty", "'quality'?", "trian.epochs", "no 'trian'", "'train'?"],
        space={"model.qualty": QUALITY, "trian.epochs": QUALITY},
    ),
    "wrong types and bounds in the search space": Mistake(
        ["3 faults", ":3:12", "no type 'unifrom'", "'uniform'", "a choice is a list", "is empty"],
        space={
            "model.quality": {"_type": "unifrom", "_value": [0, 1]},
            "train.epochs": {"_type": "choice", "_value": 4},
            "model.stubborn": {"_type": "uniform", "_value": [3, 1]},
        },
    ),
    "a search space that is neither JSON nor YAML": Mistake(
        ["search_space.json:1:", "expected"], space='{"model.quality": '
    ),
    "a fraction for an integer": Mistake(
        ["search_space.json:2:18", "train.epochs", "is not an integer", "hint"],
        space={"train.epochs": {"_type": "uniform", "_value": [1, 3]}},
    ),
    "one option of many that does not fit": Mistake(
        ["train.epochs", "15.5 is not an integer"],
        space={"train.epochs": {"_type": "choice", "_value": [*range(1, 15), 15.5]}},
    ),
    "no config.yml": Mistake(["config.yml", "No such file", "looked for /"], missing="config.yml"),
    "no search space": Mistake(
        ["search_space.json", "No such file", "looked for /"], missing="search_space.json"
    ),
    "no ini": Mistake(["trial.ini", "No such file", "looked for /"], missing="trial.ini"),
    "no base config": Mistake(
        ["trial.ini:6 [params_config] params_src_dst_filepath", "no file job.config"],
        missing="job.config",
    ),
    "a base config that is broken": Mistake(
        ["job.config:2:", "expected"], base="model { name: \n train { epochs: 6 }"
    ),
    "five faults in the ini": Mistake(
        [
            "5 faults",
            "trial.ini:2 [platform_config] name: there is no platform 'locl'",
            "did you mean 'local'?",
            "trial.ini:9 [metric_config] metric_type: there is no kind of source 'jsn'",
            "did you mean 'json'",
            "trial.ini:11 [metric_config] metric_dict: this is not a dictionary",
            "as in metric_dict=",
            "trial.ini:12 [metric_config] poll_interval: 'soon' is not a number of seconds",
            "trial.ini:13 [metric_config] report_intervall: [metric_config] has no key",
            "did you mean 'report_interval'",
        ],
        ini=[
            ("name = local", "name = locl"),
            ("metric_type = json", "metric_type = jsn"),
            ("{'accuracy': 1, 'loss': -0.1}", "accuracy=1"),
            ("poll_interval = 0.1", "poll_interval = soon"),
            ("report_interval = 0", "report_intervall = 0"),
        ],
    ),
    "a platform that does not exist yet": Mistake(
        ["trial.ini:2 [platform_config] name", "'slurm' is not there yet", "there are: local"],
        ini=[("name = local", "name = slurm")],
    ),
    "jobs on a service of NNI's": Mistake(
        ["config.yml:", "trainingService", "'kubeflow'", "platform: local"],
        config={"trainingService": {"platform": "kubeflow"}},
    ),
    "no training service": Mistake(
        ["config.yml trainingService", "is missing", "platform: local"],
        config={"trainingService": None},
    ),
    "a codeDirectory that is not there": Mistake(
        ["config.yml:", "assessor.codeDirectory", "there is no folder /", "hint"],
        config={"assessor": {"codeDirectory": "../cor", "className": "pai_assessor.PAIAssessor"}},
    ),
    "a module that is not in codeDirectory": Mistake(
        ["config.yml:", "assessor.className", "there is no pai_asessor.py", "hint"],
        config={"assessor": {"codeDirectory": ".", "className": "pai_asessor.PAIAssessor"}},
    ),
    "directions that disagree": Mistake(
        ["two things", "maximize  trial.ini", "minimize  config.yml:", "tuner.classArgs", "hint"],
        config={"tuner": {"name": "TPE", "classArgs": {"optimize_mode": "minimize"}}},
    ),
    "a direction that does not exist": Mistake(
        ["config.yml:", "tuner.classArgs.optimize_mode", "'maximise'", "did you mean 'maximize'"],
        config={"tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximise"}}},
    ),
    "a key that NNI does not have": Mistake(
        ["config.yml:", "no key 'maxTrials'", "'maxTrialNumber'"], config={"maxTrials": 3}
    ),
    "a trial command without settings": Mistake(
        ["config.yml:", "trialCommand", "names no settings file", "--config=./trial.ini"],
        config={"trialCommand": "python3 -m hpo_nni.trial"},
    ),
}

# what only NNI and the classes that it loads can tell; it still has not started anything
ACCEPTANCE = {
    "a tuner that NNI does not know": Mistake(
        ["config.yml:", "tuner.name", "no tuner 'TPEE'", "did you mean 'TPE'?"],
        config={"tuner": {"name": "TPEE"}},
    ),
    "our tuner before it was installed": Mistake(
        ["tuner.name", "no tuner 'OptunaTuner'", "hpo-nni install"],
        config={"tuner": {"name": "OptunaTuner"}},
    ),
    "an argument that our assessor does not have": Mistake(
        ["config.yml:", "assessor.classArgs", "no start_stp", "did you mean 'start_step'?"],
        config={
            "assessor": {
                "codeDirectory": str(CORE),
                "className": "pai_assessor.PAIAssessor",
                "classArgs": {"optimize_mode": "maximize", "start_stp": 2},
            }
        },
    ),
    "a number of trials that is none": Mistake(
        ["config.yml", "max_trial_number ('many')"], config={"maxTrialNumber": "many"}
    ),
}


@dataclass(frozen=True)
class Failure:
    """What somebody's job does wrong, and what the trial says.

    Attributes:
        told: fragments of the reason, in their order.
        job: the text of job.py; None for one that works.
        ini: replacements in trial.ini.
    """

    told: list[str]
    job: str | None = None
    ini: Sequence[tuple[str, str]] = ()


WRITES = "import sys; open(sys.argv[2], 'a').write('''%s\\n''')"
ONE_EPOCH = [("epochs: 6", "epochs: 1"), ("seconds: 0.15", "seconds: 0")]
NO_RETRIES = "[failure_config]\nretries = 0\n\n"
RUNS = {
    "a metric by a wrong name": Failure(
        ["'acuracy' never appeared", "metrics.jsonl has 1 line", "did you mean 'accuracy'?"],
        ini=[("'accuracy': 1", "'acuracy': 1")],
    ),
    "a trainer that crashes at once": Failure(
        ["cmd1 failed: exit code 1", "| RuntimeError: no data in /data/x", "output is in /"],
        job="print('loading', flush=True); raise RuntimeError('no data in /data/x')",
    ),
    "a trainer that fails without a word": Failure(
        ["cmd1 failed: exit code 7", "output is in /"], job="import sys; sys.exit(7)"
    ),
    "a trainer that is killed": Failure(
        ["cmd1 failed: killed by SIGKILL", "output is in /"],
        job="import os; os.kill(os.getpid(), 9)",
        ini=[("cmd1 = ", "cmd1 = exec "), ("[metric_config]", f"{NO_RETRIES}[metric_config]")],
    ),
    "a trainer that does not exist": Failure(
        ["cmd1 failed: exit code 127", "| ", "trainer.py: No such file", "output is in /"],
        ini=[("cmd1 = ", "cmd1 = ./trainer.py ")],
    ),
    "a trainer that never writes a metric": Failure(
        ["'accuracy', 'loss' never appeared", "metrics.jsonl does not exist", "metric_source"],
        job="print('done')",
    ),
    "a source that is somewhere else": Failure(
        ["'accuracy', 'loss' never appeared", "elsewhere.jsonl does not exist", "metric_source"],
        ini=[("/metrics.jsonl\nmetric_dict", "/elsewhere.jsonl\nmetric_dict")],
    ),
    "a metric that is not a number": Failure(
        ["'accuracy' is nan at step 1", "nonfinite_policy = skip"],
        job=WRITES % '{"step": 1, "accuracy": NaN, "loss": 0.5}',
    ),
    "half of the metrics": Failure(
        ["'loss' never appeared", "has 1 line", "there are: ", "'accuracy'"],
        job=WRITES % '{"step": 1, "accuracy": 0.5}',
    ),
}


def replace(file: Path, pairs: Sequence[tuple[str, str]]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def in_order(text: str, fragments: list[str]) -> bool:
    return re.search(".*?".join(map(re.escape, fragments)), text, re.DOTALL) is not None


@pytest.fixture
def spoil(experiment):
    """Make an experiment with a mistake in its files, and config.yml as people write it."""

    def spoil(mistake):
        folder = experiment(**mistake.config)
        content = json.loads(folder.config.read_text(encoding="utf-8"))
        content = {key: value for key, value in content.items() if value is not None}
        folder.config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        if mistake.space is not None:
            is_text = isinstance(mistake.space, str)
            space = mistake.space if is_text else json.dumps(mistake.space, indent=1)
            (folder.path / "search_space.json").write_text(space, encoding="utf-8")
        replace(folder.path / "trial.ini", mistake.ini)
        if mistake.base:
            (folder.path / "job.config").write_text(mistake.base, encoding="utf-8")
        if mistake.missing:
            (folder.path / mistake.missing).unlink()
        return folder

    return spoil


@pytest.fixture
def trial(experiment):
    """Run one trial of a faulty job outside NNI; returns exit code, output and ledger entry."""

    def trial(failure, *arguments):
        folder = experiment()
        replace(folder.path / "job.config", ONE_EPOCH)
        replace(folder.path / "trial.ini", failure.ini)
        if failure.job is not None:
            (folder.path / "job.py").write_text(failure.job, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "hpo_nni.trial", "--config=trial.ini", *arguments],
            cwd=folder.path,
            env=folder.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        with Ledger.open(folder.path / "hpo_nni_trials") as ledger:
            (entry,) = ledger.trials("local")
            assert not ledger.live_jobs()
        return done.returncode, done.stdout, entry

    return trial


@pytest.mark.parametrize("mistake", FILES.values(), ids=FILES)
def test_faulty_files_are_refused_before_anything_starts(spoil, mistake):
    folder = spoil(mistake)

    code, output = folder.run("run", "config.yml", timeout=DEADLINE)

    assert code == 2, output
    assert in_order(output, mistake.told), output
    assert "Traceback" not in output
    assert "starting NNI" not in output
    assert not folder.working_directory.exists()


@pytest.mark.nni
@pytest.mark.parametrize("mistake", ACCEPTANCE.values(), ids=ACCEPTANCE)
def test_what_nni_would_refuse_is_said_before_it_starts(spoil, mistake):
    folder = spoil(mistake)

    for command in "check", "run":
        code, output = folder.run(command, "config.yml", timeout=DEADLINE)

        assert code == 2, output
        assert in_order(output, mistake.told), output
        assert "Traceback" not in output
        assert "web page" not in output
    assert not folder.working_directory.exists()


@pytest.mark.nni
def test_check_finds_no_fault_in_files_without_and_writes_nothing(spoil):
    folder = spoil(Mistake([]))
    before = sorted(folder.path.rglob("*"))

    code, output = folder.run("check", "config.yml", timeout=DEADLINE)

    assert code == 0, output
    assert "model.quality  1 place: 0.5" in output
    assert output.endswith("no faults found\n")
    assert sorted(folder.path.rglob("*")) == before


@pytest.mark.parametrize("failure", RUNS.values(), ids=RUNS)
def test_a_job_without_a_score_fails_with_the_reason(trial, failure):
    code, output, entry = trial(failure)

    assert code == 1, output
    assert entry.state is TrialState.FAILED
    assert entry.score is None
    assert in_order(entry.reason, failure.told), entry.reason
    assert entry.reason in output
    assert "final:" not in output


def test_zero_is_a_score(trial):
    zeros = WRITES % '{"step": 1, "accuracy": 0.0, "loss": 0.0}'

    code, output, entry = trial(Failure([], job=zeros))

    assert code == 0, output
    assert (entry.state, entry.score) == (TrialState.SUCCEEDED, 0.0)
    assert "final: 0 " in output


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ('{"model.qualty": 0.7}', ["job.config: model.qualty", "did you mean 'quality'?"]),
        ('{"model.quality": "high"}', ["job.config: model.quality", "'high' is not a number"]),
        ('{"train.epochs": 2.5}', ["job.config: train.epochs", "2.5 is not an integer"]),
    ],
)
def test_a_point_that_does_not_fit_is_an_input_fault(trial, tmp_path, point, told):
    file = tmp_path / "point.json"
    file.write_text(point)

    code, output, entry = trial(Failure([]), "--params", str(file))

    assert code == 2, output
    assert in_order(output, told), output
    assert entry.state is TrialState.FAILED
    assert in_order(entry.reason, told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "config.yml", "--port=99999"], "not a port; those are 1 to 65535"),
        (["run", "config.yml", "--port=http"], "'http' is not a port"),
        (["run", "config.yml", "--concurrency=0"], "'0' is not a whole number of at least 1"),
        (["run", "config.yml", "--max-trail=3"], "unrecognized arguments: --max-trail=3"),
        (["run"], "the following arguments are required: CONFIG"),
        (["rnu", "config.yml"], "invalid choice: 'rnu'"),
        (["show", "--dir=."], "there is no experiment in ."),
        (["logs", "0", "--dir=."], "there is no experiment in ."),
    ],
)
def test_wrong_arguments_are_named(experiment, arguments, told):
    code, output = experiment().run(*arguments, timeout=DEADLINE)

    assert code == 2, output
    assert told in output
    assert "Traceback" not in output


@pytest.mark.nni
def test_an_nni_that_does_not_come_up_is_one_error_and_nnis_launcher_adds_none(experiment, capfd):
    """Its error would stand in the output of a launch that goes well at the next port."""
    port = launch.free_port(random.randrange(20_000, 30_000))
    options = launch.LaunchOptions(port=port, patience=0.0)

    with pytest.raises(NniError, match="NNI did not start"):
        launch.launch(experiment(maxTrialNumber=1).config, options)

    assert "ERROR" not in "".join(capfd.readouterr())


def test_a_port_that_is_taken_is_named(experiment):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, output = experiment().run("run", "config.yml", f"--port={port}", timeout=DEADLINE)

    assert code == 1, output
    assert f"port {port} is taken" in output
    assert "leave --port out" in output


@pytest.mark.nni
def test_a_misspelt_metric_fails_each_trial_and_is_explained_once(experiment):
    folder = experiment(maxTrialNumber=3)
    replace(folder.path / "job.config", ONE_EPOCH)
    replace(folder.path / "trial.ini", [("'accuracy': 1", "'acuracy': 1")])

    code, output = folder.run("run", "config.yml")

    assert code == 1, output
    assert "trials       3: 3 failed" in output
    assert "best trial   none: no trial succeeded" in output
    told = ["trials 0, 1, 2 failed: 'acuracy' never appeared", "did you mean 'accuracy'?"]
    assert in_order(output, told), output
    assert output.count("did you mean") == 1
    with Ledger.open(folder.working_directory) as ledger:
        trials = ledger.trials(ledger.experiments()[-1].id)
        assert [(trial.state, trial.score) for trial in trials] == [(TrialState.FAILED, None)] * 3


TUNER = """
from nni.tuner import Tuner
class Broken(Tuner):
    def update_search_space(self, space): pass
    def generate_parameters(self, number, **_):
        if number: raise ValueError("no idea")
        return {"model.quality": 0.5}
    def receive_trial_result(self, *_, **__): pass
"""


@pytest.mark.nni
def test_a_tuner_that_dies_ends_the_run_with_its_last_words(experiment):
    """NNI itself would go on as RUNNING for ever."""
    folder = experiment(tuner={"codeDirectory": ".", "className": "broken.Broken"})
    (folder.path / "broken.py").write_text(TUNER, encoding="utf-8")

    code, output = folder.run("run", "config.yml")

    assert code == 1, output
    told = ["error: ", "| ValueError: no idea", "hint: see /", "/log"]
    assert in_order(output, told), output
