from __future__ import annotations

import pytest

from hpo_nni.cli.summary import SHOWN_FAILURES, summarise, summary
from hpo_nni.ledger.records import BASELINE, TrialState

OK, STOPPED, FAILED = TrialState.SUCCEEDED, TrialState.STOPPED, TrialState.FAILED


def test_a_good_end_names_the_best_trial_its_gain_and_where_its_config_is(book):
    book.experiment()
    book.trial(0, OK, 0.5, epochs=8, is_baseline=True, parameters={BASELINE: True, "lr": 0.1})
    name = book.trial(
        1, OK, 0.75, epochs=8, parameters={"lr": 0.3, "opt": "adam"}, configs=("/x/a.config",)
    )
    book.trial(2, STOPPED, epochs=2, reason="below the median")

    assert summary(book.ledger, "ExpA") == (
        "trials       3: 2 succeeded, 1 stopped early\n"
        f"best trial   1 ({name}), score 0.75\n"
        "untuned      score 0.5; the best trial is +0.25 (better)\n"
        "parameters\n"
        "  lr   0.3\n"
        "  opt  adam\n"
        "early stops  saved 25% of all epochs: 6 of 24 were not trained, in 1 trials\n"
        "best config  /x/a.config"
    )


@pytest.mark.parametrize(
    ("direction", "best", "gain", "is_better"),
    [("maximize", 0.75, 0.25, True), ("minimize", 0.25, -0.25, True)],
)
def test_better_depends_on_the_direction(book, direction, best, gain, is_better):
    book.experiment(direction=direction)
    book.trial(0, OK, 0.5, is_baseline=True)
    book.trial(1, OK, 0.75)
    book.trial(2, OK, 0.25)

    facts = summarise(book.ledger, "ExpA")

    assert (facts["best"]["score"], facts["gain"], facts["is_better"]) == (best, gain, is_better)


def test_the_untuned_score_is_a_mean_and_may_be_the_best(book):
    book.experiment()
    book.trial(0, OK, 0.5, is_baseline=True)
    book.trial(1, OK, 0.7, is_baseline=True)
    book.trial(2, FAILED, is_baseline=True)
    book.trial(3, OK, 0.0)

    facts = summarise(book.ledger, "ExpA")

    assert facts["baseline"] == pytest.approx(0.6)
    assert facts["best"]["is_baseline"]
    assert BASELINE not in facts["best"]["parameters"]


def test_without_success_the_reasons_are_told(book):
    book.experiment()
    for number in 0, 1:
        name = f"ExpA-Tr{number}"
        place = book.folder / "ExpA" / name
        book.trial(number, FAILED, reason=f"no metric\n  in {place}/m of {name}\n  hint: look")
    book.trial(2, FAILED, reason="no disk")

    text = summary(book.ledger, "ExpA")

    assert "best trial   none: no trial succeeded" in text
    assert f"trials 0, 1 failed: no metric\n  in {book.folder}/ExpA/ExpA-Tr0/m of ExpA-Tr0" in text
    assert "Tr1" not in text
    assert text.endswith("trial 2 failed: no disk")


def test_of_many_different_reasons_the_first_are_told(book):
    book.experiment()
    for number in range(SHOWN_FAILURES + 3):
        book.trial(number, FAILED, reason=f"reason {number}")

    text = summary(book.ledger, "ExpA")

    assert text.count("failed: reason") == SHOWN_FAILURES
    assert text.endswith("and 3 other reasons: `hpo-nni logs TRIAL` shows that of each trial")


def test_without_stops_nothing_was_saved(book):
    book.experiment()
    book.trial(0, OK, 0.5, epochs=3)

    assert "early stops  saved 0% of all epochs: no trial was stopped early" in summary(
        book.ledger, "ExpA"
    )


def test_without_a_full_run_nothing_can_be_compared(book):
    book.experiment()
    book.trial(0, STOPPED, epochs=3)

    assert summarise(book.ledger, "ExpA")["saved"]["share"] is None


def test_an_experiment_without_trials_or_entry_has_none(book):
    assert summary(book.ledger, "ExpA").startswith("trials       none\n")
    book.experiment()
    assert summary(book.ledger, "ExpA").startswith("trials       none\n")


def test_a_failure_that_was_run_again_does_not_count_twice(book):
    book.experiment()
    failed = book.trial(0, FAILED, reason="cmd1 failed: exit code 1")
    book.trial(1, OK, 0.5, retry_of=failed)

    facts = summarise(book.ledger, "ExpA")

    assert facts["counts"] == "1: 1 succeeded; 1 failure of before, run again since"
    assert facts["failures"] == []
