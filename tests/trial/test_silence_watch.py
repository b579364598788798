from __future__ import annotations

import logging

import pytest

from hpo_nni.errors import SilentMetricError
from hpo_nni.failures import Evidence, FailureKind, classify
from hpo_nni.trial.silence_watch import SilenceWatch


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_silence_is_an_alarm_first_and_then_a_failure(clock, caplog):
    watch = SilenceWatch(60, clock, "trial t")
    for now in (0, 59):
        clock.now = now
        watch.listen()
    assert not caplog.records
    for now in (60, 90, 119):
        clock.now = now
        watch.listen()
    assert [one.getMessage() for one in caplog.records] == [
        "trial t: no metric has come for 60 s; after 120 s it fails"
    ]
    clock.now = 120
    with pytest.raises(SilentMetricError, match="no metric has come for 120 s"):
        watch.listen()


def test_a_metric_begins_the_count_anew(clock, caplog):
    watch = SilenceWatch(60, clock, "trial t")
    with caplog.at_level(logging.WARNING):
        for now in (0, 50, 100, 150, 200):
            clock.now = now
            watch.listen()
            watch.hear()

    assert not caplog.records


def test_without_a_timeout_silence_is_golden(clock):
    watch = SilenceWatch(0, clock, "trial t")
    for now in (0, 1e9):
        clock.now = now
        watch.listen()


def test_silence_may_be_tried_again():
    evidence = Evidence(errors=("SilentMetricError", "MetricError", "HpoNniError"))

    assert classify(evidence).kind in {FailureKind.TRANSIENT, FailureKind.TRANSIENT.value}
