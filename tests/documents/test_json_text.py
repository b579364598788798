from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.documents import apply_edits, parse_document, to_data
from hpo_nni.errors import DocumentError, SettingsError

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 2, "\t"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_our_data_is_what_json_reads(value, indent, ascii_only) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = parse_document(text, format="json")

    assert document.dump() == text
    assert to_data(document) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        '{"a":1,}',
        "{a: 1}",
        "{'a': 1}",
        '{"a" 1}',
        '{"a": }',
        "[1 2]",
        "01",
        "+1",
        "1.",
        ".5",
        "nul",
        '"a',
        '"\n"',
        '"\\x"',
        "[1] x",
        "// c\n1",
        "[" * 500,
    ],
)
def test_what_json_refuses_is_refused_with_its_place(text) -> None:
    if len(text) < 400:
        with pytest.raises(ValueError, match=r"."):
            json.loads(text)
    with pytest.raises(DocumentError) as caught:
        parse_document(text, format="json")
    assert caught.value.line >= 1
    assert caught.value.column >= 1


@pytest.mark.parametrize(
    ("text", "edits", "edited"),
    [
        ('{"a" : 1 }', {"a": 2.0}, '{"a" : 2 }'),
        ('{"a": 1.5}', {"a": 1}, '{"a": 1.0}'),
        ('{"a": 1e-3}', {"a": "1e-7"}, '{"a": 1e-07}'),
        ('{"a": true}', {"a": "False"}, '{"a": false}'),
        ('{"a": "x"}', {"a": 5}, '{"a": "5"}'),
        ('{"a": "x"}', {"a": 'é"\n'}, '{"a": "é\\"\\n"}'),
        ('{"a": "x"}', {"a": "\ud800"}, '{"a": "\\ud800"}'),
        ('{"a": "x"}', {"a": None}, '{"a": null}'),
        ('{"a": null}', {"a": 5}, '{"a": 5}'),
        ('{"a": null}', {"a": [1, {"b": "c"}]}, '{"a": [1, {"b": "c"}]}'),
        ('{"a": [1,2]}', {"a": [3, 4, 5]}, '{"a": [3,4,5]}'),
        ('{"a": [1, 2]}', {"a": []}, '{"a": []}'),
        ('{"a": []}', {"a": [1, 2]}, '{"a": [1, 2]}'),
        ('{"a": [\n  1,\n  2\n]}', {"a": [1, 2, 3]}, '{"a": [\n  1,\n  2,\n  3\n]}'),
        ('{"a": [1, 2, 3]}', {"a[1:]": [9]}, '{"a": [1, 9]}'),
        ('{"a": {"b": 1}}', {"a": {"b": 2, "c": []}}, '{"a": {"b": 2, "c": []}}'),
        (
            '{\n  "a": {\n    "b": 1\n  }\n}',
            {"a": {"c": [1]}},
            '{\n  "a": {\n    "c": [\n      1\n    ]\n  }\n}',
        ),
        ('{"a": 1}', {"+b": 2}, '{"a": 1, "b": 2}'),
        ('{"a":1}', {"+b.c": "x"}, '{"a":1, "b":{"c": "x"}}'),
        ("{}", {"+b": 2}, '{"b": 2}'),
        ('{\n  "a": 1\n}', {"+b": 2}, '{\n  "a": 1,\n  "b": 2\n}'),
        ('[{"a": 1}, {"a": 2}]', {"[:].a": 3}, '[{"a": 3}, {"a": 3}]'),
        (
            '{"a": {"x": {"v": 1}, "y": {"v": 2}}}',
            {"a[*].v": 3},
            '{"a": {"x": {"v": 3}, "y": {"v": 3}}}',
        ),
        ('{"a.b": {"c d": 1}}', {'"a.b".c d': 2}, '{"a.b": {"c d": 2}}'),
        ('{"a": 1, "a": 2}', {"a": 3}, '{"a": 1, "a": 3}'),
        ('{"a": [{"n": "x", "v": 1}]}', {"$.a[?(@.n=='x')].v": 2}, '{"a": [{"n": "x", "v": 2}]}'),
    ],
)
def test_an_edit_keeps_the_layout_around_it(text, edits, edited) -> None:
    result = apply_edits(parse_document(text, format="json"), edits).text

    assert result == edited
    json.loads(result)


@pytest.mark.parametrize(
    ("text", "edits", "says"),
    [
        ('{"a": 1}', {"a": 0.3}, "not an integer"),
        ('{"a": [1]}', {"a": 7}, r"write \[7\]"),
        ('{"a": {"b": 1}}', {"a[0]": 1}, "not a list"),
        ('{"a": {"b": 1}}', {"a": 1}, "no group of fields"),
        ('{"a": "x"}', {"a": [1]}, "a list"),
        ('{"a": 1}', {"b": 1}, "there are: 'a'"),
        ("[1]", {"a": 1}, "the config is a list of 1"),
        ("[1]", {"+a": 1}, "the config is a list of 1"),
        ('{"a": 0.5}', {"a": float("nan")}, "JSON"),
    ],
)
def test_what_does_not_fit_is_refused(text, edits, says) -> None:
    with pytest.raises(SettingsError, match=says):
        apply_edits(parse_document(text, format="json"), edits)
