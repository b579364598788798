"""The documented MaxCompute experiment with its placeholders: rehearsed, and refused otherwise."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from pathlib import Path

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.nni_api.launch import free_port, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [
    pytest.mark.nni,
    pytest.mark.skipif(
        nni_version() < (3,) and breaks_nni(Path(sys.executable)),
        reason="NNI 2 cannot start Python from a path with spaces: docs/guide/experiments.md",
    ),
]
BEGIN = "examples/maxcompute_easyrec/begin"
CONFIG = f"{BEGIN}/config.yml"


def contents(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def checkout(clone):
    """A checkout on a machine whose way to everywhere is a proxy that nobody answers at."""
    made = clone()
    dead = "http://127.0.0.1:9"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        made.environment[name] = dead
    for name in ("no_proxy", "NO_PROXY"):
        made.environment.pop(name, None)
    return made


def test_the_example_is_rehearsed_as_it_is_and_leaves_nothing(checkout):
    folder = checkout.path / BEGIN
    shutil.copy(checkout.path / "samples" / "pipeline.config", folder / "easyrec_model.config")
    before = contents(checkout.path / "examples")

    code, printed = checkout.run(
        f"hpo-nni rehearse {CONFIG} --trials 2 --keep {checkout.path}/kept"
    )

    assert code == 0, printed
    assert contents(checkout.path / "examples") == before
    assert f"oss://lcl-bj/eval_test/easyrec_model.config: as in {folder.resolve()}" in printed
    assert "9 places: 16, 8, 8, 32, ... -> " in printed
    assert "PAI -name=easy_rec_ext -project=algo_public" in printed
    assert "train_10000: whole" in printed
    assert "what it has started: check, train, report" in printed
    assert "still to do  config_begin.ini:3 [oss_config] accessKeyID: this is a placehol" in printed
    assert "still to do  config_begin.ini:19 -Darn: this is a placeholder" in printed
    with Ledger.open(checkout.path / "kept" / "expdir") as ledger:
        (experiment,) = ledger.experiments()
        trials = ledger.trials(experiment.id)
        assert len(trials) == 2
        done = [trial for trial in trials if trial.state.value == "succeeded"]
        assert done
        assert {trial.state.value for trial in trials} <= {"succeeded", "stopped"}
        assert all(f"score {trial.score:.5g}" in printed for trial in done)
    eventually(lambda: not processes_with(experiment.id))
    mirrors = sorted(path.name for path in (checkout.path / "kept/expdir/exp").iterdir())
    assert mirrors == sorted(f"{experiment.id}_{trial.id}" for trial in trials)


def test_a_metric_that_no_job_writes_is_found_and_nothing_stays(checkout):
    ini = checkout.path / BEGIN / "config_begin.ini"
    text = ini.read_text(encoding="utf-8")
    ini.write_text(text.replace("\nauc=1", "\nauk=1"), encoding="utf-8")

    code, printed = checkout.run(f"hpo-nni rehearse {CONFIG}")

    assert code == 1, printed
    assert "'auk' never appeared" in printed
    assert "did you mean 'auc'" in printed
    assert "made-up one stood in" in printed
    (files,) = (line.split()[-1] for line in printed.splitlines() if line.startswith("files "))
    assert not Path(files).exists()
    index = Path(checkout.environment["HOME"]) / "nni-experiments" / ".experiment"
    assert json.loads(index.read_text(encoding="utf-8")) == {}


def test_placeholders_end_a_real_experiment_at_once_and_name_the_rehearsal(clone):
    checkout = clone()
    port = free_port(random.randrange(30_000, 32_000))

    def said():
        logs = (checkout.path / BEGIN).parent.glob("expdir/*/log/*.log")
        text = "\n".join(path.read_text(encoding="utf-8") for path in logs)
        return "this is a placeholder, not a credential" in text and text

    for _ in range(20):  # NNI's launcher gives its manager four seconds
        code, printed = checkout.run(f"nnictl create --config {CONFIG} --port={port}")
        if "Create experiment failed" not in printed:
            break
    assert code == 0, printed
    try:
        words = eventually(said)
    finally:
        checkout.run("nnictl stop --all")
    assert "config_begin.ini:3 [oss_config] accessKeyID" in words
    assert "`hpo-nni rehearse CONFIG` runs the experiment here, without an account" in words


def test_hpo_nni_run_says_so_before_nni_starts(checkout):
    code, printed = checkout.run(f"hpo-nni run {CONFIG}")

    assert code == 2
    assert "starting NNI" not in printed
    assert "`hpo-nni rehearse CONFIG`" in printed


def test_what_init_writes_is_rehearsed_untuned_and_tuned(checkout):
    command = (
        "PAI -name=easy_rec_ext -project=algo_public -Dcmd=train -Deval_method=separate "
        "-Dconfig=oss://bucket/pipeline.config -Dmodel_dir=oss://bucket/models/ "
        "-Dtrain_tables=odps://project/tables/train/dt=20220617 "
        "-Deval_tables=odps://project/tables/test -DossHost=oss-cn-beijing-internal.aliyuncs.com"
    )
    code, printed = checkout.run(
        f"hpo-nni init ranking --config samples/pipeline.config --command '{command}'"
    )
    assert code == 0, printed

    code, printed = checkout.run("hpo-nni rehearse ranking/config.yml")

    assert code == 0, printed
    assert "trial 0 (untuned)" in printed
    assert "trial 1  " in printed
    assert "-Dconfig=oss://bucket/models/configs/" in printed
    assert "feature_configs[:].embedding_dim" in printed
    assert "odps://project/tables/train: dt=20220617" in printed
