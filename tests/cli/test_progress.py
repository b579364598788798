from __future__ import annotations

import io

import pytest

from hpo_nni.cli.progress import Limits, Progress, best_trial, clock, describe, time_left
from hpo_nni.direction import Direction
from hpo_nni.ledger.records import TrialRecord, TrialState

UP = Direction.MAXIMIZE
FOUR = Limits(max_trials=4, concurrency=2, seconds_left=None)


def trial(number, state=TrialState.SUCCEEDED, score=None, reason="", **more):
    return TrialRecord(
        f"t{number}", "e", number, 1.0, state=state, score=score, reason=reason, **more
    )


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_log_each_ended_trial_is_a_line_and_the_status_comes_now_and_then():
    stream = io.StringIO()
    progress = Progress(stream, UP)
    running = trial(1, TrialState.RUNNING)

    progress.show([trial(0, score=0.5), running], FOUR, 10.0)
    progress.show([trial(0, score=0.5), running], FOUR, 11.0)
    progress.show([trial(0, score=0.5), trial(1, TrialState.FAILED, reason="a\nb")], FOUR, 12.0)
    progress.show([trial(0, score=0.5), trial(1, TrialState.FAILED, reason="a\nb")], FOUR, 26.0)

    assert stream.getvalue() == (
        "   0:10  trial 0             succeeded      score 0.5\n"
        "   0:10  [1/4 trials done · 1 running · 0 stopped early · 0 failed"
        " · best 0.5 (trial 0) · about 0:30 left]\n"
        "   0:12  trial 1             failed         a\n"
        "   0:26  [2/4 trials done · 0 running · 0 stopped early · 1 failed"
        " · best 0.5 (trial 0) · about 0:26 left]\n"
    )


def test_on_a_terminal_the_status_is_redrawn_in_place():
    stream = Terminal()
    progress = Progress(stream, UP)
    progress.show([trial(0, TrialState.RUNNING)], FOUR, 1.0)
    first = stream.getvalue()
    progress.show([trial(0, TrialState.CANCELLED)], FOUR, 2.0)
    progress.finish([trial(0, TrialState.CANCELLED)], FOUR, 3.0)

    assert first.startswith("\r   0:01  [0/4 trials done")
    assert "\n" not in first
    rest = stream.getvalue().removeprefix(first)
    wiped, line, status, last = rest.split("\r")[1:]
    assert wiped.isspace()
    assert line == "   0:02  trial 0             cancelled\n"
    assert "1 cancelled" in status
    assert last.startswith("   0:03  [1/4 trials done")
    assert last.endswith("\n\n")


def test_a_log_ends_with_how_the_experiment_stands():
    stream = io.StringIO()
    progress = Progress(stream, UP)
    progress.show([trial(0, TrialState.RUNNING)], FOUR, 1.0)

    progress.finish([trial(0, score=0.5)], FOUR, 2.0)

    assert "[1/4 trials done" in stream.getvalue().splitlines()[-2]
    assert stream.getvalue().endswith("\n\n")


def test_without_a_number_of_trials_none_is_promised():
    stream = io.StringIO()
    Progress(stream, UP).show([], Limits(None, 1, None), 1.0)

    assert (
        stream.getvalue() == "   0:01  [0 trials done · 0 running · 0 stopped early · 0 failed]\n"
    )


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (trial(3, score=0.0), "trial 3             succeeded      score 0"),
        (trial(0, score=1.5, is_baseline=True), "trial 0 (untuned)   succeeded      score 1.5"),
        (
            trial(12, TrialState.STOPPED, reason="below the median"),
            "trial 12            stopped early  below the median",
        ),
        (trial(1, TrialState.RUNNING), "trial 1             running"),
    ],
)
def test_a_trial_is_one_line(record, text):
    assert describe(record) == text


CLASSES = {
    ("infeasible", "'auc' is nan at step 1\n  hint: x"): "'auc' is nan at step 1 (infeasible)",
    ("user", "cmd1 failed (user error: no module)"): "cmd1 failed (user error: no module)",
    ("unknown", "cmd1 failed: exit code 3"): "cmd1 failed: exit code 3",
    ("", "its process ended without a word"): "its process ended without a word",
}


@pytest.mark.parametrize("failure, text", CLASSES.items(), ids=str)
def test_a_failure_is_told_with_its_class_once(failure, text):
    record = trial(1, TrialState.FAILED, reason=failure[1], failure=failure[0])

    assert describe(record) == f"trial 1             failed         {text}"


def test_the_best_trial_is_a_succeeded_one_and_the_earliest_of_equals():
    trials = [
        trial(0, TrialState.STOPPED, 0.9),
        trial(1, score=0.5),
        trial(2, score=0.7),
        trial(3, score=0.7),
        trial(4, score=None),
    ]

    assert best_trial(trials, UP).number == 2
    assert best_trial(trials, Direction.MINIMIZE).number == 1
    assert best_trial(trials[:1], UP) is None


@pytest.mark.parametrize(
    ("done", "limits", "left"),
    [
        (0, FOUR, None),
        (1, FOUR, 30.0),
        (4, FOUR, 0.0),
        (9, FOUR, 0.0),
        (1, Limits(4, 2, 5.0), 5.0),
        (0, Limits(4, 2, -3.0), 0.0),
        (1, Limits(None, 2, None), None),
    ],
)
def test_the_time_left_is_what_binds_first(done, limits, left):
    assert time_left(done, limits, 10.0) == left


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (36610, "10:10:10")]
)
def test_seconds_are_a_clock(seconds, text):
    assert clock(seconds) == text


def test_what_it_costs_is_part_of_the_status():
    stream = io.StringIO()
    Progress(stream, UP).show([trial(0, score=0.5)], FOUR, 10.0, "1.50 of 9.00 CNY")

    assert " · best 0.5 (trial 0) · 1.50 of 9.00 CNY · about 0:30 left]" in stream.getvalue()
