from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.documents import apply_edits, parse_document
from hpo_nni.drafts.space import MOST_KEYS, propose_space
from hpo_nni.space.parsing import parse_space

ROOT = Path(__file__).parent.parent.parent
LR = "train_config.optimizer_config.adam_optimizer.learning_rate.exponential_decay_learning_rate"


def propose(text, path="x.yaml"):
    parse = functools.partial(parse_document, path=path)
    return {one.key: one.entry["_value"] for one in propose_space(parse(text), parse)}


def test_the_usual_fields_of_a_pipeline_are_found_and_nothing_else():
    path = ROOT / "samples" / "pipeline.config"
    model = "model_config.dbmtl"

    assert propose(path.read_text(), path.name) == {
        f"{LR}.initial_learning_rate": [0.0001, 0.01],
        "feature_configs[:].embedding_dim": [4, 8, 16],
        f"{model}.bottom_dnn.hidden_units": [[512, 256, 128], [1024, 512, 256], [2048, 1024, 512]],
        f"{model}.task_towers[0].dnn.hidden_units": [
            [128, 64, 32],
            [256, 128, 64],
            [512, 256, 128],
        ],
        f"{model}.task_towers[1].dnn.hidden_units": [[64, 32], [128, 64], [256, 128]],
        f"{model}.task_towers[relation_dnn.hidden_units].relation_dnn.hidden_units": [16, 32, 64],
        f"{model}.bottom_dnn.dropout_ratio[:]": [0.0, 0.5],
        f"{model}.l2_regularization": [1e-06, 0.0001],
        "model_config.embedding_regularization": [5e-07, 5e-05],
        "data_config.batch_size": [512, 1024, 2048],
    }


@pytest.mark.parametrize(
    ("text", "proposed"),
    [
        ("lr: 1e-3", {"lr": [0.0001, 0.01]}),
        ("learning-rate: 0.1", {"learning-rate": [0.01, 1.0]}),
        ("learningRate: 0.1", {"learningRate": [0.01, 1.0]}),
        ("{lr: 0.001, min_lr: 0.0005}", {"lr": [0.0005, 0.01]}),
        ("model: {drop.rate: 0.0}", {'model."drop.rate"': [0.0, 0.5]}),
        ("dropout: 0.6", {"dropout": [0.0, 0.8]}),
        ("weight_decay: 0.0", {"weight_decay": [1e-07, 0.001]}),
        ("num_layers: 3", {"num_layers": [2, 5]}),
        ("momentum: 0.9", {"momentum": [0.8, 0.99]}),
        ("subsample: 1.0", {"subsample": [0.5, 1.0]}),
        ("label_smoothing: 0.1", {"label_smoothing": [0.0, 0.2]}),
        ("blocks: [{dropout: 0.1}, {dropout: 0.1}]", {"blocks[:].dropout": [0.0, 0.5]}),
        ("blocks: [{dropout: 0.1}, {kind: pool}]", {"blocks[dropout].dropout": [0.0, 0.5]}),
    ],
)
def test_a_field_gets_a_range_around_its_value(text, proposed):
    assert propose(text) == proposed


@pytest.mark.parametrize(
    "text",
    [
        "seed: 7",
        "lr: 0",  # an integer, and no rate
        "lr: -0.1",
        "lr: auto",
        "lr: true",
        "dropout: 1.5",
        "width: 3",  # colours
        "batch_size: 64.5",
        "eval_batch_size: 64",
        "stages: [{width: 64}, {width: 128}]",  # that they differ is a design
        "weight_decay: 0",  # 1e-7 does not fit an integer
        "other: &a {lr: 0.1}\nagain: *a",  # below `again` it belongs to `other`
        "{}",
    ],
)
def test_what_is_no_usual_value_is_left_alone(text):
    assert not propose(text).keys() - {"other.lr"}


def test_there_are_no_more_keys_than_a_first_search_can_use():
    assert len(propose("\n".join(f"a{n}: {{dropout: 0.1}}" for n in range(30)))) == MOST_KEYS


NAMES = st.sampled_from(
    ["lr", "dropout", "units", "weight_decay", "batch_size", "depth", "a", "b.c", "x[0]", "$.", "é"]
)
SCALARS = st.one_of(st.integers(-3, 300), st.floats(-2, 2), st.booleans(), st.text(max_size=3))
CONFIGS = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3)),
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(st.dictionaries(NAMES, inner, max_size=3), max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, CONFIGS, max_size=5))
def test_whatever_is_proposed_can_be_searched_and_applied(config):
    parse = functools.partial(parse_document, path="x.json")
    document = parse(json.dumps(config))

    proposed = propose_space(document, parse)
    space = parse_space({one.key: one.entry for one in proposed})

    for part in (0.0, 0.5, 1.0):
        apply_edits(document, space.from_unit([part] * len(space.flatten())))
