from __future__ import annotations

import pytest

from hpo_nni.documents import apply_edits, find_values, load_schema, parse_document, unified_diff
from hpo_nni.errors import KeyPathError, KeyPathSyntaxError, NoMatchError, SettingsError

TWO = 'f { n: "x" d: 1 } f { n: "y" d: 2 e: 3 }'


def proto(text):
    return parse_document(text, format="prototext")


def test_all_faults_of_all_keys_are_raised_at_once_and_nothing_is_edited(pipeline) -> None:
    before = pipeline.dump()
    with pytest.raises(SettingsError) as caught:
        apply_edits(
            pipeline,
            {
                "train_config.num_steps": 5,
                "train_config.num_step": 5,
                "feature_configs[0.embedding_dim": 5,
                "feature_configs[:].embedding_dim": 0.5,
                "feature_configs[input_names=usr_id].embedding_dim": 5,
                "train_config.optimizer_config.adam_optimizer.learning_rate.constant_learning_rate"
                ".learning_rate": 0.1,
            },
        )

    found = {problem.where: problem for problem in caught.value.problems}
    assert len(found) == 5
    assert "'num_steps'" in found["train_config.num_step"].hint
    assert "expected ']'" in found["feature_configs[0.embedding_dim"].message
    assert (
        "feature_configs[0].embedding_dim: 0.5" in found["feature_configs[:].embedding_dim"].message
    )
    assert "'user_id'" in found["feature_configs[input_names=usr_id].embedding_dim"].hint
    assert "exclude each other" in str(caught.value)
    assert pipeline.dump() == before


def test_what_was_touched_is_told_with_place_line_and_both_texts() -> None:
    result = apply_edits(proto(f"a: 1\n{TWO}"), {"f[:].d": 7, "a": 2})

    assert [tuple(touched)[:5] for touched in result.touched] == [
        ("f[:].d", "f[0].d", 2, "1", "7"),
        ("f[:].d", "f[1].d", 2, "2", "7"),
        ("a", "a", 1, "1", "2"),
    ]


def test_a_later_key_sees_what_an_earlier_one_did() -> None:
    edits = {"f[d=1].d": 2, "f[d=2].n": "z", "f[n=z].d": 5}

    assert apply_edits(proto(TWO), edits).text == 'f { n: "z" d: 5 } f { n: "z" d: 5 e: 3 }'


def test_a_later_key_sees_groups_and_fields_that_an_earlier_one_wrote() -> None:
    edits = {"f[0]": {"n": "new", "d": 9}, "f[n=new].d": 10, "+f[n=new].g.h": 1, "f[0].g.h": 2}

    assert apply_edits(proto(TWO), edits).text.startswith('f { n: "new" d: 10 g { h: 2 } }')


@pytest.mark.parametrize("value", ["1;2", " 1 ; 2 ", [1, 2], ["1", 2.0]])
def test_tied_keys_take_their_values_in_order(value) -> None:
    assert apply_edits(proto("a: 0 b: 0"), {"a;b": value}).text == "a: 1 b: 2"


@pytest.mark.parametrize("value", ["1", "1;2;3", 1, [1], [1, 2, 3], None, True])
def test_tied_keys_refuse_any_other_number_of_values(value) -> None:
    with pytest.raises(SettingsError, match="2 tied keys need 2 values"):
        apply_edits(proto("a: 0 b: 0"), {"a;b": value})


def test_a_fault_of_one_tied_key_leaves_the_other_alone() -> None:
    with pytest.raises(SettingsError) as caught:
        apply_edits(proto("a: 0 b: 0"), {"a;c": "1;2", "b[=1]": 3})

    assert [problem.where for problem in caught.value.problems] == ["a;c", "b[=1]"]


def test_a_dict_is_a_group_where_its_key_selects_one() -> None:
    assert apply_edits(proto("a { b: 1 c: 2 }"), {"a": {"b": 3}}).text == "a { b: 3 }"


