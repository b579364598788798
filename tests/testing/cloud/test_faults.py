"""Faults, as the real clients meet them, and what the servers did meanwhile."""

from __future__ import annotations

import time

import oss2
import pytest
import requests
from odps import errors

from hpo_nni.testing.cloud.faults import Action, Fate, Faults, JobFault, RequestFault
from hpo_nni.testing.processes import eventually

SUBMISSION = r"/instances$"


def submission(action, **changes):
    return RequestFault(action, method="POST", path=SUBMISSION, **changes)


@pytest.mark.parametrize(
    "fault, error, done",
    [
        (submission(Action.REFUSE), errors.ServiceUnavailable, 0),
        (submission(Action.REFUSE, status=429), errors.FlowExceeded, 0),
        (submission(Action.REFUSE, status=429, code="QPSExceeded"), errors.QPSExceeded, 0),
        (submission(Action.REFUSE, status=403), errors.NoPermission, 0),
        (submission(Action.REFUSE, status=500), errors.InternalServerError, 0),
        (submission(Action.DROP_BEFORE), requests.ConnectionError, 0),
        (submission(Action.FAIL_AFTER), errors.ServiceUnavailable, 1),
        (submission(Action.FAIL_AFTER, status=502), errors.BadGatewayError, 1),
        (submission(Action.DROP_AFTER), requests.ConnectionError, 1),
    ],
)
def test_submission_fails_before_or_after_the_work(submit, mc, fault, error, done):
    mc.faults.add(fault)

    with pytest.raises(error):
        submit()

    assert len(mc.instances.submitted()) == done
    submit()
    assert len(mc.instances.submitted()) == done + 1


def test_duplicated_submission_makes_two_jobs_and_tells_of_one(submit, mc):
    mc.faults.add(submission(Action.DUPLICATE))

    instance = submit()

    first, second = mc.instances.submitted()
    assert instance.id == second.id
    assert first.source == second.source


def test_late_duplicate_comes_after_the_answer(submit, mc):
    mc.faults.add(submission(Action.DUPLICATE, seconds=1.0))

    instance = submit()

    assert [one.id for one in mc.instances.submitted()] == [instance.id]
    assert mc.instances.await_change(lambda: len(mc.instances.submitted()) == 2, 10.0)


def test_late_duplicate_does_not_outlive_the_server(submit, mc):
    mc.faults.add(submission(Action.DUPLICATE, seconds=60.0))
    submit()

    mc.stop()

    assert len(mc.instances.submitted()) == 1


def test_work_can_be_done_long_before_its_answer(bucket, oss):
    oss.faults.add(RequestFault(Action.ANSWER_LATE, method="PUT", seconds=30.0))
    bucket.timeout = 0.2

    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("key", b"data")

    assert eventually(lambda: oss.objects("bkt"))
    assert oss.exchanges == []  # nothing has been answered yet


def test_fault_hits_the_requests_that_its_rule_counts(submit, mc):
    mc.faults.add(submission(Action.REFUSE, first=2, times=2))

    answers = []
    for _ in range(5):
        try:
            answers.append(bool(submit()))
        except errors.ServiceUnavailable:
            answers.append(False)

    assert answers == [True, False, False, True, True]


def test_fault_without_limit_lasts_until_it_is_cleared(submit, mc):
    mc.faults.add(submission(Action.REFUSE, times=0))
    for _ in range(3):
        with pytest.raises(errors.ServiceUnavailable):
            submit()

    mc.faults.clear()

    assert submit()


def test_words_of_a_refusal_reach_the_client(o, mc):
    said = "ODPS-0130013:Authorization exception - you have NO privilege odps:Describe"
    mc.faults.add(
        RequestFault(
            Action.REFUSE, path="/tables/metrics", status=403, code="NoPermission", message=said
        )
    )

    with pytest.raises(errors.NoPermission, match="NO privilege"):
        o.get_table("metrics").reload()


def test_delay_holds_the_answer_back(o, mc):
    mc.faults.add(RequestFault(Action.DELAY, path="/projects/demo$", seconds=0.2))

    begun = time.monotonic()
    o.get_project("demo").reload()

    assert time.monotonic() - begun >= 0.2


def test_client_that_gives_up_finds_its_work_done(bucket, oss):
    oss.faults.add(RequestFault(Action.DELAY, method="PUT", seconds=30.0))
    bucket.timeout = 0.2

    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("key", b"data")
    oss.stop()  # which ends the delay

    assert oss.read("bkt", "key") == b"data"


@pytest.mark.parametrize(
    "action, done",
    [(Action.REFUSE, []), (Action.FAIL_AFTER, ["key"]), (Action.DROP_AFTER, ["key"])],
)
def test_storage_fails_before_or_after_the_work(bucket, oss, action, done):
    oss.faults.add(RequestFault(action, method="PUT"))

    with pytest.raises(oss2.exceptions.OssError):
        bucket.put_object("key", b"data")

    assert [facts.key for facts in oss.objects("bkt")] == done
    bucket.put_object("key", b"data")


@pytest.mark.parametrize(
    "status, code", [(503, "Busy"), (500, "InternalError"), (403, "AccessDenied")]
)
def test_storage_fails_in_its_own_words(bucket, oss, status, code):
    oss.faults.add(RequestFault(Action.REFUSE, path="^/bkt/key", status=status))

    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.get_object("key")

    assert (raised.value.status, raised.value.code) == (status, code)
    assert oss.exchanges[-1].code == code


def test_dropped_reply_is_in_the_log_without_a_status(bucket, oss):
    oss.faults.add(RequestFault(Action.DROP_AFTER, method="PUT"))
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("key", b"data")

    assert (oss.exchanges[0].status, oss.exchanges[0].bytes_in) == (0, 4)


def test_query_can_be_part_of_the_rule(o, mc, submit):
    instance = submit()
    mc.faults.add(RequestFault(Action.REFUSE, query="taskstatus", status=500, times=0))

    assert instance.status is not None
    with pytest.raises(errors.InternalServerError):
        instance.get_task_statuses(retry=False)


def test_chance_repeats_with_the_seed():
    def struck(seed):
        faults = Faults(seed)
        faults.add(RequestFault(Action.REFUSE, times=0, probability=0.5))
        return [bool(faults.of_request("GET", "/", "")) for _ in range(40)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 5 < sum(struck(1)) < 35


def test_job_fault_counts_the_jobs_that_its_rule_means():
    faults = Faults()
    faults.add(JobFault(Fate.DIES, source="easy_rec", first=2), JobFault(Fate.WAITS, source="SQL"))

    fates = [faults.of_job(source) for source in ("easy_rec", "SQL", "easy_rec", "easy_rec", "SQL")]

    assert [fate and fate.fate for fate in fates] == [None, Fate.WAITS, Fate.DIES, None, None]
