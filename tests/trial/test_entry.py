from __future__ import annotations

import json
import os

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.trial.entry import TerminalChannel, _SettingsFile, main
from hpo_nni.trial.place import find_place
from hpo_nni.trial.settings import Substitutions, load_settings

INI = """\
[platform_config]
name=local
cmd1=cat "${config}"; echo '{"step": 1, "auc": 0.5}' > "${NNI_OUTPUT_DIR}/m.jsonl"
[params_config]
params_src_dst_filepath=base.config
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m.jsonl
metric_dict={'auc': 1}
poll_interval=0.02
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("NNI_EXP_ID", "NNI_TRIAL_JOB_ID", "NNI_SYS_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "trial.ini").write_text(INI)
    (tmp_path / "base.config").write_text("model { dim: 8 }  # keep\n")
    (tmp_path / "point.json").write_text('{"model.dim": 16}')
    return tmp_path


def test_a_dry_run_prints_edits_and_jobs_and_touches_nothing(folder, capsys):
    before = sorted(folder.rglob("*"))

    code = main(["--config=trial.ini", "--params=point.json", "--dry-run"])

    assert code == 0
    printed = capsys.readouterr().out
    assert "-model { dim: 8 }  # keep\n+model { dim: 16 }  # keep\n" in printed
    assert f"# cmd1, on local\ncd {folder}\ncat " in printed
    assert sorted(folder.rglob("*")) == before


def test_without_parameters_the_config_is_shown_as_it_is(folder, capsys):
    assert main(["--config=trial.ini", "--dry-run"]) == 0

    assert "# no edits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON"),
        ("[1]", "should be a JSON object"),
    ],
)
def test_parameters_that_are_no_object_are_an_input_fault(folder, capsys, text, fact):
    (folder / "point.json").unlink()
    if text is not None:
        (folder / "point.json").write_text(text)

    assert main(["--config=trial.ini", "--params=point.json", "--dry-run"]) == 2

    assert f"error: point.json: {fact}" in capsys.readouterr().err


def test_faults_of_a_dry_run_are_counted(folder, capsys):
    (folder / "point.json").write_text('{"model.dmi": 1, "model.dim": 0.5}')

    assert main(["--config=trial.ini", "--params=point.json", "--dry-run"]) == 2

    told = capsys.readouterr().err
    assert told.startswith("error: 2 faults\nbase.config: model.dmi: ")


def test_results_on_a_terminal_are_lines(capsys):
    channel = TerminalChannel({"lr": 0.1})
    assert channel.receive_point().parameters == {"lr": 0.1}

    channel.report("PERIODICAL", 0, {"default": 0.123456789, "auc": 0.5, "loss": 2})
    channel.report("FINAL", 0, {"default": 0.0})

    assert capsys.readouterr().out == "result 0: 0.123457  (auc 0.5, loss 2)\nfinal: 0  ()\n"


def test_a_trial_that_runs_alone_is_in_a_ledger_of_its_own(folder, run_trial):
    done = run_trial("--config=trial.ini", "--params=point.json")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "result 0: 0.5  (auc 0.5)\nfinal: 0.5  (auc 0.5)\n"
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        (trial,) = ledger.trials("local")
    assert (trial.state, trial.score) == (TrialState.SUCCEEDED, 0.5)
    assert trial.parameters == {"model.dim": 16}
    assert not trial.is_baseline
    assert (folder / "base.config").read_text() == "model { dim: 8 }  # keep\n"
    (config,) = trial.configs
    assert "dim: 16" in open(config).read()  # noqa: PTH123, SIM115
    assert "line 1, model.dim: 8 -> 16" in done.stderr


def test_a_trial_without_parameters_is_an_untuned_one(folder, run_trial):
    assert run_trial("--config=trial.ini").returncode == 0

    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        (trial,) = ledger.trials("local")
    assert trial.is_baseline


def test_a_faulty_ini_is_in_the_ledger_too(folder, run_trial):
    (folder / "trial.ini").write_text(INI.replace("name=local", "name=locl"))

    done = run_trial("--config=trial.ini")

    assert done.returncode == 2
    assert "there is no platform 'locl'" in done.stderr
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        (trial,) = ledger.trials("local")
    assert trial.state is TrialState.FAILED
    assert "there is no platform 'locl'" in trial.reason


def test_without_parameters_from_nni_nothing_is_begun(folder, run_trial):
    environ = {
        "NNI_EXP_ID": "ExpA",
        "NNI_TRIAL_JOB_ID": "TrA1",
        "NNI_SYS_DIR": str(folder / "expdir" / "ExpA" / "trials" / "TrA1"),
    }

    done = run_trial("--config=trial.ini", **environ)

    assert done.returncode == 1
    assert done.stderr.startswith("error: NNI left no readable parameters in ")
    assert not (folder / "expdir").exists()


def test_a_trial_starts_without_the_packages_that_are_slow_to_import(folder, run_trial):
    """`import nni` alone takes 1.3 s and 145 MB; a trial may add 0.3 s and 30 MB to that."""
    done = run_trial("--config=trial.ini", PYTHONPROFILEIMPORTTIME="1")

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "hpo_nni.trial.runner" in loaded
    slow = {"nni", "optuna", "numpy", "google.protobuf", "yaml", "jsonpath_ng", "psutil"}
    assert not loaded & slow


def test_json_parameters_keep_their_types(folder, run_trial):
    point = {"model.dim": 16}
    (folder / "point.json").write_text(json.dumps(point))

    done = run_trial("--config=trial.ini", "--params=point.json", "--dry-run")

    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize(("number", "said"), [("0", 1), ("3", 0)])
def test_plain_credentials_are_warned_of_by_the_first_trial_alone(
    folder, monkeypatch, caplog, number, said
):
    account = "[oss_config]\nendpoint=e\naccessKeyID=LTAIplain\naccessKeySecret=plainsecret\n"
    (folder / "trial.ini").write_text(INI + account)
    output = folder / "expdir/E/trials/T"
    output.mkdir(parents=True)
    for name, value in {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": "E",
        "NNI_TRIAL_JOB_ID": "T",
        "NNI_TRIAL_SEQ_ID": number,
        "NNI_SYS_DIR": str(output),
        "NNI_OUTPUT_DIR": str(output),
    }.items():
        monkeypatch.setenv(name, value)
    place = find_place(os.environ, now=0.0, pid=1)
    load = _SettingsFile(load_settings, folder / "trial.ini", place)
    settings = load(Substitutions(point={}))
    load(Substitutions(trial_id="another", point={}))  # it is said once

    assert settings.warnings
    assert caplog.text.count("plain credentials") == said


BY_DAY = """\
[platform_config]
name=local
{% for day in date_list %}
cmd_{{ day }}=mkdir -p "${NNI_OUTPUT_DIR}/{{ day }}"; \\
    echo '{"step": 1, "auc": 0.5}' > "${NNI_OUTPUT_DIR}/{{ day }}/m.jsonl"
{% endfor %}
[metric_config]
metric_type=json
{% for day in date_list %}
metric_source_{{ day }}=${NNI_OUTPUT_DIR}/{{ day }}/m.jsonl
{% endfor %}
metric_dict={'auc': 1}
poll_interval=0.02
"""


def test_a_trial_runs_where_and_on_the_days_that_its_command_says(folder):
    (folder / "trial.ini").write_text(BY_DAY)
    place = folder / "ledger" / "walk" / "walk-champion"

    code = main(
        ["--config=trial.ini", "--start_time=2022-06-30", "--end_time=20220701", f"--place={place}"]
    )

    assert code == 0
    with Ledger.open(folder / "ledger") as ledger:
        (trial,) = ledger.trials("walk")
        assert (trial.id, trial.state) == ("walk-champion", TrialState.SUCCEEDED)
        assert [job.step for job in ledger.jobs(trial.id)] == ["cmd_20220630", "cmd_20220701"]


@pytest.mark.parametrize(
    ("days", "fact"),
    [
        (["--start_time=20220630", "--end_time=20220701"], "this file asks for none"),
        (["--start_time=20220630", "--end_time=20220631"], "--end_time: '20220631' is not a date"),
        (["--start_time=20220630"], "--end_time: '' is not a date"),
    ],
)
def test_days_that_cannot_be_are_an_input_fault(folder, capsys, days, fact):
    assert main(["--config=trial.ini", "--dry-run", *days]) == 2

    assert fact in capsys.readouterr().err
