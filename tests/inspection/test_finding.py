from __future__ import annotations

from hpo_nni.inspection.finding import fail, ok, render, warn


def test_lines_are_aligned_and_hints_stand_below():
    lines = list(render([ok("a", "fine"), warn("long name", "odd\nreally", "do")], colour=False))

    assert lines == [
        "ok    a          fine",
        "warn  long name  odd\n                 really",
        "                 -> do",
    ]


def test_colour_is_in_the_word_only():
    (line,) = render([fail("a", "b")], colour=True)

    assert line == "\x1b[31mfail\x1b[0m  a  b"
