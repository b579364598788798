from __future__ import annotations

import pytest

from hpo_nni.drafts.metrics import easyrec_weights, named_weights, towers_without_metrics

TOWERS = {"dbmtl": {"task_towers": [{"tower_name": "click"}, {"tower_name": "like"}]}}
REGRESSION = {
    "mmoe": {
        "task_towers": [
            {"tower_name": "ctr", "metrics_set": {"auc": {}}},
            {"tower_name": "not scored"},
            {"tower_name": "time", "metrics_set": {"mean_squared_error": {}}},
        ]
    }
}
ESMM = {
    "esmm": {
        "cvr_tower": {"tower_name": "buy", "metrics_set": {"auc": {}}},
        "ctr_tower": {"tower_name": "ctr", "metrics_set": {"auc": {}}},
    }
}


@pytest.mark.parametrize(
    ("metrics_set", "model", "weights"),
    [
        (None, {}, {"auc": 1.0}),
        ({"auc": {}}, {}, {"auc": 1.0}),
        ([{"auc": {}}, {"gauc": {"uid_field": "u"}}], {}, {"auc": 1.0, "gauc": 0.0}),
        ({"mean_absolute_error": {}}, {}, {"mean_absolute_error": -1.0}),
        ({"recall_at_topk": {"topk": 10}}, {"model_class": "DSSM"}, {"recall@10": 1.0}),
        ({"recall_at_topk": {"topk": 10}}, {"model_class": "DeepFM"}, {"recall_at_topk": 1.0}),
        ({"auc": {}}, TOWERS, {"auc_click": 0.5, "auc_like": 0.5}),
        ({"auc": {}}, REGRESSION, {"auc_ctr": 0.5, "mean_squared_error_time": -0.5}),
        ({"auc": {}}, ESMM, {"auc_ctcvr": 0.5, "auc_buy_masked": 0.0, "auc_ctr": 0.5}),
    ],
)
def test_the_weights_follow_what_easyrec_writes(metrics_set, model, weights):
    config = {"eval_config": {"metrics_set": metrics_set}, "model_config": model}

    assert easyrec_weights(config) == weights


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({"train": {"monitor": "val_loss"}}, {"val_loss": -1.0}),
        ({"metrics": ["auc", "logloss"]}, {"auc": 1.0, "logloss": 0.0}),
        ([{"Metric": "rmse"}], {"rmse": -1.0}),
        ({"metrics": {"kind": "none"}}, {}),
        ({"metric": "not a name"}, {}),
        (None, {}),
    ],
)
def test_other_configs_name_metrics_under_usual_keys(config, weights):
    assert named_weights(config) == weights


@pytest.mark.parametrize(("model", "without"), [({}, False), (TOWERS, True), (ESMM, False)])
def test_towers_of_which_easyrec_writes_nothing_are_known(model, without):
    assert towers_without_metrics({"model_config": model}) is without
