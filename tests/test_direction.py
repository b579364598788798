from __future__ import annotations

import pytest

from hpo_nni.direction import Direction

UP, DOWN = Direction.MAXIMIZE, Direction.MINIMIZE


def test_directions_are_spelt_as_optimize_mode():
    assert (Direction("maximize"), Direction("minimize")) == (UP, DOWN)
    with pytest.raises(ValueError, match="maximise"):
        Direction("maximise")


@pytest.mark.parametrize(
    ("direction", "score", "than", "better"),
    [
        (UP, 0.2, 0.1, True),
        (UP, 0.1, 0.2, False),
        (DOWN, 0.1, 0.2, True),
        (DOWN, -1.0, 0.0, True),
        (UP, 0.0, -0.0, False),
        (DOWN, 0.1, 0.1, False),
        (UP, float("nan"), 0.1, False),
    ],
)
def test_better_is_strict_and_knows_the_way(direction, score, than, better):
    assert direction.is_better(score, than=than) is better


def test_the_best_of_several_is_an_end_of_them():
    assert UP.best([0.1, 0.3, 0.2]) == 0.3
    assert DOWN.best([0.1, 0.0, 0.2]) == 0.0
    with pytest.raises(ValueError, match=r"empty|no items"):
        UP.best([])
