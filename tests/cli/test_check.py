from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from hpo_nni.cli.check import SAMPLES, Check, spread
from hpo_nni.cli.main import main
from hpo_nni.errors import SettingsError
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.space.parsing import parse_space
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer


def check(folder, **replacements):
    """Check after replacing `{file: (old, new)}`."""
    for name, (old, new) in replacements.items():
        file = next(path for path in folder.iterdir() if path.stem == name)
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
    found = Check(Path("config.yml"))
    found.run()
    return found


def test_files_without_faults_are_reported(files):
    found = check(files)

    assert found.problems == []
    assert found.warnings == []
    assert found.report == [
        "score        auc x 1, loss x -0.5 (maximize)",
        "f[:].dim  2 places: 16, 32",
        f"{SAMPLES} points of the search space applied",
    ]


def test_what_a_window_and_a_webhook_will_meet_is_told(files, monkeypatch):
    monkeypatch.delenv("WEBHOOK", raising=False)
    more = "[schedule_config]\nday=weekend\n[monitor_config]\nurl=env:WEBHOOK\n[metric_config]"
    limited = ("maxTrialNumber: 4", "maxTrialNumber: 4\nmaxTrialDuration: 1h")

    found = check(files, trial=("[metric_config]", more), config=limited)

    assert found.problems == []
    webhook, limit = found.warnings
    assert webhook.startswith("trial.ini:9 [monitor_config] url: the environment variable WEBHOOK")
    assert "maxTrialDuration: NNI counts the time that a trial waits" in limit


def test_keys_that_are_substituted_are_called_so(files):
    (files / "search_space.json").write_text(
        '{"lr": {"_type": "uniform", "_value": [0, 1]},'
        ' "${dim}": {"_type": "choice", "_value": [4]}}'
    )
    (files / "base.config").write_text("f { dim: ${dim} }\n")

    found = check(files, trial=('train "${config}"', 'train "${config}" --lr ${lr}'))

    assert found.problems == []
    assert found.report[1:3] == ["lr      substituted", "${dim}  substituted"]


@pytest.mark.parametrize(
    ("replacements", "told"),
    [
        ({"config": ("name: Random", "name: TPE\n  classArgs: {optimize_mode: minimize}")}, "two"),
        ({"config": ("codeDirectory: ", "codeDirectory: ./no")}, "there is no folder /"),
        ({"config": ("pai_assessor.", "pai_asessor.")}, "did you mean 'pai_assessor'"),
        ({"config": ("platform: local", "platform: remote")}, "NNI would run the trials on"),
        ({"config": ("--config=./trial.ini", "")}, "names no settings file"),
        ({"config": ("trialCommand", "trialComand")}, "did you mean 'trialCommand'?"),
        ({"config": ("search_space.json", "space.json")}, "No such file"),
        ({"trial": ("base.config", "bas.config")}, "did you mean 'base.config'?"),
        ({"trial": ("'auc': 1", "'auc': one")}, "metric_dict: this is not a dictionary"),
        ({"search_space": ("f[:].dim", "f[:].dmi")}, "search_space.json:1:14 base.config: f[:]"),
        ({"search_space": ("[4, 8]", "[4, 8.5]")}, "8.5 is not an integer"),
        ({"search_space": ("[4, 8]", "{}")}, "_value of a choice is a list"),
        ({"base": ("f { dim: 16 }", "f { dim: 16")}, "base.config:"),
    ],
)
def test_a_fault_is_told_once_with_its_place(files, replacements, told):
    found = check(files, **replacements)

    problems = [str(problem) for problem in found.problems]
    assert any(told in problem for problem in problems), problems
    assert len(set(problems)) == len(problems)


def test_faults_of_all_files_come_at_once(files, capsys):
    found = check(
        files,
        config=("className: pai_assessor", "className: no_assessor"),
        trial=("name=local", "name=locl"),
        search_space=("choice", "chioce"),
    )

    with pytest.raises(SettingsError) as caught:
        found.conclude()
    places = [problem.where.split(":")[0] for problem in caught.value.problems]
    assert places == ["config.yml", "search_space.json", "trial.ini"]