def test_a_dict_is_a_set_of_keys_where_its_own_selects_nothing() -> None:
    edits = {"size": {"_name": "small", "a.b": 3, "c": 4}}

    assert apply_edits(proto("a { b: 1 } c: 2"), edits).text == "a { b: 3 } c: 4"


def test_a_named_dict_sets_the_name_and_its_keys_where_its_own_is_no_group() -> None:
    edits = {"kind": {"_name": "big", "a.b": 3}}

    assert apply_edits(proto("kind: 'x' a { b: 1 }"), edits).text == "kind: 'big' a { b: 3 }"


def test_a_fault_inside_of_a_dict_names_both_keys() -> None:
    with pytest.raises(SettingsError) as caught:
        apply_edits(proto("a { b: 1 }"), {"size": {"a.bb": 3}})

    (problem,) = caught.value.problems
    assert problem.where == "size > a.bb"
    assert "'b'" in problem.hint
    assert "'size' itself selects nothing" in problem.hint


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("g[0].d", "there are: 'f'"),
        ("f.d", r"choose by f\[0\]"),
        ("f[0].dd", "did you mean 'd'"),
        ("f[5].d", "has no entry 5: it has entries 0 to 1"),
        ("f[-3].d", "has no entry -3"),
        ("f[2:].d", "selects nothing: f has 2 entries"),
        ("f[n=z].d", "there are: 'x', 'y'"),
        ("f[m=x].d", "there are: 'n', 'd', 'e'"),
        ("f[m!=x].d", "there are: 'n', 'd', 'e'"),
        ("f[d=x].d", "'x' cannot be compared with 1"),
        ("f[d>9].d", "there are: '1', '2'"),
        ("f[:].e", r"'f\[:\]\[e\]' selects those that have it"),
        ("f[0].d.x", "is an integer; it has no field 'x'"),
        ("f[0][0].d", "not a list"),
        ("f[0].n[n=1]", "compare|not a list|no entry"),
        ("$.f[5]", "finds nothing"),
        ("$.f[", "expected a JSONPath"),
        ("$..*", "something inside of it"),
    ],
)
def test_a_key_that_selects_nothing_is_told_what_is_there(key, hint) -> None:
    with pytest.raises(SettingsError, match=hint):
        apply_edits(proto(TWO), {key: 1})


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("f[:].d", [1, 2]),
        ("f[*].n", ["x", "y"]),
        ("f[n!=x].d", [2]),
        ("f[d>=1][d<2].n", ["x"]),
        ("f[e].d", [2]),
        ("f[1,0].d", [2, 1]),
        ("f[n>=y].d", [2]),
        ("f[0]", [{"n": "x", "d": 1}]),
        ("f[0].d;f[1].n", [1, "y"]),
        ("$.f[*].d", [1, 2]),
        ("$.f[?(@.d > 1)].n", ["y"]),
        ("+f[0].new", [None]),
    ],
)
def test_find_values_gives_the_present_values_of_every_place(key, values) -> None:
    assert find_values(proto(TWO), key) == values


def test_find_values_gives_defaults_of_absent_fields(pipeline) -> None:
    assert find_values(pipeline, "train_config.gradient_clipping_by_norm") == [0.0]
    assert find_values(pipeline, "model_config.dbmtl.bottom_dnn.use_bn") == [True]
    assert find_values(pipeline, "eval_config.num_examples") == [None]


@pytest.mark.parametrize(
    ("key", "error"), [("f[", KeyPathSyntaxError), ("g", NoMatchError), ("f[0].d.x", KeyPathError)]
)
def test_find_values_raises_for_a_key_that_selects_nothing(key, error) -> None:
    with pytest.raises(error):
        find_values(proto(TWO), key)


def test_both_spellings_of_the_features_edit_the_one_that_the_file_uses(pipeline) -> None:
    result = apply_edits(pipeline, {"feature_config.features[0].embedding_dim": 5})

    (touched,) = result.touched
    assert touched.place == "feature_configs[0].embedding_dim"
    assert "is written feature_configs[0].embedding_dim in this file" in touched.note


