from __future__ import annotations

import pytest

from hpo_nni.errors import MetricError
from hpo_nni.metrics.damage import Damage
from hpo_nni.metrics.json_keys import MAX_SEEN, JsonKey, PointReader

RECORD = {"eval": {"auc": 0.5, "folds": [{"auc": 0.25}, {"auc": 0.75}]}, "eval.auc": 0.125}


@pytest.mark.parametrize(
    "key, found",
    [
        ("eval.auc", 0.125),
        ("eval.folds[0].auc", 0.25),
        ("eval.folds[-1].auc", 0.75),
        ("eval.folds[2].auc", None),
        ("eval.folds.auc", None),
        ("eval.loss", None),
        ("loss", None),
        ("", None),
        ("]odd[", None),
        ("$.eval.auc", 0.5),
        ("$.eval.folds[*].auc", [0.25, 0.75]),
        ("$.eval.loss", None),
    ],
)
def test_what_lies_under_a_key(key, found):
    assert JsonKey(key).find(RECORD) == found


def test_a_name_with_brackets_is_a_member_too():
    assert JsonKey("f1]odd[").find({"f1]odd[": 1}) == 1


def test_a_broken_jsonpath_is_refused():
    with pytest.raises(MetricError, match=r"'\$\.\[' is no JSONPath"):
        JsonKey("$.[")


def test_seen_names_are_paths_and_bounded():
    reader = PointReader(["auc"], "", Damage("file"))
    reader.record({"a": {"b": [1, {"c": "2"}]}, "text": "x", "step": 3}, 1, "line 1")
    assert list(reader.seen) == ["a.b[0]", "a.b[1].c", "step"]
    reader.record({f"m{n}": n for n in range(1000)}, 1, "line 2")
    assert MAX_SEEN <= len(reader.seen) <= 1010


def test_a_deep_value_is_not_searched_to_its_ground():
    value: object = 1
    for _ in range(500):
        value = {"x": value}
    reader = PointReader(["auc"], "", Damage("file"))
    assert reader.record({"x": value}, 1, "line 1") is None
