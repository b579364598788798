from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from hpo_nni.testing.cloud.trainer.metrics import names_of, value
from hpo_nni.testing.cloud.trainer.schema import new_config

LABELS = np.array([0.0, 1.0, 0.0, 1.0])
CHANCES = np.array([0.1, 0.9, 0.6, 0.4])


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("auc", 0.75),
        ("gauc", 0.75),
        ("session_auc", 0.75),
        ("max_f1", 0.8),
        ("accuracy", 0.5),
        ("mean_absolute_error", 0.35),
        ("mean_squared_error", 0.185),
        ("root_mean_squared_error", 0.185**0.5),
        ("recall_at_topk", 0.5),
        ("something_else", None),
    ],
)
def test_each_metric_is_what_its_name_says(kind, expected):
    found = value(kind, 1, CHANCES, LABELS)

    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("labels", [np.zeros(4), np.ones(4)])
def test_samples_of_one_class_give_numbers(labels):
    assert all(np.isfinite(value(kind, 5, CHANCES, labels)) for kind in ("gauc", "max_f1"))


@pytest.mark.parametrize(
    "model_class, names",
    [("DSSM", ["auc_x", "recall@10_x"]), ("DeepFM", ["auc_x", "recall_at_topk_x"])],
)
def test_names_are_easyrecs(model_class, names):
    config = new_config()
    text = "eval_config { metrics_set { auc {} } metrics_set { recall_at_topk { topk: 10 } } }"
    text_format.Parse(text, config)

    found = names_of(config.eval_config.metrics_set, "_x", model_class)

    assert [name for _, name, _ in found] == names
