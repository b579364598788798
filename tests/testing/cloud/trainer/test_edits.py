"""The trainer's own reading of `edit_config_json`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from google.protobuf import text_format

from hpo_nni.testing.cloud.trainer.edits import EditError, apply_edits
from hpo_nni.testing.cloud.trainer.schema import new_config

ROOT = Path(__file__).parents[4]
CONFIG = (ROOT / "samples" / "pipeline.config").read_text()
with gzip.open(ROOT / "tests" / "documents" / "easyrec-selectors.jsonl.gz", "rt", "utf-8") as file:
    ROWS = [json.loads(line) for line in file]
REFUSED = {
    "index_missing_close_bracket_two_chars": "13 is read as 1 there",
    "enum_value_is_int_sibling_field_name": "another field's name is a number there",
    "enum_in_enclosing_message_number": "input_type is not in this trainer's schema",
    "slice_leaf_message_value_replaces_parent": "the group around the slice is lost there",
    "slice_leaf_scalar_value_replaces_parent": "as above",
    "slice_leaf_top_level_replaces_whole_config": "as above",
}


def parsed(text):
    found = new_config()
    text_format.Parse(text, found, allow_unknown_field=True)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_edit_does_what_easyrec_does(row):
    """159 edits with what EasyRec's own editor answered."""
    config = parsed(row["config_text"])
    if row["name"] in REFUSED or ("expected_text" not in row and row.get("changed") is None):
        with pytest.raises(EditError):
            apply_edits(config, json.dumps(row["edits"]))
        return

    apply_edits(config, json.dumps(row["edits"]))

    expected = row["expected_text"] if row["changed"] else row["config_text"]
    assert str(config) == str(parsed(expected))


@pytest.fixture
def config():
    return parsed(CONFIG)


def widths(config):
    return [feature.embedding_dim for feature in config.feature_configs]


BEFORE = [16, 8, 8, 32, 8, 16, 8, 16, 8]


@pytest.mark.parametrize(
    "selector, after",
    [
        ("[:]", [3] * 9),
        ("[0]", [3, *BEFORE[1:]]),
        ("[-1]", [*BEFORE[:-1], 3]),
        ("[7:]", [*BEFORE[:7], 3, 3]),
        ("[:2]", [3, 3, *BEFORE[2:]]),
        ("[1:3]", [16, 3, 3, *BEFORE[3:]]),
        ("[input_names[0]=user_id]", [3, *BEFORE[1:]]),
        ('[input_names[0]="user_id"]', BEFORE),
        ("[input_names[0]>=user_id]", [3, *BEFORE[1:]]),
        ("[input_names[0]<age0]", [16, 3, *BEFORE[2:]]),
        ("[embedding_dim>16]", [16, 8, 8, 3, *BEFORE[4:]]),
        ("[5:2]", BEFORE),
        ("[input_names[0]=none]", BEFORE),
    ],
)
def test_selector_means_these_features(config, selector, after):
    apply_edits(config, json.dumps({f"feature_configs{selector}.embedding_dim": 3}))

    assert widths(config) == after


def test_values_take_the_fields_type(config):
    apply_edits(
        config,
        json.dumps(
            {
                "train_config.num_steps": "500",
                "train_config.sync_replicas": False,
                "train_config.optimizer_config[0].adam_optimizer.learning_rate"
                ".exponential_decay_learning_rate.initial_learning_rate": "1e-3",
                "model_config.dbmtl.task_towers[0].dnn.hidden_units[1]": 7,
                "model_config.dbmtl.task_towers[1].dnn.hidden_units": [5, 4],
                "feature_configs[0].feature_type": "TagFeature",
                "model_dir": "oss://b/it's",
            }
        ),
    )

    rate = config.train_config.optimizer_config[0].adam_optimizer.learning_rate
    towers = config.model_config.dbmtl.task_towers
    assert config.train_config.num_steps == 500
    assert config.train_config.sync_replicas is False
    assert rate.exponential_decay_learning_rate.initial_learning_rate == pytest.approx(1e-3)
    assert list(towers[0].dnn.hidden_units) == [256, 7, 64]
    assert list(towers[1].dnn.hidden_units) == [5, 4]
    assert config.feature_configs[0].feature_type == 2
    assert config.model_dir == "oss://b/it's"


def test_tied_keys_take_one_value_each(config):
    apply_edits(config, json.dumps({"train_config.num_steps;data_config.batch_size": "100;64"}))

    assert (config.train_config.num_steps, config.data_config.batch_size) == (100, 64)


def test_absent_messages_are_made_and_rivals_go(config):
    key = "train_config.optimizer_config[0].sgd_optimizer.learning_rate.constant_learning_rate"
    apply_edits(config, json.dumps({f"{key}.learning_rate": 0.5}))

    optimizer = config.train_config.optimizer_config[0]
    assert optimizer.WhichOneof("optimizer") == "sgd_optimizer"


@pytest.mark.parametrize("value", ["{hidden_units: 9}", "hidden_units: 9"])
def test_message_can_be_replaced_whole(config, value):
    apply_edits(config, json.dumps({"model_config.dbmtl.bottom_dnn": value}))

    assert list(config.model_config.dbmtl.bottom_dnn.hidden_units) == [9]
    assert not config.model_config.dbmtl.bottom_dnn.dropout_ratio


@pytest.mark.parametrize(
    "text, said",
    [
        ("[1]", "no object"),
        ("{", "cannot be read"),
        ('{"nope": 1}', "no field 'nope'"),
        ('{"train_config.nope.x": 1}', "no field 'nope'"),
        ('{"train_config.num_steps": 1.5}', "1.5"),
        ('{"train_config.num_steps": 500.0}', "500.0"),
        ('{"train_config.sync_replicas": 1}', "1"),
        ('{"model_config.feature_groups[0].wide_deep": "WIDE"}', "takes a number"),
        ('{"train_config.num_steps": "many"}', "many"),
        ('{"train_config.sync_replicas": "maybe"}', "maybe"),
        ('{"feature_configs[0].feature_type": "Nope"}', "Nope"),
        ('{"feature_configs[99].embedding_dim": 1}', "range"),
        ('{"feature_configs[input_names[1]=tags].embedding_dim": 1}', "range"),
        ('{"feature_configs[input_names=a].embedding_dim": 1}', "is a list"),
        ('{"feature_configs.embedding_dim": 1}', "is a list"),
        ('{"feature_configs[0.embedding_dim": 1}', "malformed"),
        ('{"feature_configs[?].embedding_dim": 1}', "invalid literal"),
        ('{"train_config[0].num_steps": 1}', "is no list"),
        ('{"model_dir.x": 1}', "is no message"),
        ('{"a;b": 1}', "not as many values"),
    ],
)
def test_bad_edit_names_its_key(config, text, said):
    with pytest.raises(EditError, match="edit_config_json") as raised:
        apply_edits(config, text)

    assert said in str(raised.value)
