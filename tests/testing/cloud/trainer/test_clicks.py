"""The click data that stand for tables."""

from __future__ import annotations

import numpy as np

from hpo_nni.testing.cloud.trainer.clicks import clicks, vocabulary

TRAIN = "odps://demo/tables/train/dt=20220617"
FEATURES = ("user_id", "item_id")


def test_same_table_gives_the_same_samples():
    one, two = (clicks(TRAIN, 500, FEATURES, ["click"]) for _ in range(2))

    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.labels, two.labels)


def test_other_partition_has_other_samples_of_the_same_kind():
    one = clicks(TRAIN, 20_000, FEATURES, ["click"])
    two = clicks("odps://demo/tables/train/dt=20220618", 20_000, FEATURES, ["click"])

    assert not np.array_equal(one.values, two.values)
    assert abs(one.labels.mean() - two.labels.mean()) < 0.03


def test_values_of_a_feature_do_not_depend_on_the_others():
    alone = clicks(TRAIN, 100, ["item_id"], ["click"])
    beside = clicks(TRAIN, 100, FEATURES, ["click", "like"])

    assert np.array_equal(alone.values[:, 0], beside.values[:, 1])
    assert beside.labels.shape == (100, 2)


def test_values_stay_in_their_vocabulary_and_labels_are_mixed():
    found = clicks(TRAIN, 5000, FEATURES, ["click"])

    for place, feature in enumerate(FEATURES):
        assert set(found.values[:, place]) == set(range(vocabulary(feature)))
    assert 0.05 < found.labels.mean() < 0.95