def test_a_wrong_core_folder_is_answered_with_the_right_one(files):
    """People copy `../../../core` to a place that is not as deep."""
    (files / "core").mkdir()
    (files / "core" / "pai_assessor.py").write_text("")
    deep = files / "examples" / "mine"
    deep.mkdir(parents=True)
    text = (files / "config.yml").read_text()
    old = next(line for line in text.splitlines() if "codeDirectory" in line)
    (deep / "config.yml").write_text(text.replace(old, "  codeDirectory: ../../../core"))
    found = Check(deep / "config.yml")
    found.run()

    (problem,) = [p for p in found.problems if "codeDirectory" in p.where]
    assert problem.hint == f"did you mean {files / 'core'}?"


def test_a_command_that_is_the_users_own_is_only_a_warning(files):
    found = check(files, config=("python3 -m hpo_nni.trial --config=./trial.ini", "sh trial.sh"))

    assert found.problems == []
    (warning,) = found.warnings
    assert warning.startswith("config.yml:3:1 trialCommand: it names no settings file")


def test_warnings_are_printed_and_do_not_stop(files, capsys):
    found = check(files, trial=("${NNI_OUTPUT_DIR}/m.jsonl", "m.jsonl"))
    found.conclude()

    printed = capsys.readouterr().out
    assert "warning: trial.ini:8 [metric_config] metric_source: all trials" in printed


def test_a_path_that_nni_2_cannot_quote_is_a_warning(files):
    found = check(files, config=("./expdir", "./my expdir"))

    assert bool(found.warnings) is (nni_version() < (3,))


def test_nothing_is_written(files):
    before = sorted(files.rglob("*"))

    check(files)

    assert sorted(files.rglob("*")) == before


def test_the_points_that_are_tried_hold_every_option_and_both_ends():
    space = parse_space(
        {
            "a": {"_type": "choice", "_value": list(range(16))},
            "b": {"_type": "uniform", "_value": [0, 1]},
            "c": {
                "_type": "choice",
                "_value": [
                    {"_name": "x", "d": {"_type": "randint", "_value": [0, 3]}},
                    {"_name": "y"},
                ],
            },
        }
    )
    points = list(spread(space))

    assert len(points) == SAMPLES
    assert {point["a"] for point in points} == set(range(16))
    assert {0.0, 1.0} <= {point["b"] for point in points}
    assert {point["c"]["_name"] for point in points} == {"x", "y"}
    assert points == list(spread(space))


def test_a_check_takes_less_than_half_a_second(files):
    check(files)  # imports
    begun = time.process_time()

    Check(Path("config.yml")).run()

    assert time.process_time() - begun < 0.5


def test_remote_says_where_nothing_is_in_a_cloud(files, capsys):
    assert main(["check", "config.yml", "--remote"]) == 0
    assert "nothing of this experiment is in a cloud" in capsys.readouterr().out


def test_remote_adds_its_faults_to_those_of_the_files(files, capsys, monkeypatch):
    """A key that matches nothing, and an account that is not there: both at once."""
    monkeypatch.delenv("HPO_NNI_NO_SUCH_VARIABLE", raising=False)
    ini = files / "trial.ini"
    target = "base.config,oss://bkt/${trial_id}.config"
    account = "endpoint=http://127.0.0.1:1\naccessKeyID=env:HPO_NNI_NO_SUCH_VARIABLE\n"
    ini.write_text(
        ini.read_text().replace("base.config", target)
        + f"[oss_config]\n{account}accessKeySecret=file:none\n"
    )
    (files / "search_space.json").write_text('{"f[:].dmi": {"_type": "choice", "_value": [4]}}')

    assert main(["check", "config.yml", "--remote"]) == 2

    told = capsys.readouterr().err
    assert "error: 3 faults" in told
    assert "dmi" in told
    assert "HPO_NNI_NO_SUCH_VARIABLE is not set" in told


UPLOADED = """\
[platform_config]
name=MaxCompute
cmd1=PAI -name=easy_rec_ext -project=algo_public -Dconfig=${{config}}
  -Dmodel_dir=oss://bkt/models/${{exp_id}}_${{trial_id}}
[params_config]
params_src_dst_filepath=oss://bkt/base.config,oss://bkt/own/{target}.config
[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${{exp_id}}_${{trial_id}}/eval_val/
metric_dict={{'auc': 1}}
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=env:AK
accessKeySecret=env:SK
[odps_config]
project_name=demo
odps_endpoint=http://127.0.0.1:1/api
"""


