from __future__ import annotations

import json

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, InputKind
from hpo_nni.secrets import Redactor, Secret
from hpo_nni.testing.nni import HttpNni
from hpo_nni.trial.inputs import InputNotes

INI = """\
# accessKeySecret = an-old-key-of-last-year
[platform_config]
name = local
cmd1 = python3 code/train.py "${config}" && \
    echo '{"step": 1, "auc": 0.5}' > "${NNI_OUTPUT_DIR}/m.jsonl"
[params_config]
params_src_dst_filepath = base.yaml
[oss_config]
endpoint = oss-cn-beijing.aliyuncs.com
accessKeyID = env:MY_KEY
accessKeySecret = my-own-plain-secret
[metric_config]
metric_type = json
metric_source = ${NNI_OUTPUT_DIR}/m.jsonl
metric_dict = {'auc': 1}
poll_interval = 0.02
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trial.ini").write_text(INI)
    (tmp_path / "base.yaml").write_text("lr: 0.1  # the key is MyKeyId123\npassword: open-sesame\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("import model\n")
    (tmp_path / "code" / "model.py").write_text("")
    return tmp_path


def inputs(folder):
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        return ledger.inputs("local")


def test_a_trial_writes_down_what_it_runs_with(folder, run_trial):
    done = run_trial("--config=trial.ini", MY_KEY="MyKeyId123")
    assert done.returncode == 0, done.stderr

    noted = {one.kind: one for one in inputs(folder)}
    assert noted[InputKind.COMMAND].text.endswith("-m hpo_nni.trial --config=trial.ini")
    settings = json.loads(noted[InputKind.SETTINGS].text)
    assert settings["metric_config"]["metric_dict"] == "{'auc': 1}"
    assert settings["platform_config"]["cmd1"].startswith('python3 code/train.py "${config}"')
    assert noted[InputKind.CONFIG].name == str(folder / "base.yaml")
    assert noted[InputKind.CONFIG].text.startswith("lr: 0.1  # the key is [secret]\n")
    code = json.loads(noted[InputKind.CODE].text)
    assert sorted(code["files"]) == ["code/model.py", "code/train.py"]


def test_no_secret_is_among_it(folder, run_trial):
    run_trial("--config=trial.ini", MY_KEY="MyKeyId123")

    everything = "".join(one.text for one in inputs(folder))
    assert "env:MY_KEY" in everything
    for secret in ("MyKeyId123", "my-own-plain-secret", "open-sesame", "an-old-key-of-last-year"):
        assert secret not in everything


def test_a_second_trial_adds_only_what_has_changed(folder, run_trial):
    run_trial("--config=trial.ini", MY_KEY="MyKeyId123")
    (folder / "base.yaml").write_text("lr: 0.2\n")
    run_trial("--config=trial.ini", MY_KEY="MyKeyId123")

    kinds = [one.kind for one in inputs(folder)]
    assert kinds.count(InputKind.CONFIG) == 2
    assert len(kinds) == 5


@pytest.fixture
def nni(tmp_path):
    opened = HttpNni(tmp_path / "expdir", "Tr1", {})
    yield opened
    opened.close()


def test_nnis_config_is_noted_once_and_without_secrets(tmp_path, nni):
    nni.limits |= {
        "trialCommand": "run --config=trial.ini --id AKID12345",
        "tuner": {"name": "TPE", "classArgs": {"api_key": "sk-abcdef"}},
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "nniManagerIp": "127.0.0.1",
    }
    with Ledger.open(tmp_path) as ledger:
        ledger.begin_experiment(ExperimentRecord("Exp1", 1.0, "maximize"))
        notes = InputNotes(ledger, "Exp1", Redactor([Secret("AKID12345")]))
        notes.note_nni("http://127.0.0.1:1")  # nobody there: the next trial asks
        assert ledger.inputs("Exp1") == []
        notes.note_nni(nni.url)
        nni.close()
        notes.note_nni(nni.url)

        noted = {one.kind: json.loads(one.text) for one in ledger.inputs("Exp1")}
    assert noted[InputKind.SPACE] == {"x": {"_type": "uniform", "_value": [0, 1]}}
    recorded = noted[InputKind.EXPERIMENT]
    assert recorded["trialCommand"] == "run --config=trial.ini --id [secret]"
    assert recorded["tuner"]["classArgs"] == {"api_key": "[secret]"}
    assert "nniManagerIp" not in recorded