def test_absent_fields_need_a_plus_where_nothing_knows_them() -> None:
    document = proto("train_config { num_steps: 1 }")
    with pytest.raises(SettingsError, match=r"'\+' before the key adds"):
        apply_edits(document, {"train_config.batch_size": 5})

    edited = apply_edits(document, {"+train_config.batch_size": 5}).text

    assert edited == "train_config { num_steps: 1 batch_size: 5 }"


def test_the_table_of_easyrec_fields_adds_absent_ones_to_its_configs_only(pipeline) -> None:
    edits = {"feature_configs[:].max_partitions": 4, "eval_config.num_examples": 10.0}

    result = apply_edits(pipeline, edits)

    assert result.text.count("max_partitions: 4") == 9
    assert "  num_examples: 10\n}" in result.text
    with pytest.raises(SettingsError, match="has no 'max_partitions'"):
        apply_edits(proto("feature_configs { a: 1 }"), {"feature_configs[:].max_partitions": 4})


def test_the_table_knows_types_that_a_literal_does_not_tell() -> None:
    document = proto('model_config { model_class: "X" embedding_regularization: 0 }')

    edited = apply_edits(document, {"model_config.embedding_regularization": 0.5}).text

    assert "embedding_regularization: 0.5" in edited


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("train_config.num_steps", -1, "outside of 0 to 4294967295"),
        ("train_config.num_stepz", 1, "knows no such field"),
        ("+train_config.num_stepz", 1, "knows no such field"),
        ("train_config[0].num_steps", 1, "not a list"),
        ("feature_configs[0].feature_type", "RawFeatures", "did you mean 'RawFeature'"),
        ("model_config.dbmtl.bottom_dnn", {"hidden_unit": [1]}, "did you mean 'hidden_units'"),
        ("model_config.dbmtl.bottom_dnn", "{use_bn: 5}", "neither true nor false"),
        ("model_config.deepfm.wide_output_dim", 1, "'dbmtl' and 'deepfm' exclude each other"),
    ],
)
def test_a_schema_checks_names_types_and_exclusions(pipeline, schema, key, value, says) -> None:
    with pytest.raises(SettingsError, match=says):
        apply_edits(pipeline, {key: value}, schema=schema)


def test_the_table_can_be_named_as_a_schema(tmp_path) -> None:
    document = proto("train_config { }")

    edited = apply_edits(
        document, {"train_config.num_steps": 5}, schema=load_schema("easyrec", tmp_path)
    )

    assert edited.text == "train_config { num_steps: 5 }"


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    edits = {
        "a": numpy.int64(5),
        "b": numpy.float64(0.5),
        "c": [numpy.int64(1)],
        "d": numpy.float32(0.25),
        "e": numpy.str_("y"),
        "f": numpy.bool_(False),
    }

    edited = apply_edits(proto("a: 1 b: 0.1 c: [2] d: 0.1 e: 'x' f: true"), edits).text

    assert edited == "a: 5 b: 0.5 c: [1] d: 0.25 e: 'y' f: false"


def test_a_diff_shows_only_lines_that_changed() -> None:
    assert unified_diff("a\nb\nc", "a\nB\nc", "x.config") == (
        "--- x.config\n+++ x.config (edited)\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        "\\ No newline at end of file\n"
    )
    assert not unified_diff("a\n", "a\n", "x")


@pytest.mark.parametrize("name", ["x.unknown", "x", ""])
def test_a_format_that_the_suffix_does_not_tell_must_be_named(name) -> None:
    with pytest.raises(ValueError, match="name the format: json, prototext, yaml"):
        parse_document("", path=name)


def test_a_fault_in_a_file_names_the_file() -> None:
    with pytest.raises(ValueError, match=r"x\.config: line 2, column 1"):
        parse_document("a: 1\n}", path="x.config")
