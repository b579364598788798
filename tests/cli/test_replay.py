from __future__ import annotations

import json

import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger.records import (
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    TrialRecord,
    TrialState,
)

PAI = {"class": "PAIAssessor", "arguments": {"optimize_mode": "maximize", "start_step": 2}}


@pytest.fixture
def sweep(book):
    """Four trials one after the other, the third of which PAIAssessor stopped at step 2."""
    score = {"weights": {"auc": 1.0, "loss": 0.0}, "final_mode": "best"}
    settings = {"assessor": PAI, "score": score}
    book.ledger.begin_experiment(ExperimentRecord("ExpA", 1.0, "maximize", settings=settings))
    courses = [(0.6, 5, 4), (0.8, 3, 4), (0.4, 1, 2), (0.7, 4, 4)]
    for number, (top, loss, length) in enumerate(courses):
        name = f"Tr{number}"
        book.ledger.begin_trial(TrialRecord(name, "ExpA", number, 1.0, {"lr": number / 10}))
        for step in range(1, length + 1):
            auc = top * step / 4
            values = {"auc": auc, "loss": float(loss)}
            book.ledger.add_evaluations([EvaluationRecord(name, "", step, values, auc, 2.0)])
            known = book.ledger.news("ExpA").known
            stopped = number == 2 and step == 2
            reason = ""
            if stopped:
                what = "the median of 2 other trials at step 2"
                reason = f"best score so far 0.2 is worse than 0.3, {what}"
            action = "stop" if stopped else "keep"
            book.ledger.add_decision(DecisionRecord(name, "assessor", action, reason, 2.0), known)
        if stopped:
            book.ledger.end_trial(name, TrialState.STOPPED, reason)
        else:
            book.ledger.end_trial(name, TrialState.SUCCEEDED, "", top)
    return book


def run(capsys, *words):
    code = main([*words])
    return code, capsys.readouterr().out


def test_another_proportion_is_told_with_what_it_saves(sweep, capsys):
    code, told = run(capsys, "replay", "--assessor", "proportion=1", f"--dir={sweep.folder}")

    assert code == 0
    assert "rule         PAIAssessor start_step=2 proportion=1: it stops 2" in told
    assert "evaluations  12 of the 14 that were made: it would have saved 14% more" in told
    assert "winner       trial 1 (0.8): kept" in told
    assert "stop         trial 3 at step 2: best score so far 0.35 is worse than 0.4" in told


def test_another_assessor_may_lose_the_winner_and_keep_what_was_stopped(sweep, capsys):
    words = "AshaAssessor first_rung=9"
    _, told = run(capsys, "replay", "ExpA", "--assessor", words, f"--dir={sweep.folder}")

    assert "rule         AshaAssessor first_rung=9: it stops 0" in told
    assert "go on        trial 2, which was stopped: best score so far 0.2" in told


def test_verdicts_that_differ_from_the_record_are_shown(sweep, capsys):
    code, told = run(capsys, "replay", f"--dir={sweep.folder}")

    assert code == 1  # the fixture's kept verdicts have no reasons
    assert "trial Tr0, verdict 1: keep () recorded, keep (1 of the 2 evaluations" in told
    assert "trial Tr2, verdict 2" not in told


def test_json_has_every_verdict(sweep, capsys):
    _, told = run(capsys, "replay", "--json", f"--dir={sweep.folder}")

    facts = json.loads(told)
    assert facts["stops"] == ["Tr2"]
    assert len(facts["verdicts"]) == 14
    assert facts["verdicts"][-5]["action"] == "stop"
    assert facts["verdicts"][-5]["figures"]["threshold"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "words, message",
    [
        ("AutoAsessor", "did you mean 'AutoAssessor'"),
        ("PAIAssessor pacience=2", "did you mean 'patience'?"),
        ("PAIAssessor strict", "write it as proportion=0.7"),
    ],
)
def test_a_wrong_assessor_is_an_input_fault(sweep, capsys, words, message):
    assert main(["replay", "--assessor", words, f"--dir={sweep.folder}"]) == 2
    assert message in capsys.readouterr().err


def test_an_experiment_without_an_assessor_needs_one_to_be_named(book, capsys):
    book.experiment()
    book.trial(0, score=0.5, epochs=3)

    assert main(["replay", f"--dir={book.folder}"]) == 2
    assert "name one with --assessor: PAIAssessor" in capsys.readouterr().err
    assert main(["replay", "--assessor", "PAIAssessor", f"--dir={book.folder}"]) == 0


def test_new_weights_rank_anew_and_seed_a_new_experiment(sweep, capsys, tmp_path):
    file = tmp_path / "points.json"
    words = ["--metric", "auc=1", "--metric", "loss=-0.05", f"--export={file}"]
    code, told = run(capsys, "reweigh", *words, f"--dir={sweep.folder}")

    assert code == 0
    lines = told.splitlines()
    assert lines[0] == "experiment   ExpA: +1 auc -0.05 loss, maximize"
    assert lines[1].split() == ["1", "trial", "1", "0.65", "was", "1", "succeeded"]
    assert lines[3].split() == ["3", "trial", "0", "0.35", "was", "3", "succeeded"]
    assert json.loads(file.read_text())[0] == {
        "parameter": {"lr": 0.1},
        "value": pytest.approx(0.65),
    }
    assert len(json.loads(file.read_text())) == 3


def test_new_weights_show_which_stops_would_have_differed(sweep, capsys):
    _, told = run(capsys, "reweigh", "--metric", "loss=-1", f"--dir={sweep.folder}")

    assert told.splitlines()[1].split()[:3] == ["1", "trial", "2"]
    assert "would go on  trial 2, which was stopped" in told
    assert "would stop   trial 3: best score so far -4 is worse than -3" in told


@pytest.mark.parametrize("word", ["auc", "auc=x", "=1", "auc=0", "auc=nan"])
def test_wrong_weights_are_input_faults(sweep, capsys, word):
    assert main(["reweigh", f"--metric={word}", f"--dir={sweep.folder}"]) == 2
    assert "--metric" in capsys.readouterr().err


def test_an_unknown_metric_is_an_input_fault(sweep, capsys):
    assert main(["reweigh", "--metric=acu=1", f"--dir={sweep.folder}"]) == 2
    assert "did you mean 'auc'?" in capsys.readouterr().err


def test_why_tells_the_story_of_a_stopped_trial(sweep, capsys):
    code, told = run(capsys, "why", "2", f"--dir={sweep.folder}")

    assert code == 0
    assert "proposed     by the tuner: lr = 0.2" in told
    assert "measured     2 evaluations up to step 2; best 0.2 at step 2, last 0.2" in told
    assert "stopped      best score so far 0.2 is worse than 0.3, the median of 2 other" in told
    assert "threshold 0.3" in told
    assert "recomputed   from the ledger; the recorded verdict is the same" in told
    assert "ranked       not at all: only trials that ran to their end are" in told


def test_why_tells_how_a_trial_is_ranked_and_by_what(sweep, capsys):
    _, told = run(capsys, "why", "Tr0", f"--dir={sweep.folder}")

    assert (
        "ranked       number 3 of 3 complete trials with 0.6; the score is +1 auc +0 loss" in told
    )


def test_why_tells_why_a_trial_failed(book, capsys):
    book.experiment()
    book.trial(0, TrialState.FAILED, reason="out of memory\nat step 3", is_baseline=True)

    _, told = run(capsys, "why", "0", f"--dir={book.folder}")

    assert "proposed     it is the untuned config, the measure for all others" in told
    assert "failed       out of memory\n             at step 3" in told
    assert "measured     it never had a score" in told
