"""What the trainer reads out of a config."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from hpo_nni.testing.cloud.trainer.plan import ConfigError, plan_of
from hpo_nni.testing.cloud.trainer.schema import new_config

OPTIMIZER = """
train_config {
  num_steps: 1000 save_checkpoints_steps: 300
  optimizer_config { adam_optimizer { learning_rate { %s } } }
}
"""
CONSTANT = OPTIMIZER % "constant_learning_rate { learning_rate: 0.01 }"
FEATURES = """
data_config { label_fields: "click" label_fields: "buy" }
feature_configs { input_names: "user" embedding_dim: 99 hash_bucket_size: 3 }
feature_config { features { input_names: "a" input_names: "b" } }
"""


def plan(text, evaluations=8):
    config = new_config()
    text_format.Parse(text, config, allow_unknown_field=True)
    return plan_of(config, evaluations)


def test_features_of_both_spellings_are_taken():
    found = plan(CONSTANT + FEATURES)

    assert found.features == ("user", "a_x_b")
    assert found.shape.widths == (16, 8)
    assert found.shape.buckets[0] == 3


@pytest.mark.parametrize("evaluations, steps", [(8, (250, 500, 750, 1000)), (1, (1000,))])
def test_there_is_an_evaluation_for_each_checkpoint_up_to_the_limit(evaluations, steps):
    assert plan(CONSTANT + FEATURES, evaluations).steps == steps


@pytest.mark.parametrize(
    "model, tasks",
    [
        ("", [("click", "")]),
        ("deepfm { dnn { hidden_units: 8 } }", [("click", "")]),
        (
            'mmoe { task_towers { tower_name: "x" } task_towers { tower_name: "y" } }',
            [("click", "_x"), ("buy", "_y")],
        ),
        (
            (
                'esmm { ctr_tower { tower_name: "ctr" label_name: "click" }'
                ' cvr_tower { tower_name: "cvr" label_name: "buy" } }'
            ),
            [("click", "_ctr"), ("buy", "_cvr")],
        ),
    ],
)
def test_metrics_are_named_after_the_towers(model, tasks):
    found = plan(f"{CONSTANT} {FEATURES} model_config {{ {model} }}")

    assert [(task.label, task.suffix) for task in found.tasks] == tasks


def test_a_task_knows_the_metrics_that_its_tower_asks_for():
    metrics = "metrics_set { auc {} }"
    model = (
        f'esmm {{ ctr_tower {{ tower_name: "ctr" label_name: "click" {metrics} }}'
        f' cvr_tower {{ tower_name: "cvr" label_name: "buy" {metrics} }} }}'
    )
    found = plan(f"{CONSTANT} {FEATURES} model_config {{ {model} }}")

    asked = [[name for _, name, _ in task.asked] for task in found.tasks]
    assert asked == [["auc_ctr"], ["auc_ctcvr", "auc_cvr_masked"]]


@pytest.mark.parametrize(
    "schedule, rates",
    [
        ("constant_learning_rate { learning_rate: 0.5 }", [0.5, 0.5]),
        (
            (
                "exponential_decay_learning_rate { initial_learning_rate: 1.0 decay_steps: 500"
                " decay_factor: 0.1 min_learning_rate: 0.1 }"
            ),
            [1.0, 0.1],
        ),
        (
            (
                "manual_step_learning_rate { initial_learning_rate: 1.0"
                " schedule { step: 500 learning_rate: 0.25 } }"
            ),
            [1.0, 0.25],
        ),
        (
            "cosine_decay_learning_rate { learning_rate_base: 1.0 total_steps: 3000 }",
            [1.0, 0.75],
        ),
        ("poly_decay_learning_rate { learning_rate_base: 1.0 total_steps: 1000 }", [1.0, 0.0]),
    ],
)
def test_learning_rate_follows_its_schedule(schedule, rates):
    found = plan(OPTIMIZER % schedule + FEATURES)

    assert [found.rate_at(0), found.rate_at(1000)] == pytest.approx(rates)


def test_hidden_layer_is_as_wide_as_the_first_ones_are_on_average():
    towers = "deepfm { dnn { hidden_units: 10 } final_dnn { hidden_units: 30 hidden_units: 9 } }"

    assert plan(CONSTANT + FEATURES).shape.hidden == 32
    assert plan(f"{CONSTANT} {FEATURES} model_config {{ {towers} }}").shape.hidden == 20


@pytest.mark.parametrize(
    "text, said",
    [
        (CONSTANT, "no feature_configs"),
        (FEATURES, "no learning rate"),
        (CONSTANT + 'feature_configs { input_names: "user" }', "label_fields is empty"),
    ],
)
def test_config_that_lacks_something_says_so(text, said):
    with pytest.raises(ConfigError, match=said):
        plan(text)
