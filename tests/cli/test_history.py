"""What `hpo-nni history` makes of the days that `hpo-nni daily` has noted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger.records import BASELINE, DailyRunRecord, EvaluationRecord, TrialState
from hpo_nni.trial.budget import FACTS

UNTUNED, FIRST, SECOND = {}, {"lr": 0.5}, {"lr": 0.25, "dim": 8}
VERDICT = {"difference": 0.02, "lower": 0.01, "upper": 0.03, "p_value": 0.004}


class Project:
    """Writes days as `hpo-nni daily` does: a row, the sweep, and the walks of both contenders."""

    def __init__(self, book):
        self.book = book

    def day(self, day, state, champion, challenger, *, untuned=0.5, lead=0.0, **more):
        """A day on which the champion is better than the untuned config by `lead`."""
        sweep = self.book.experiment(f"Exp{day}", started=float(day))
        walks = self.book.experiment(f"Exp{day}-holdout", started=float(day))
        facts = {"currency": "CNY", "budget": None, "trial_cost": 0.0}
        self.book.ledger.note_settings(sweep, {FACTS: facts})
        if untuned is not None:
            self.walk(sweep, 0, {BASELINE: True, "lr": 0.1}, {day - 100: untuned}, is_baseline=True)
        for number in (1, 2):
            self.walk(sweep, number, {"lr": number / 10}, {day - 100: 0.4})
        base = 0.5 if untuned is None else untuned
        self.walk(walks, 0, champion, {day - 100: base + lead, day: 0.6 + lead})
        self.walk(walks, 1, challenger, {day - 100: base + lead + 0.02, day: 0.62 + lead})
        run = DailyRunRecord(
            "shop",
            str(day),
            state,
            begun=1.0,
            experiment_id=sweep,
            champion=champion,
            challenger=challenger,
            champion_scores={str(day): 0.6 + lead},
            challenger_scores={str(day): 0.62 + lead},
            verdict=VERDICT,
            cost=12.5,
        )
        self.book.ledger.put_daily_run(replace(run, **more))

    def walk(self, experiment, number, point, scores, *, is_baseline=False):
        name = self.book.trial(
            number,
            TrialState.RUNNING,
            experiment=experiment,
            parameters=point,
            is_baseline=is_baseline or not point,
        )
        for step, (day, score) in enumerate(scores.items(), start=1):
            values = {"auc": score}
            source = f"metric_source_{day}"
            self.book.ledger.add_evaluations(
                [
                    EvaluationRecord(name, source, 1, values, score, 1.0),
                    EvaluationRecord(name, "", step, values, score, 1.0),
                ]
            )
        self.book.ledger.end_trial(name, TrialState.SUCCEEDED, "", 0.5)

    def fail(self, day):
        run = DailyRunRecord("shop", str(day), "failed", 1.0, message="gave up after 6 h")
        self.book.ledger.put_daily_run(run)


@pytest.fixture
def project(book):
    """Ship on the second day; the champion's lead of 0.03 shrinks to 0.01 while days get easier."""
    made = Project(book)
    made.day(20261001, "kept", UNTUNED, FIRST)
    made.day(20261002, "shipped", UNTUNED, FIRST, lead=0.0)
    made.fail(20261003)
    made.day(20261004, "kept", FIRST, SECOND, untuned=0.55, lead=0.015)
    made.day(20261005, "shipped", FIRST, SECOND, untuned=0.6, lead=0.01)
    return made


def shown(project, capsys, *options):
    code = main(["history", "shop", f"--dir={project.book.folder}", *options])
    return code, capsys.readouterr().out


