"""Differences of nested values, held against what they say of any two values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.reports.values import ABSENT, differences, is_same

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "a.b"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "x", "y z"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_nothing_differs_from_itself(value):
    assert not list(differences(value, value))


@given(VALUES, VALUES)
def test_whatever_differs_is_found_and_whatever_is_found_differs(a, b):
    found = list(differences(a, b))

    assert bool(found) is not is_same(a, b)
    for one in found:
        assert one.a is ABSENT or one.b is ABSENT or not is_same(one.a, one.b)


@given(VALUES, VALUES)
def test_it_is_the_same_from_the_other_side(a, b):
    def absent(found):
        return sorted((one.a is ABSENT, one.b is ABSENT) for one in found)

    swapped = [(there, here) for here, there in absent(differences(b, a))]
    assert absent(differences(a, b)) == sorted(swapped)


def test_an_item_in_front_of_a_list_is_one_difference():
    items = [{"name": name, "dim": 8} for name in "bcd"]
    changed = [{"name": "a", "dim": 8}, *items[:2], {"name": "d", "dim": 16}]

    found = list(differences({"f": items}, {"f": changed}))

    assert [(one.key, one.a) for one in found] == [("f[0]", ABSENT), ("f[2].dim", 8)]


def test_names_match_items_of_which_everything_else_has_changed():
    a = [{"name": "a", "x": 1}, {"name": "b", "x": 2}]
    b = [{"name": "b", "x": 3}, {"name": "c", "x": 4}]

    found = {one.key: (one.a, one.b) for one in differences({"f": a}, {"f": b})}

    assert found == {"f[0]": (a[0], ABSENT), "f[1].x": (2, 3), "f[1]": (ABSENT, b[1])}