@pytest.mark.parametrize(
    ("key", "target", "told"),
    [
        ("f[:].dim", "${exp_id}_${trial_id}", []),
        ("f[:].dmi", "${exp_id}_${trial_id}", ["search_space.json:1:", "dmi", "mean 'dim'"]),
        ("f[:].dim", "edited", ["trial.ini:6 [params_config]", "to the same place"]),
    ],
    ids=["right", "a key that selects nothing", "one place for all trials"],
)
def test_a_config_that_trials_upload_is_checked_before_anything_is_submitted(
    files, monkeypatch, key, target, told
):
    space = json.dumps({key: {"_type": "choice", "_value": [4, 8]}})
    (files / "search_space.json").write_text(space, encoding="utf-8")
    (files / "trial.ini").write_text(UPLOADED.format(target=target), encoding="utf-8")
    monkeypatch.setenv("AK", "LTAI5tCheck")
    monkeypatch.setenv("SK", "check-secret")
    pair = {"LTAI5tCheck": "check-secret"}
    with OssServer(files / "oss", pair, buckets=["bkt"]) as server:
        server.write("bkt", "base.config", b"f { dim: 16 } f { dim: 32 }\n")
        monkeypatch.setenv("OSS_HERE", server.endpoint)

        found = Check(Path("config.yml"))
        found.run()

        assert [entry.key for entry in server.objects("bkt")] == ["base.config"]
    said = "\n".join(map(str, found.problems))
    assert bool(said) == bool(told), said
    assert all(fragment in said for fragment in told), said
    if not told:
        assert "f[:].dim  2 places: 16, 32" in found.report


def test_keys_that_jobs_apply_themselves_are_tried_on_the_config_in_the_cloud(
    files, monkeypatch, capsys
):
    """EasyRec would pass over them without a word, and train the untuned config."""
    edits = "-Dconfig=oss://bkt/base.config -Dedit_config_json='${tuner_params_json}'"
    handed = UPLOADED.format(target="x").replace("-Dconfig=${config}", edits)
    handed = re.sub(r"(?m)^\[params_config\]\n.*\n", "", handed)
    handed = handed.replace("http://127.0.0.1:1/api", "env:ODPS_HERE")
    (files / "trial.ini").write_text(handed, encoding="utf-8")
    monkeypatch.setenv("AK", "LTAI5tCheck")
    monkeypatch.setenv("SK", "check-secret")
    pair = {"LTAI5tCheck": "check-secret"}
    with (
        OssServer(files / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo") as service,
    ):
        oss.write("bkt", "base.config", b"f { dim: 16 } f { dim: 32 }\n")
        monkeypatch.setenv("OSS_HERE", oss.endpoint)
        monkeypatch.setenv("ODPS_HERE", service.endpoint)

        assert main(["check", "config.yml", "--remote"]) == 0
        assert "selects      f[:].dim: 2 places\n" in capsys.readouterr().out

        space = '{"f[:].dmi": {"_type": "choice", "_value": [4]}}'
        (files / "search_space.json").write_text(space, encoding="utf-8")
        assert main(["check", "config.yml", "--remote"]) == 2

        assert not list(service.instances), "nothing was submitted"
    told = capsys.readouterr().err
    assert "search_space.json:1:14 oss://bkt/base.config: f[:].dmi: " in told, told
    assert "did you mean 'dim'?" in told


def test_what_an_hour_costs_is_shown_where_there_are_prices(files, capsys):
    ini = files / "trial.ini"
    costs = "[cost_config]\ncurrency=CNY\ncpu_hour=0.5\ncpu=4\n"
    ini.write_text(f"{ini.read_text(encoding='utf-8')}\n{costs}", encoding="utf-8")

    assert main(["check", "config.yml"]) == 0
    assert "cost         cmd1: 2.00 CNY an hour, for cpu 4\n" in capsys.readouterr().out
