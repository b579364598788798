from __future__ import annotations

import pytest
from google.protobuf import text_format

from hpo_nni.documents import apply_edits, parse_document
from hpo_nni.testing.cloud.stand_in import stand_in_config
from hpo_nni.testing.cloud.trainer.plan import plan_of
from hpo_nni.testing.cloud.trainer.schema import new_config


def towers_and_features(metrics, keys):
    config = new_config()
    text_format.Parse(stand_in_config(metrics, keys), config, allow_unknown_field=True)
    plan = plan_of(config, 4)
    return [task.suffix for task in plan.tasks], len(config.feature_configs)


@pytest.mark.parametrize(
    ("metrics", "keys", "towers", "features"),
    [
        (["auc"], [], ["_click", "_like"], 6),
        (["auc_is_like", "loss_play_time", "auc"], [], ["_is_like", "_play_time"], 6),
        (["auc"], ["model_config.dbmtl.task_towers[2].weight"], ["_click", "_like", "_extra_2"], 6),
        (["auc"], ["feature_configs[9].embedding_dim"], ["_click", "_like"], 10),
        (["auc"], ["feature_configs[3:12].embedding_dim"], ["_click", "_like"], 13),
        (["auc"], ["feature_configs[10000000].embedding_dim"], ["_click", "_like"], 501),
    ],
)
def test_it_has_what_metrics_and_keys_name(metrics, keys, towers, features):
    assert towers_and_features(metrics, keys) == (towers, features)


def test_the_usual_keys_select_something():
    point = {
        "train_config.num_steps": 10,
        "feature_configs[input_names[0]=vip].embedding_dim": 8,
        "feature_configs[:].hash_bucket_size": 100,
        "model_config.dbmtl.task_towers[0].dnn.hidden_units[0]": 64,
    }
    document = parse_document(stand_in_config(["auc"], point), format="prototext")

    assert {one.key for one in apply_edits(document, point).touched} == point.keys()
