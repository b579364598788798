from __future__ import annotations

import json

from hpo_nni.cli.main import main
from hpo_nni.ledger.records import BASELINE, DayRecord, DayState, EvaluationRecord, TrialState


def test_an_experiment_is_shown_with_all_its_trials(book, capsys):
    book.experiment()
    book.trial(0, score=0.5)
    book.trial(1, TrialState.STOPPED, reason="below the median")

    assert main(["show", f"--dir={book.folder}"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"experiment   ExpA in {book.folder}"
    assert "best trial   0 (ExpA-Tr0), score 0.5" in lines
    assert lines[-2:] == [
        "trial 0             succeeded      score 0.5",
        "trial 1             stopped early  below the median",
    ]


def test_json_holds_everything_and_is_strict(book, capsys):
    book.experiment()
    name = book.trial(0, TrialState.RUNNING, parameters={BASELINE: True, "lr": 0.1})
    numbers = {"auc": float("nan"), "loss": float("-inf"), "f1": 0.0}
    book.ledger.add_evaluations([EvaluationRecord(name, "", 1, numbers, None, 1.0)])
    book.job(name)

    assert main(["show", "ExpA", "--json", f"--dir={book.folder}"]) == 0

    def refuse(word):
        raise ValueError(word)

    facts = json.loads(capsys.readouterr().out, parse_constant=refuse)
    (trial,) = facts["trials"]
    assert trial["parameters"] == {"lr": 0.1}
    assert trial["state"] == "running"
    assert trial["evaluations"][0]["values"] == {"auc": "nan", "loss": "-inf", "f1": 0.0}
    assert trial["jobs"][0]["message"] == "exit code 0"


def test_days_that_are_left_out_are_named(book, capsys):
    book.experiment()
    trial = book.trial(0, score=0.5)
    reason = "odps://p/tables/t/dt=20220618 is not there"
    book.ledger.settle_day(DayRecord("ExpA", "cmd_2", DayState.LEFT_OUT, trial, 1.0, reason))

    assert main(["show", f"--dir={book.folder}"]) == 0
    assert f"left out     cmd_2, by all trials: {reason}\n" in capsys.readouterr().out
    assert main(["show", "--json", f"--dir={book.folder}"]) == 0
    assert json.loads(capsys.readouterr().out)["days"][0]["state"] == "left out"


def test_an_unknown_experiment_is_an_input_fault(book, capsys):
    book.experiment()

    assert main(["show", "ExpX", f"--dir={book.folder}"]) == 2

    assert "did you mean 'ExpA'?" in capsys.readouterr().err


def test_a_sound_ledger_is_called_so_and_a_fault_is_named(book, capsys):
    book.experiment()
    book.trial(0, score=0.5)
    assert main(["show", "--check", "--dir", str(book.folder)]) == 0
    assert capsys.readouterr().out.endswith("is sound\n")

    book.trial(1, score=None)

    assert main(["show", "--check", "--dir", str(book.folder)]) == 1
    assert capsys.readouterr().out == "trial ExpA-Tr1: it succeeded without a score\n"
