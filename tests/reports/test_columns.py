from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.reports.columns import columns, terminal_width, width_of, wrapped

TEXTS = st.text(st.sampled_from("ab /{}学习"), max_size=60)


@given(TEXTS, st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text, width):
    lines = wrapped(text, width)

    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_columns_keep_to_their_places(cells):
    for line in columns(cells, [10, 12]):
        assert width_of(line) <= 24


def test_tables_are_as_wide_as_the_terminal_within_reason(monkeypatch):
    for said, width in (("100", 100), ("500", 120), ("10", 40)):
        monkeypatch.setenv("COLUMNS", said)
        assert terminal_width() == width
