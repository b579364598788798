"""Submissions to a MaxCompute that runs here; pauses are noted and not slept."""

from __future__ import annotations

import pytest

from hpo_nni.errors import PlatformError
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.trial.retry import Retrier
from hpo_nni.trial.shutdown import Interrupted
from hpo_nni.trial.submission import LOOKS, Submission

PAIR = {"an id": "a secret"}


@pytest.fixture
def server(tmp_path):
    with (
        OssServer(tmp_path / "oss", PAIR, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, PAIR, "demo") as server,
    ):
        server.add_click_table("t", 3)
        yield server


class Submitting:
    """One submission of a statement, and the pauses it made."""

    def __init__(self, server, folder, statement="select * from t"):
        credentials = Credentials(Secret("an id"), Secret("a secret"))
        connection = MaxComputeConnection("demo", server.endpoint, credentials)
        self.platform = MaxComputePlatform(folder, connect=lambda: connection)
        self.pauses = []
        self.is_told_to_end = False
        plan = self.platform.plan(JobSpec("exp-trial-1-cmd1", statement, folder, folder))
        retrier = Retrier(self.pause, chance=lambda: 0.0)
        self.submission = Submission(self.platform, plan, retrier, self.pause)

    def pause(self, seconds):
        if self.is_told_to_end:
            raise Interrupted
        self.pauses.append(seconds)


@pytest.fixture
def submitting(server, tmp_path):
    return Submitting(server, tmp_path)


def fault(action, **more):
    return RequestFault(action, "POST", "/instances$", **more)


@pytest.mark.parametrize(
    ("faults", "pauses"),
    [
        ([], []),
        ([fault(Action.REFUSE, status=429, times=2)], [1, 2]),
        ([fault(Action.DROP_AFTER)], []),
        ([fault(Action.FAIL_AFTER, status=502)], []),
        ([fault(Action.DROP_BEFORE)], [1, *LOOKS]),
        ([fault(Action.REFUSE, status=503, times=2)], [1, *LOOKS, 2, *LOOKS]),
    ],
)
def test_a_job_is_submitted_once_whatever_becomes_of_the_answer(server, submitting, faults, pauses):
    server.faults.add(*faults)

    job = submitting.submission.run()

    assert [one.id for one in server.instances] == [job.id]
    assert submitting.pauses == pauses
    assert not submitting.submission.in_doubt


def test_a_job_that_shows_late_is_found_and_not_repeated(server, submitting):
    """The answer is lost, and the list of instances does not show the job at first."""
    listing = RequestFault(Action.REFUSE, "GET", "/instances$", status=503, first=2)
    server.faults.add(fault(Action.DROP_AFTER), listing)

    job = submitting.submission.run()

    assert [one.id for one in server.instances] == [job.id]
    assert submitting.pauses == [1]


def test_a_refusal_ends_it_at_once(server, tmp_path):
    server.faults.add(fault(Action.REFUSE, status=403, message="ODPS-0420095: Access Denied"))
    submitting = Submitting(server, tmp_path)

    with pytest.raises(PlatformError, match="ODPS-0420095: Access Denied"):
        submitting.submission.run()

    assert submitting.pauses == []


def test_a_trial_that_is_told_to_end_while_in_doubt_stays_in_doubt(server, submitting):
    server.faults.add(fault(Action.DROP_BEFORE))

    submitting.is_told_to_end = True
    with pytest.raises(Interrupted):
        submitting.submission.run()

    assert submitting.submission.in_doubt
