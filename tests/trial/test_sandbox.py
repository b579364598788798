from __future__ import annotations

from hpo_nni.trial.sandbox import render_marked


def test_only_text_that_goes_to_the_output_is_marked() -> None:
    """A template computes with what a set block holds; a marker in it would change the result."""
    text = "{% set x %}ab{% endset %}{{ x | length }}"

    assert render_marked(text, "trial.ini") == "2"


def test_markers_tell_the_line_of_each_piece() -> None:
    assert render_marked("a\nb{{ 1 }}c", "trial.ini") == "\x001\x00a\n\x002\x00b1\x002\x00c"


def test_two_renderings_do_not_share_their_count_of_rounds() -> None:
    text = "{% for i in range(99999) %}{% endfor %}"

    assert [render_marked(text, "trial.ini") for _ in range(3)] == ["", "", ""]
