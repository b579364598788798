from __future__ import annotations

import pytest

from hpo_nni.errors import LedgerError
from hpo_nni.ledger import inputs
from hpo_nni.ledger.records import ExperimentRecord, InputKind


def test_a_text_is_kept_once_for_whoever_says_it(ledger):
    ledger.begin_experiment(ExperimentRecord("Exp2", started=2.0, direction="maximize"))
    for experiment in ("Exp1", "Exp1", "Exp2"):
        ledger.note_input(experiment, InputKind.CONFIG, "a.yaml", "lr: 0.1  # 学习率\n")

    (kept,) = ledger.inputs("Exp1")
    assert (kept.kind, kept.name, kept.time) == (InputKind.CONFIG, "a.yaml", 100.0)
    assert kept.text == "lr: 0.1  # 学习率\n"
    assert kept.size == len("lr: 0.1  # 学习率\n".encode())
    assert ledger._database.read("SELECT count(*) FROM texts") == [(1,)]


def test_each_version_of_a_file_is_kept_in_order(ledger):
    for text in ("lr: 0.1", "lr: 0.2", "lr: 0.1"):
        ledger.note_input("Exp1", InputKind.CONFIG, "a.yaml", text)

    assert [one.text for one in ledger.inputs("Exp1")] == ["lr: 0.1", "lr: 0.2"]


def test_of_a_text_that_is_too_long_the_digest_is_kept(ledger, monkeypatch):
    monkeypatch.setattr(inputs, "LONGEST", 3)
    ledger.note_input("Exp1", InputKind.CONFIG, "a.yaml", "lr: 0.1")

    (kept,) = ledger.inputs("Exp1")
    assert (kept.text, kept.size, len(kept.digest)) == (None, 7, 64)


def test_nobody_elses_text_is_taken(ledger):
    with pytest.raises(LedgerError):
        ledger.note_input("nobody", InputKind.CONFIG, "a.yaml", "lr: 0.1")
