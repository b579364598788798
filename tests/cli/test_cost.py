from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.summary import summary
from hpo_nni.costs import Prices
from hpo_nni.ledger.records import JobRecord, TrialState
from hpo_nni.trial.budget import FACTS, STOPPED

HOUR = 3600.0


@pytest.fixture
def priced(book):
    """An experiment whose jobs cost one CNY a minute."""
    book.experiment()
    rate = Prices("CNY", {"cpu": 0.5}).rate({"cpu": 120})

    def job(trial, hours, price=rate):
        record = JobRecord(trial, trial, "cmd1", "local", "", 1.0, "h", "b", 1, 1, rate=price)
        book.ledger.intend_job(replace(record, ran=hours * HOUR))

    def trial(number, state, hours, price=rate):
        name = book.trial(number, TrialState.RUNNING)
        job(name, hours, price)
        if state.is_final:
            book.ledger.end_job(name, "succeeded")
            book.ledger.end_trial(name, state, "", 0.5 if state is TrialState.SUCCEEDED else None)

    trial(0, TrialState.SUCCEEDED, 2.0)
    trial(1, TrialState.SUCCEEDED, 2.0)
    trial(2, TrialState.STOPPED, 0.5)
    trial(3, TrialState.FAILED, 0.25, None)
    facts = {"currency": "CNY", "budget": 500.0, "trial_cost": 0.0}
    book.ledger.note_settings("ExpA", {FACTS: facts, "max_trials": 8})
    book.running = lambda: trial(4, TrialState.RUNNING, 1.0)
    return book


def shown(priced, capsys, *options):
    code = main(["cost", f"--dir={priced.folder}", *options])
    return code, capsys.readouterr().out


def test_the_table_tells_the_ways_of_ending_apart(priced, capsys):
    code, out = shown(priced, capsys)

    assert code == 0
    assert out.splitlines()[1:] == [
        "              trials     hours  cost",
        "succeeded          2      4.00  240.00",
        "stopped early      1      0.50  30.00",
        "failed             1      0.25  0.00  (1 jobs have no price)",
        "all                4      4.75  270.00 CNY",
        "budget        500.00 CNY",
    ]


def test_while_trials_run_there_is_a_forecast(priced, capsys):
    priced.running()
    _, out = shown(priced, capsys)

    assert "running            1      1.00  60.00" in out
    assert "going by 4 ended trials" in out.splitlines()[-1]
    assert "(the budget ends it)" in out


def test_json_gives_the_same_figures(priced, capsys):
    priced.running()
    code, out = shown(priced, capsys, "--json")
    facts = json.loads(out)

    assert code == 0
    assert facts["spent"] == pytest.approx(330)
    assert facts["by_state"]["stopped"]["amount"] == pytest.approx(30)
    assert facts["trials"]["ExpA-Tr3"]["unpriced"] == 1
    assert facts["forecast"]["low"] < facts["forecast"]["expected"] < facts["forecast"]["high"]


def test_show_gives_them_to_programs_too(priced, capsys):
    assert main(["show", f"--dir={priced.folder}", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["cost"]["spent"] == pytest.approx(270)


def test_an_experiment_that_its_budget_has_stopped_says_so(priced, capsys):
    priced.ledger.note_settings("ExpA", {STOPPED: "the budget of 500.00 CNY has no room"})

    assert "stopped       the budget of 500.00 CNY has no room" in shown(priced, capsys)[1]
    lines = summary(priced.ledger, "ExpA").splitlines()
    assert "cost         270.00 CNY: 240.00 succeeded, 30.00 stopped early, 0.00 failed" in lines
    assert "budget       the budget of 500.00 CNY has no room" in lines


def test_without_prices_nothing_is_invented(book, capsys):
    book.experiment()
    book.trial(0)

    assert main(["cost", f"--dir={book.folder}"]) == 1
    assert "nothing has a price in this experiment" in capsys.readouterr().out
    assert main(["cost", "--json", f"--dir={book.folder}"]) == 1
    assert json.loads(capsys.readouterr().out) == {}
    assert "cost" not in summary(book.ledger, "ExpA")
    assert main(["show", "--json", f"--dir={book.folder}"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"] is None
