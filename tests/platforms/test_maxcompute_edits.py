from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import CommandSyntaxError, ValueMismatchError
from hpo_nni.platforms.maxcompute_edits import read_edits, with_edits, write_edits
from hpo_nni.platforms.pai_command import XFlow, format_pai_command, parse_pai_command

RATE = "train_config.optimizer_config[0].adam_optimizer.learning_rate"


def edits_of(point, own=""):
    xflow = XFlow("a", "b", {"edit_config_json": own} if own else {})
    return json.loads(with_edits(xflow, point).parameters["edit_config_json"])


@pytest.mark.parametrize(
    ("point", "edits"),
    [
        ({RATE: 1e-05}, {RATE: 1e-05}),
        ({"a;b": "1;x"}, {"a": "1", "b": "x"}),
        ({"a; b": [1, 2]}, {"a": 1, "b": 2}),
        ({"f[n=x;y].dim": 3}, {"f[n=x;y].dim": 3}),
        ({"f[n=x].dim;f[n=y].dim": [3, 4]}, {"f[n=x].dim": 3, "f[n=y].dim": 4}),
        ({"size": {"a": 1, "b;c": "2;3"}}, {"a": 1, "b": "2", "c": "3"}),
        ({"net": {"_name": "deep", "layers": 3}}, {"layers": 3}),
        ({"names": ["user", "item"]}, {"names": ["user", "item"]}),
        ({"label": "it's"}, {"label": "it's"}),
    ],
)
def test_point_becomes_edits(point, edits):
    assert edits_of(point) == edits


def test_the_commands_own_edits_stay_and_the_points_win():
    own = '{"train_config.fine_tune_checkpoint":"oss://b/{predate}", "x": 1}'

    assert edits_of({"x": 2, "y": 3}, own) == {
        "train_config.fine_tune_checkpoint": "oss://b/{predate}",
        "x": 2,
        "y": 3,
    }


def test_python_like_edits_of_old_files_are_read():
    assert edits_of({"y": 2}, "{'x': True}") == {"x": True, "y": 2}


def test_without_a_point_the_command_stays_as_it_is():
    xflow = XFlow("a", "b", {"x": "1"})

    assert with_edits(xflow, {}) == xflow


@pytest.mark.parametrize("text", ["{", "[1]", "a: b: c", "text"])
def test_edits_that_are_no_object_are_refused(text):
    with pytest.raises(CommandSyntaxError, match="edit_config_json"):
        read_edits(text)


@pytest.mark.parametrize(
    ("point", "fact"),
    [
        ({"a;b": "1"}, "2 tied keys need 2 values"),
        ({"a;b": 1}, "2 tied keys need 2 values"),
        ({"a;b": [1, 2, 3]}, "2 tied keys need 2 values"),
        ({"a": float("nan")}, "nan cannot be a value"),
        ({"a": float("inf")}, "inf cannot be a value"),
        ({"a" * 1100: 1}, "has 1100 characters"),
        ({"a": object()}, "cannot be a value"),
    ],
)
def test_points_that_cannot_travel_are_refused(point, fact):
    with pytest.raises(ValueMismatchError, match=fact):
        with_edits(XFlow("a", "b"), point)


def test_many_tied_keys_are_longer_than_one_key_may_be():
    keys = [f"feature_configs[{number}].hash_bucket_size" for number in range(60)]

    assert edits_of({";".join(keys): list(range(60))}) == {k: n for n, k in enumerate(keys)}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.none()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
)


@settings(max_examples=200)
@given(st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS, max_size=3), max_size=4))
def test_json_and_yaml_read_the_same_and_it_survives_quotes(edits):
    text = write_edits(edits)

    assert "'" not in text
    assert json.loads(text) == edits
    assert yaml.safe_load(text) == edits
    xflow = XFlow("a", "b", {"edit_config_json": text})
    assert f"'{text}'" in format_pai_command(xflow)
    assert parse_pai_command(format_pai_command(xflow)) == xflow


@pytest.mark.parametrize(("value", "text"), [(16.0, "16"), (0.5, "0.5"), (1e300, "1.0e+300")])
def test_whole_floats_are_written_as_integers(value, text):
    """A tuner gives 16.0; EasyRec takes only `16` for an integer, and either for a float."""
    assert write_edits({"k": value}) == f'{{"k": {text}}}'


@pytest.mark.parametrize(
    "key",
    [
        "f[:].dim",
        "f[5:].dim",
        "f[-1].dim",
        "f[input_names[0]=user_id].dim",
        "f[input_names[0]>=click_].dim",
        "f[name=a b;c.d].dim",
        "m.task_towers[0].dnn.hidden_units[0]",
    ],
)
def test_keys_that_easyrec_documents_are_handed_over_as_they_are(key):
    assert edits_of({key: 1}) == {key: 1}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("f[*].dim", "does not know [*]"),
        ("f[0,2].dim", "does not know [0,2]"),
        ("f[::2].dim", "does not know [::2]"),
        ("f[dim].dim", "does not know [dim]"),
        ("f[type!=a].dim", "does not know [type!=a]"),
        ("f[type==a].dim", "does not know [type==a]"),
        ("f[type = a].dim", "does not know [type = a]"),
        ('f[type="a"].dim', "does not know"),
        ("f[dnn.use_bn=true].dim", "does not know"),
        ("f[dim>=8][dim<16].dim", "one pair of brackets"),
        ("m.dnn.hidden_units[:]", "empties the group around a slice at the end"),
        ('m."a.b"', "no names in quotes"),
        ("$.f[0].dim", "no JSONPath"),
        ("a;f[*].dim", "does not know [*]"),
    ],
)
def test_keys_that_only_our_editor_knows_are_not_handed_over(key, told):
    """It would pass over them without a word, and train the untuned config."""
    with pytest.raises(ValueMismatchError) as caught:
        edits_of({key: "1;2" if ";" in key else 1})

    assert told in caught.value.message
    assert "[params_config]" in caught.value.hint


def test_our_sign_for_a_field_that_is_added_stays_here():
    assert edits_of({"+train_config.x": 1}) == {"train_config.x": 1}
