from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.metrics.lines import LineSplitter


def lines(splitter: LineSplitter, *data: bytes) -> list[tuple[bytes, bool]]:
    return [line for piece in data for line in splitter.feed(piece)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=10))
def test_any_cuts_give_the_same_lines(pieces, data, places):
    data = data.replace(b"a", b"\n").replace(b"b", b"\r")
    splitter = LineSplitter(b"\r\n", 1000)
    found = lines(splitter, *pieces(data, places)) + list(splitter.flush())
    expected = data.replace(b"\r", b"\n").split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert found == [(line, False) for line in expected]


def test_a_line_without_end_waits_for_the_flush():
    splitter = LineSplitter(b"\n", 100)
    assert lines(splitter, b"one\ntw", b"o") == [(b"one", False)]
    assert list(splitter.flush()) == [(b"two", False)]
    assert list(splitter.flush()) == []


@given(st.lists(st.integers(0, 500), max_size=10))
def test_a_long_line_is_cut_and_the_next_one_is_whole(pieces, places):
    splitter = LineSplitter(b"\n", 10)
    data = b"x" * 200 + b"\nshort\n" + b"y" * 10 + b"\n"
    assert lines(splitter, *pieces(data, places)) == [
        (b"x" * 10, True),
        (b"short", False),
        (b"y" * 10, False),
    ]
    assert len(splitter._rest) <= 10
