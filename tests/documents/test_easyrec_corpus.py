"""159 edits with what EasyRec's own editor answered: the same config, or a better answer.

Configs are compared through protobuf, once with a schema and once with nothing but the table of
EasyRec's fields that comes with us.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hpo_nni.documents import apply_edits, parse_document
from hpo_nni.errors import SettingsError

with gzip.open(Path(__file__).parent / "easyrec-selectors.jsonl.gz", "rt", encoding="utf-8") as f:
    ROWS = [json.loads(line) for line in f]

CUT = "the value is text of one key: nothing is cut at ';'"
WIPED = "a slice at the end means its items: the group around it is never replaced"
ON_PURPOSE = {
    # The reference changed something, and we do something else. The same list stands in
    # docs/guide/key-paths.md, "Where we differ from EasyRec on purpose".
    "string_from_null": "null is refused: nobody wants the text 'None'",
    "string_from_list": "a list is refused where text stands: nobody wants \"['a', 'b']\"",
    "string_with_semicolon_is_truncated": CUT,
    "fine_tune_checkpoint_semicolon": CUT,
    "semi_more_values_than_keys": "refused: one key takes one value",
    "index_missing_close_bracket_two_chars": "a lost ']' is a syntax error: 13 was read as 1",
    "enum_value_is_int_sibling_field_name": "refused: the name of another field is no enum name",
    "slice_leaf_message_value_replaces_parent": WIPED,
    "slice_leaf_scalar_value_replaces_parent": WIPED,
    "slice_leaf_top_level_replaces_whole_config": WIPED,
}
DONE_WHERE_IT_DID_NOTHING = {
    "cond_quoted_value": ("embedding_dim: 32", "a value may stand in quotes"),
    "cond_float_sci_float32_rounding": ("step: 7", "0.05 is 5e-2, whatever the field's width"),
    "key_wrong_style_v2_slice": ("embedding_dim: 32", "both spellings of the features work"),
}
DONE_WHERE_IT_BROKE = {
    "scalar_uint_from_integral_float": "num_steps: 1000",
    "scalar_uint_from_sci_str": "num_steps: 1000",
    "bool_from_str_TRUE": "use_bn: true",
    "bool_from_int_1": "use_bn: true",
    "index_star": "embedding_dim: 32",
    "index_list": "embedding_dim: 32",
    "optimizer_config_without_selector_old_style": "beta1: 0.5",
    "slice_step": "embedding_dim: 32",
    "slice_all_with_spaces": "embedding_dim: 32",
    "cond_enum_file_level_name": 'group_name: "w2"',
    "cond_bool_1": 'group_name: "w2"',
    "cond_double_equals": "embedding_dim: 32",
    "cond_no_operator": "embedding_dim: 32",
    "cond_on_repeated_itself": "embedding_dim: 32",
    "cond_on_repeated_element_empty": "embedding_dim: 32",
    "cond_repeated_scalar_index_missing": "embedding_dim: 32",
    "cond_on_scalar_elements": "boundaries: [1, 6, 9]",
    "list_float_for_uint": "hidden_units: [8, 4]",
    "list_one_string_unquoted": 'feature_names: ["p"]',
    "list_strings_with_semicolon": 'feature_names: ["p;q"]',
    "elem_uint_from_float": "hidden_units: [128, 32]",
    "msg_json_dict_value": "hidden_units: [8]",
    "key_space_before_bracket": "embedding_dim: 32",
    "cond_dotted_path_opt": "use_moving_average: true",
    "key_nested_json_dict_value": 'fine_tune_checkpoint: "x"',
}
NEEDS_SCHEMA = {
    "enum_train_distribute_by_name": "train_distribute: PSStrategy",
}
"""Done with a schema; the table that comes with us does not know the field."""


def rows(*, changed):
    chosen = [row for row in ROWS if row.get("changed") is changed]
    return pytest.mark.parametrize("row", chosen, ids=lambda row: row["name"])


@pytest.fixture(params=["schema", "table"])
def types(request, schema):
    return schema if request.param == "schema" else None


def edit(row, types) -> str:
    document = parse_document(row["config_text"], format="prototext")
    return apply_edits(document, row["edits"], schema=types).text


@rows(changed=True)
def test_same_config_as_the_reference(row, types, protobuf) -> None:
    wanted = protobuf.parse(row["expected_text"])
    if row["name"] not in ON_PURPOSE:
        assert protobuf.parse(edit(row, types)) == wanted
        return
    if ON_PURPOSE[row["name"]] is CUT:
        text = edit(row, types)
        assert protobuf.parse(text) != wanted
        assert next(iter(row["edits"].values())) in text
        return
    with pytest.raises(SettingsError) as caught:
        edit(row, types)
    assert caught.value.problems[0].where in row["edits"]


@rows(changed=False)
def test_an_error_where_the_reference_did_nothing(row, types, protobuf) -> None:
    if row["name"] in DONE_WHERE_IT_DID_NOTHING:
        text = edit(row, types)
        protobuf.parse(text)
        assert DONE_WHERE_IT_DID_NOTHING[row["name"]][0] in text
        return
    with pytest.raises(SettingsError) as caught:
        edit(row, types)
    (problem,) = caught.value.problems
    assert problem.where in row["edits"]
    assert problem.hint or "entries" in problem.message or "expected" in problem.message


@rows(changed=None)
def test_done_or_explained_where_the_reference_broke(row, types, protobuf) -> None:
    expected = DONE_WHERE_IT_BROKE.get(row["name"])
    if types is not None:
        expected = expected or NEEDS_SCHEMA.get(row["name"])
    if expected:
        text = edit(row, types)
        protobuf.parse(text)
        assert expected in text
        assert expected not in row["config_text"]
        return
    with pytest.raises(SettingsError) as caught:
        edit(row, types)
    (problem,) = caught.value.problems
    assert problem.where in row["edits"]
    assert len(problem.message) > 10


def test_every_exemption_is_of_a_row() -> None:
    names = {row["name"]: row.get("changed") for row in ROWS}
    assert len(names) == len(ROWS) == 159
    assert {names[name] for name in ON_PURPOSE} == {True}
    assert {names[name] for name in DONE_WHERE_IT_DID_NOTHING} == {False}
    assert {names[name] for name in [*DONE_WHERE_IT_BROKE, *NEEDS_SCHEMA]} == {None}
    assert len(ON_PURPOSE) == 10
