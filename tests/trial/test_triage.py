from __future__ import annotations

import pytest

from hpo_nni.errors import DivergedError, LedgerError, TransientStoreError
from hpo_nni.failures import Failure, FailureKind
from hpo_nni.platforms.base import JobSpec
from hpo_nni.trial.failure_settings import FailureSettings
from hpo_nni.trial.triage import FailedJobError, Triage, set_logs_aside

PASSING = Failure(FailureKind.TRANSIENT, "the network failed")


def failed(failure=PASSING):
    return FailedJobError("cmd1 failed", failure, job_id="1", log_tail="", hint="")


class Step:
    """A step that fails so many times; what was said and how long it paused, in their order."""

    def __init__(self, failures, failure=PASSING):
        self.left, self.failure, self.said, self.pauses = failures, failure, [], []

    def attempt(self):
        if self.left:
            self.left -= 1
            raise failed(self.failure)

    def run(self, **settings):
        triage = Triage(FailureSettings(**settings), "local")
        triage.run(self.attempt, self.pauses.append, self.said.append)


def test_pauses_grow_and_each_is_announced():
    step = Step(3)

    step.run(retries=3, retry_seconds=10)

    # up to half of a pause is left to chance, so that many trials do not come back at once
    limits = [10, 20, 40]
    assert all(most / 2 <= one <= most for one, most in zip(step.pauses, limits, strict=True))
    assert "after failure 2 (3 are tried again): transient: the network failed" in step.said[1]


def test_a_pause_is_ten_minutes_at_most():
    step = Step(30)

    step.run(retries=30, retry_seconds=30)

    assert max(step.pauses) <= 600


@pytest.mark.parametrize(
    "step, retries, pauses",
    [(Step(2), 1, 1), (Step(1), 0, 0), (Step(1, Failure(FailureKind.USER, "a bug")), 3, 0)],
    ids=["too often", "never", "of another kind"],
)
def test_the_last_failure_is_raised(step, retries, pauses):
    with pytest.raises(FailedJobError, match="cmd1 failed"):
        step.run(retries=retries, retry_seconds=0)

    assert len(step.pauses) == pauses


@pytest.mark.parametrize(
    "error, kind",
    [
        (failed(), FailureKind.TRANSIENT),
        (DivergedError("'auc' is nan at step 1"), FailureKind.INFEASIBLE),
        (TransientStoreError("busy", uri="oss://b"), FailureKind.TRANSIENT),
        (LedgerError("the disk"), FailureKind.UNKNOWN),
        (KeyError("a fault of ours"), FailureKind.UNKNOWN),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_of_ours_is_classified_by_its_class(error, kind):
    assert Triage(FailureSettings(), "local").of_error(error).kind is kind


def test_logs_of_earlier_attempts_are_counted(tmp_path):
    spec = JobSpec("job", "true", tmp_path, tmp_path, step="cmd1")

    for text in ("first", "second"):
        spec.stdout.write_text(text)
        set_logs_aside(spec)
    set_logs_aside(spec)

    kept = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert kept == {"cmd1.stdout.1": "first", "cmd1.stdout.2": "second"}