def test_the_days_are_a_table(project, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out = shown(project, capsys)

    assert code == 0
    assert out.splitlines()[0].endswith("5 days: 1 failed, 2 kept, 2 shipped")
    assert out.splitlines()[2:8] == [
        "day       verdict  champion    score     drift  tried      gain      p   cost",
        "20261001  kept     untuned   0.60000         -      2  +0.02000  0.004  12.50",
        "20261002  shipped  untuned   0.60000         -      2  +0.02000  0.004  12.50",
        "20261003  failed   #1              -         -      -         -      -      -",
        "20261004  kept     #1        0.61500  -0.00500      2  +0.02000  0.004  12.50",
        "20261005  shipped  #1        0.61000  -0.01000      2  +0.02000  0.004  12.50",
    ]
    assert "untuned  from the first day on" in out
    assert "#1       shipped on 20261002: lr = 0.5" in out
    assert "#2       shipped on 20261005: lr = 0.25, dim = 8" in out
    assert "20261003 failed: gave up after 6 h" in out
    assert all(len(line) <= 80 for line in out.splitlines()[1:])


def test_drift_without_untuned_trials_is_that_of_the_score_and_is_marked(book, capsys):
    project = Project(book)
    project.day(20261001, "shipped", UNTUNED, FIRST, untuned=None)
    project.day(20261002, "kept", FIRST, SECOND, untuned=None, lead=-0.01)

    code, out = shown(project, capsys)
    assert code == 0
    assert " -0.03000~ " in out
    assert "with ~, where no untuned trial ran" in " ".join(out.split())


def test_a_loss_that_grows_is_a_drift_to_the_worse(book, capsys):
    for day in (20261001, 20261002):
        book.experiment(f"Exp{day}", direction="minimize", started=float(day))
    project = Project(book)
    project.day(20261001, "shipped", UNTUNED, FIRST)
    project.day(20261002, "kept", FIRST, SECOND, lead=0.05)

    facts = json.loads(shown(project, capsys, "--json")[1])
    assert facts["direction"] == "minimize"
    assert facts["days"][1]["drift"] == pytest.approx(-0.03)


def test_json_has_all_of_it(project, capsys):
    code, out = shown(project, capsys, "--json")
    facts = json.loads(out)

    assert code == 0
    assert [day["champion"] for day in facts["days"]] == ["untuned", "untuned", *["#1"] * 3]
    assert facts["champions"][1] == {"name": "#1", "since": "20261002", "point": FIRST}
    assert facts["days"][4]["verdict"] == VERDICT
    assert facts["days"][4]["drift_is_paired"] is True
    assert facts["currency"] == "CNY"


def test_the_plot_has_a_column_for_each_day(project, capsys):
    out = shown(project, capsys)[1].splitlines()
    top = next(at for at, line in enumerate(out) if "│" in line)
    plot = out[top : top + 8]

    assert all(line[10] == "│" for line in plot)
    columns = ["".join(line[11 + 4 * day : 12 + 4 * day] for line in plot) for day in range(5)]
    assert [column.count("●") for column in columns] == [1, 1, 0, 1, 1]
    assert [column.count("○") for column in columns] == [1, 1, 0, 1, 1]
    assert out[top + 9].split() == ["▲", "×", "▲"]


def test_where_only_ascii_can_be_printed_the_plot_is_ascii(project):
    words = ["-m", "hpo_nni.cli", "history", "shop", f"--dir={project.book.folder}"]
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )

    assert b"* champion   o challenger" in done.stdout


SVG = "{http://www.w3.org/2000/svg}"


def test_the_drawing_is_one_file_with_gaps_and_marks(project, capsys, tmp_path):
    file = tmp_path / "days.svg"
    code, out = shown(project, capsys, f"--plot={file}")
    assert code == 0
    assert f"drawn into {file}" in out

    root = ET.parse(file).getroot()
    said = [title.text for title in root.iter(f"{SVG}title")]
    assert sum(": champion" in one for one in said) == 4
    assert "20261003 failed: gave up after 6 h" in said
    lines = [one for one in root.iter(f"{SVG}line") if one.get("stroke") == "#0969da"]
    assert len(lines) == 2  # none over the failed day
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert {"#1", "#2", "score", "drift of the champion", "cost (CNY)", "2026-10-01"} <= {*labels}


def test_a_page_has_drawing_and_table(project, capsys, tmp_path):
    file = tmp_path / "days.html"
    assert shown(project, capsys, f"--plot={file}")[0] == 0

    text = file.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "20261005  shipped  #1" in text


def test_a_picture_of_another_kind_is_refused_before_anything(project, capsys):
    assert main(["history", "shop", f"--dir={project.book.folder}", "--plot=days.png"]) == 2

    assert "FILE.svg or FILE.html" in capsys.readouterr().err


def test_an_unknown_project_is_an_input_fault(project, capsys):
    assert main(["history", "shup", f"--dir={project.book.folder}"]) == 2

    assert "did you mean 'shop'?" in capsys.readouterr().err


def test_a_project_file_says_name_and_directory(project, files, capsys):
    (files / "project.yml").write_text(
        "project: shop\nexperiment: config.yml\n"
        "days: {tuning: 1, holdout: 5}\nbudget: {trials: 2}\n"
    )

    assert main(["history", "project.yml", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["days"]) == 5
