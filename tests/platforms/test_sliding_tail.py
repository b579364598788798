from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.platforms.sliding_tail import SlidingTail

NUMBERED = "".join(f"step {number}: auc={number / 1000}\n" for number in range(500))


@given(st.lists(st.integers(1, 400), max_size=40), st.integers(500, 4000))
def test_every_line_comes_once_where_the_ends_overlap(steps, window):
    log, written, found = SlidingTail(), 0, ""
    for step in steps:
        written = min(len(NUMBERED), written + step)
        found += log.lines(NUMBERED[max(0, written - window) : written])
    found += log.rest()

    assert log.gaps == 0
    assert found.rstrip("\n") == NUMBERED[:written].rstrip("\n")


def test_a_gap_is_counted_and_no_half_line_is_given():
    log = SlidingTail()
    log.lines(NUMBERED[:300])
    found = log.lines(NUMBERED[5000:5500])

    assert log.gaps == 1
    assert all(line.startswith("step ") for line in found.splitlines())


def test_a_log_that_does_not_grow_gives_nothing():
    log = SlidingTail()

    assert [log.lines("a\n"), log.lines("a\n"), log.lines("a\n")] == ["a\n", "", ""]


def test_a_last_line_without_an_end_is_given_in_the_end():
    log = SlidingTail()

    assert (log.lines("a\nb"), log.rest(), log.rest()) == ("a\n", "b\n", "")
