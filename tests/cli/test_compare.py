"""What `hpo-nni compare` says of experiments whose trials really ran, and whose files changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger.records import BASELINE, EvaluationRecord, InputKind, TrialState

INI = """\
{% set days = date_list %}
[platform_config]
name = local
{% for day in days %}
cmd_{{ day }} = python3 code/train.py --data data/{{ day }}.csv --{{ flag }} "${config}" \
    > "${NNI_OUTPUT_DIR}/{{ day }}.jsonl"
{% endfor %}
[params_config]
params_src_dst_filepath = base.yaml
[metric_config]
metric_type = json
{% for day in days %}
metric_source_{{ day }} = ${NNI_OUTPUT_DIR}/{{ day }}.jsonl
{% endfor %}
metric_dict = {'auc': 1, 'loss': 0}
source_list_final_mode = avg
poll_interval = 0.02
[failure_config]
retries = 1
"""
CONFIG = """\
# as our engineers left it
lr: 0.1
layers:
  - {name: bottom, units: 64}
  - {name: top, units: 16}
"""
# The score of a day is its date's last digit and the learning rate.
TRAIN = """\
import re, sys
day = re.search(r"(\\d)\\.csv", sys.argv[2])[1]
rate = re.search(r"lr: ([\\d.]+)", open(sys.argv[4]).read())[1]
print('{"step": 1, "auc": %s, "loss": 0.5}' % (float(day) / 10 + float(rate)))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trial.ini").write_text(INI.replace("{{ flag }}", "fast"))
    (tmp_path / "base.yaml").write_text(CONFIG)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(TRAIN)
    return tmp_path


