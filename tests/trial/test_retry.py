from __future__ import annotations

import pytest

from hpo_nni.errors import PlatformError, TransientPlatformError, TransientStoreError
from hpo_nni.trial.retry import Patience, Retrier


class Time:
    """A clock that only pauses move."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def retrier(self, patience, chance=0.0):
        return Retrier(self.pause, patience, clock=lambda: self.now, chance=lambda: chance)


def failing(errors):
    """A call that raises these, one after the other, and then answers."""
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return "answer"

    return call


BUSY = TransientPlatformError("busy")


def test_pauses_double_up_to_the_longest():
    time = Time()

    assert time.retrier(Patience(1, 4, 100))(failing([BUSY] * 5)) == "answer"
    assert time.pauses == [1, 2, 4, 4, 4]


def test_jitter_takes_up_to_half_away():
    time = Time()
    time.retrier(Patience(), chance=0.5)(failing([BUSY, TransientStoreError("x", uri="oss://b")]))

    assert time.pauses == [0.75, 1.5]


def test_no_try_begins_after_the_deadline():
    time = Time()
    with pytest.raises(TransientPlatformError, match="busy"):
        time.retrier(Patience(1, 100, 10))(failing([BUSY] * 50))

    assert time.pauses == [1, 2, 4]


def test_each_call_has_the_whole_patience():
    time = Time()
    retrier = time.retrier(Patience(1, 100, 8))
    for _ in range(3):
        assert retrier(failing([BUSY] * 3)) == "answer"


def test_what_is_not_transient_fails_at_once():
    time = Time()
    with pytest.raises(PlatformError, match="no permission"):
        time.retrier(Patience())(failing([PlatformError("no permission")]))

    assert time.pauses == []