def trial(folder, place, point, days):
    (folder / "point.json").write_text(json.dumps(point))
    first, last = days
    words = ["--config=trial.ini", "--params=point.json", f"--place=book/{place}"]
    words += [f"--start_time={first}", f"--end_time={last}"]
    done = subprocess.run(
        [sys.executable, "-m", "hpo_nni.trial", *words],
        env={key: value for key, value in os.environ.items() if not key.startswith("NNI_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def two(folder):
    """Two experiments of the same files, which change between them, and once more after them."""
    trial(folder, "ExpA/TrA1", {}, (20261001, 20261003))
    trial(folder, "ExpA/TrA2", {"lr": 0.2}, (20261001, 20261003))
    changed = CONFIG.replace("0.1", "0.3").replace("layers:", "layers:\n  - {name: new, units: 8}")
    (folder / "base.yaml").write_text(changed.replace("16}", "32}"))
    ini = INI.replace("'loss': 0", "'loss': -0.5").replace("{{ flag }}", "slow")
    (folder / "trial.ini").write_text(ini)
    (folder / "code" / "train.py").write_text(TRAIN + "\n")
    trial(folder, "ExpB/TrB1", {}, (20261002, 20261004))
    trial(folder, "ExpB/TrB2", {"lr": 0.2}, (20261002, 20261004))
    for file in ("base.yaml", "trial.ini", "code/train.py"):
        (folder / file).unlink()
    return folder


def test_every_difference_is_found_in_files_that_are_gone(two, capsys):
    assert main(["compare", "ExpA", "ExpB", "--dir=book"]) == 0

    assert capsys.readouterr().out.splitlines()[3:] == [
        "config       base.yaml: 3 differences",
        "                   A                              B",
        "  lr               0.1                            0.3",
        '  layers[0]        -                              {"name": "new", "units": 8}',
        "  layers[1].units  16                             32",
        "",
        "space",
        "  A and B: search space not recorded: no trial ran under NNI and could ask it",
        "",
        "data         1 difference",
        "  days in common: 20261002 to 20261003 (2)",
        "        A                                    B",
        "  days  20261001 to 20261003 (3)             20261002 to 20261004 (3)",
        "",
        "settings     1 difference",
        "  A and B: NNI's config (tuner, assessor, limits) not recorded: no trial ran",
        "  under NNI and could ask it",
        "                      A                             B",
        "  score.weights.loss  0.0                           -0.5",
        "",
        "command      2 differences",
        "          A                                   B",
        "  --fast  ${config}                           -",
        "  --slow  -                                   ${config}",
        "",
        "code         1 difference",
        "                 A                               B",
        "  code/train.py  d300f3485d277420                6203f68009bc39bf",
        "",
        "scores       2 common days; the same points in both: 2",
        "  scores are made otherwise in B: here they are made of its metrics as in A",
        "                best of A  best of B       B - A   same points",
        "  20261002        0.40000    0.50000    +0.10000      +0.10000  (2)",
        "  20261003        0.50000    0.60000    +0.10000      +0.10000  (2)",
        "  best of each: B - A is +0.10000 in the mean of 2 days, B better on 2",
        "  same points:  B - A is +0.10000 in the mean of 2 days, B better on 2",
    ]


@pytest.fixture
def shelf(book, tmp_path):
    """An experiment in each of two working directories; their inputs are noted by the tests."""
    other = type(book)(tmp_path / "otherdir")
    book.experiment("ExpA")
    other.experiment("ExpB", started=2.0)
    yield book, other
    other.ledger.close()


def note(shelf, kind, name, *texts):
    for book, experiment, text in zip(shelf, ("ExpA", "ExpB"), texts, strict=True):
        book.ledger.note_input(experiment, kind, name, text)


def compared(shelf, capsys):
    assert main(["compare", *(str(book.folder) for book in shelf), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    return {section["section"]: section for section in facts["sections"]} | facts


def test_two_working_directories_stand_for_their_newest_experiments(shelf, capsys):
    shelf[0].experiment("ExpA-holdout", started=3.0)  # walks of a daily project, no sweep
    facts = compared(shelf, capsys)

    assert (facts["a"]["experiment"], facts["b"]["experiment"]) == ("ExpA", "ExpB")
    for name in ("config", "space", "data", "settings", "command", "code"):
        assert facts[name]["differences"] == []
        assert all("A and B: " in one and "not recorded" in one for one in facts[name]["remarks"])


def test_spaces_are_compared_by_dimension(shelf, capsys):
    a = {
        "lr": {"_type": "loguniform", "_value": ["1e-4", 0.1]},
        "dim": {"_type": "choice", "_value": [4, 8]},
        "l2": {"_type": "uniform", "_value": [0, 1.0]},
        "gone": {"_type": "randint", "_value": [1, 4]},
    }
    b = {
        "lr": {"_type": "loguniform", "_value": [0.0001, 0.1]},
        "dim": {"_type": "choice", "_value": [4, 8, 16]},
        "l2": {"_type": "loguniform", "_value": [0.5, 1.0]},
        "net": {"_type": "choice", "_value": [{"_name": "deep", "n": a["gone"]}]},
    }
    note(shelf, InputKind.SPACE, "", json.dumps(a), json.dumps(b))

    assert compared(shelf, capsys)["space"]["differences"] == [
        {"key": "dim", "a": "choice 4, 8", "b": "choice 4, 8, 16"},
        {"key": "l2", "a": "uniform 0, 1", "b": "loguniform 0.5, 1"},
        {"key": "gone", "a": "randint 1, 4"},
        {"key": "net", "b": 'choice "deep"'},
        {"key": "net / deep / n", "b": "randint 1, 4"},
    ]


@pytest.mark.parametrize(
    ("name", "texts", "found", "remark"),
    [
        ("p.config", ("d: 1 f { n: 1 }", "d: 1 f { n: 2 } f { n: 1 }"), ["f[0]"], ""),
        ("p.json", ('{"a": [1, 2], "b": 1.0}', '{"b": 1, "a": [2]}'), ["a"], ""),
        ("p.yaml", ("a: 1  # one", "a: 1"), [], "all values are the same"),
        ("p.config", ("lr: ${lr}\nn: 1", "lr: ${lr}\nn: 2"), ["line 2"], "compared by lines"),
        ("p.unknown", ("x", "y\nz"), ["line 1", "line 2"], "compared by lines"),
    ],
)
def test_configs_are_compared_by_key_path(shelf, capsys, name, texts, found, remark):  # noqa: PLR0917
    note(shelf, InputKind.CONFIG, name, *texts)

    section = compared(shelf, capsys)["config"]
    assert [one["key"] for one in section["differences"]] == found
    assert remark in " ".join(section["remarks"])


def test_a_config_that_changed_while_its_experiment_ran_is_said_to_have(shelf, capsys):
    note(shelf, InputKind.CONFIG, "p.yaml", "a: 1", "a: 3")
    shelf[0].ledger.note_input("ExpA", InputKind.CONFIG, "p.yaml", "a: 2")

    section = compared(shelf, capsys)["config"]
    assert section["differences"] == [{"key": "a", "a": 2, "b": 3}]
    assert section["remarks"][0].startswith("A: p.yaml changed while the experiment ran")


def test_the_documented_finetune_experiment_has_its_days_from_its_command(shelf, capsys):
    sections = {"easyrec_cmd_config": {"-Dtrain_tables": "odps://p/tables/t_{bizdate}"}}
    note(shelf, InputKind.SETTINGS, "t.ini", *[json.dumps(sections)] * 2)
    command = (
        "python3 ./run_finetune.py --config=c.ini --start_time=2022-06-{} --end_time=2022-07-01"
    )
    note(shelf, InputKind.COMMAND, "", command.format(29), command.format(30))

    facts = compared(shelf, capsys)
    assert facts["data"]["differences"] == [
        {"key": "days", "a": "20220629 to 20220701 (3)", "b": "20220630 to 20220701 (2)"}
    ]
    assert facts["command"]["differences"] == []


def days(book, trial, scores):
    for number, (day, score) in enumerate(scores.items(), start=1):
        values = {"auc": score}
        book.ledger.add_evaluations(
            [
                EvaluationRecord(trial, f"metric_source_{day}", 1, values, score, 1.0),
                EvaluationRecord(trial, "", number, values, score, 1.0),
            ]
        )


def test_scores_are_paired_where_both_ran_a_point_to_the_end_of_a_day(shelf, capsys):
    a, b = shelf
    days(
        a,
        a.trial(0, parameters={BASELINE: True, "lr": 3}, is_baseline=True),
        {20261001: 0.5, 20261002: 0.6},
    )
    days(a, a.trial(1, parameters={"lr": 1}), {20261001: 0.9})
    days(
        b,
        b.trial(0, parameters={}, is_baseline=True, experiment="ExpB"),
        {20261001: 0.4, 20261003: 0.6},
    )
    stopped = b.trial(1, TrialState.STOPPED, reason="r", parameters={"lr": 1.0}, experiment="ExpB")
    days(b, stopped, {20261001: 0.7})
    b.ledger.add_evaluations(  # a day that it did not complete
        [EvaluationRecord(stopped, "metric_source_20261002", 1, {"auc": 1.0}, 1.0, 1.0)]
    )

    scores = compared(shelf, capsys)["scores"]
    assert scores["same_points"] == 2
    (day,) = scores["days"]
    assert day == {
        "day": "20261001",
        "best_a": 0.9,
        "best_b": 0.7,
        "pairs": 2,
        "paired": pytest.approx(-0.15),
    }


def test_an_experiment_that_is_not_there_is_an_input_fault(shelf, capsys):
    assert main(["compare", "ExpA", "ExpX", f"--dir={shelf[0].folder}"]) == 2

    assert "no experiment 'ExpX'" in capsys.readouterr().err


def test_long_values_are_wrapped_and_long_lists_counted(shelf, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    keys = {f"key{number}": "学习率 " * number for number in range(30)}
    note(shelf, InputKind.CONFIG, "p.json", "{}", json.dumps(keys))
    assert main(["compare", *(str(book.folder) for book in shelf)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "  and 10 more: --json shows all" in lines
    assert max(sum(1 + (ord(sign) > 0x2E80) for sign in line) for line in lines) <= 80
