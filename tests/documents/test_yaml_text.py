from __future__ import annotations

import math
import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.documents import apply_edits, find_values, parse_document, to_data
from hpo_nni.errors import DocumentError, SettingsError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.sampled_from(
        ["no", "1e3", "null", "~", "1_0", "0x1", "2022-01-01", "- a", "a: b", "#", "<<"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.printable, max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(VALUES, st.sampled_from([True, False, None]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_our_data_is_what_pyyaml_reads(value, flow, wide) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=wide)
    document = parse_document(text, format="yaml")

    assert document.dump() == text
    assert to_data(document) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "---\na: 1\n...\n",
        "%YAML 1.1\n---\na: 1\n",
        "a:\n  - - 1\n    - 2\n  -\n    b: c\n",
        "? a\n: b\n",
        "? |\n  k\n: v\n",
        "a: &x {b: 1}\nc: {<<: *x, d: 2}\n",
        "a: &x {b: 1, c: 2}\nd: &y {b: 3}\ne: {<<: [*x, *y], f: 4}\n",
        "a: &x [1]\nb: *x\n",
        "a: 1\na: 2\n",
        "1: x\nyes: y\n~: z\n1.5: w\n",
        "a: !!str 5\nb: !!float 1\nc: !!int '3'\n",
        "a: 0x1F\nb: 017\nc: 1_000\nd: 1:30\ne: .inf\nf: 1e3\ng: 1.0e+3\n",
        "a: 2022-01-01 10:00:00\nb: 2022-01-01\n",
        "a: b\n  c\n",
        "a: 'b\n\n  c'\n",
        "a: |2\n   x\n  y\n",
        "a: |+\n  x\n\nb: >-\n  y\n  z\n",
        "😀: {é: '实'}\n",
        "a:\r\n  - b\r\n  - c: |\r\n      d\r\n",
    ],
)
def test_unusual_texts_read_as_pyyaml_reads_them(text) -> None:
    assert to_data(parse_document(text, format="yaml")) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "expected"),
        ("a: 1\n b: 2\n", "mapping values"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: *x\n", "refers to nothing"),
        ("a: &x [*x]\n", "refers to nothing"),
        ("a: &x 1\nb: &x 2\n", "something else already"),
        ("[a]: 1\n", "a key must be a scalar"),
        ("a: 2022-13-45\n", "cannot be read"),
        ("a: &x 1\nb: {<<: *x}\n", "'<<' takes a mapping"),
        ("a: !!int x\n", "cannot be read"),
        ("a:\tb\n\t- c\n", "."),
        ("a: \x00\n", "not YAML"),
        ("[" * 300, "nested deeper"),
        (
            "a: &a [x,x]\n"
            + "".join(
                f"{new}: &{new} [{','.join([f'*{old}'] * 12)}]\n"
                for old, new in zip("abcdef", "bcdefg", strict=True)
            ),
            "too large",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(text, says) -> None:
    with pytest.raises(DocumentError, match=says):
        parse_document(text, format="yaml")


@pytest.mark.parametrize(
    ("text", "edits", "edited"),
    [
        ("a: 1 # c\n", {"a": 2.0}, "a: 2 # c\n"),
        ("a: 1.5\n", {"a": 1}, "a: 1.0\n"),
        ("a: 1.5\n", {"a": 1e-7}, "a: 1.0e-07\n"),
        ("a: 1e-3\n", {"a": 0.5}, "a: 0.5\n"),
        ("a: '1e-3'\n", {"a": 0.5}, "a: '0.5'\n"),
        ("a: x\n", {"a": "no"}, "a: 'no'\n"),
        ("a: x\n", {"a": "1e3"}, "a: 1e3\n"),
        ("a: x\n", {"a": "1"}, "a: '1'\n"),
        ("a: x\n", {"a": "b: c"}, "a: 'b: c'\n"),
        ("a: x\n", {"a": "b # c"}, "a: 'b # c'\n"),
        ("a: x\n", {"a": ""}, "a: ''\n"),
        ("a: x\n", {"a": "b\nc"}, "a: 'b\nc'\n".replace("'b\nc'", '"b\\nc"')),
        ("a: 'x'\n", {"a": "it's"}, "a: 'it''s'\n"),
        ('a: "x"\n', {"a": 'b"\t'}, 'a: "b\\"\\t"\n'),
        ("a: [x, y]\n", {"a[0]": "b, c"}, "a: ['b, c', y]\n"),
        ("a: x, y\n", {"a": "b, c"}, "a: b, c\n"),
        ("a: yes\n", {"a": False}, "a: no\n"),
        ("a: On\n", {"a": False}, "a: Off\n"),
        ("a: TRUE\n", {"a": False}, "a: FALSE\n"),
        ("a:\n", {"a": 5}, "a: 5\n"),
        ("a: ~\n", {"a": "x"}, "a: x\n"),
        ("a: x\n", {"a": None}, "a: null\n"),
        ("-\n- 1\n", {"[0]": 5}, "- 5\n- 1\n"),
        ("a: [1, 2]\n", {"a": [1, 2, 3]}, "a: [1, 2, 3]\n"),
        ("a:\n- 1\n- 2 # two\n", {"a": [5, 6, 7]}, "a:\n- 5\n- 6 # two\n- 7\n"),
        ("a:\n- 1\n- 2 # two\nb: 3\n", {"a": [5]}, "a:\n- 5\nb: 3\n"),
        ("a:\n- 1\nb: 3\n", {"a": []}, "a: []\nb: 3\n"),
        ("a:\n  - 1\n  - 2\n", {"a[1:]": [8, 9]}, "a:\n  - 1\n  - 8\n  - 9\n"),
        ("a:\r\n- 1\r\n- 2\r\n", {"a": [1, 2, 3]}, "a:\r\n- 1\r\n- 2\r\n- 3\r\n"),
        (
            "a:\n  b: 1\n  c: 2 # two\nd: 3\n",
            {"a": {"b": 5, "e": {"f": [1]}}},
            "a:\n  b: 5\n  e:\n    f: [1] # two\nd: 3\n",
        ),
        ("a: {b: 1}\n", {"a": {"b": 5, "e": "no"}}, "a: {b: 5, e: 'no'}\n"),
        ("a:\n  b: 1 # one\nc: 2\n", {"+a.d": "x"}, "a:\n  b: 1 # one\n  d: x\nc: 2\n"),
        ("a:\n  b: |\n    t\nc: 2\n", {"+a.d": "x"}, "a:\n  b: |\n    t\n  d: x\nc: 2\n"),
        ("a: {b: 1}\n", {"+a.c.d": 2}, "a: {b: 1, c: {d: 2}}\n"),
        ("a: {}\n", {"+a.c": 2}, "a: {c: 2}\n"),
        ("- a: 1\n- a: 2\n", {"+[1].b": 3}, "- a: 1\n- a: 2\n  b: 3\n"),
        ("a: |\n  x\n  y\n\nb: 1\n", {"a": "z\n"}, "a: |\n  z\n\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", {"a": "z"}, "a: |-\n  z\nb: 1\n"),
        ("a: >-\n  x\n  y\nb: 1\n", {"a": "z: #"}, "a: >-\n  z: #\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", {"a": " lead"}, "a: ' lead'\nb: 1\n"),
        ("a: &x 1\nb: *x\n", {"b": 2}, "a: &x 1\nb: 2\n"),
        ("a: &x 1\nb: *x\n", {"a": 2}, "a: &x 2\nb: *x\n"),
        ("a: !!str 5\n", {"a": "6"}, "a: !!str '6'\n"),
        ("a: 2022-01-01\n", {"a": "2023-02-03"}, "a: 2023-02-03\n"),
        ("a: &x {b: 1}\nc: *x\n", {"c": {"b": 2}}, "a: &x {b: 1}\nc: {b: 2}\n"),
    ],
)
def test_an_edit_keeps_the_layout_around_it(text, edits, edited) -> None:
    result = apply_edits(parse_document(text, format="yaml"), edits).text

    assert result == edited
    yaml.safe_load(result)


@pytest.mark.parametrize(
    ("text", "edits", "says"),
    [
        ("a: &x {b: 1}\nc: *x\n", {"c.b": 2}, r"only referred to here.*\n?.*&x"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", {"c.b": 2}, r"'\+c.b' overrides it here"),
        ("a: &x [1]\nc: *x\n", {"c[0]": 2}, "only referred to here"),
        ("a: 1\n", {"a": 0.5}, "not an integer"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", {"a": None}, "'<<' takes a mapping"),
        ("a: x\n", {"a": True}, "is a boolean"),
        ("a: 2022-01-01\n", {"a": "soon"}, "is not a date"),
        ("a: [1]\n", {"a": 7}, r"write \[7\]"),
    ],
)
def test_what_does_not_fit_is_refused(text, edits, says) -> None:
    with pytest.raises(SettingsError, match=says):
        apply_edits(parse_document(text, format="yaml"), edits)


def test_an_anchored_value_says_who_changes_with_it() -> None:
    document = parse_document("a: &x {b: 1}\nc: *x\nd: {<<: *x}\n", format="yaml")

    (touched,) = apply_edits(document, {"a.b": 2}).touched

    assert touched.note == "everything that says '*x' changes with it"


PLACES = [
    "a: old\nb: 1\n",
    "a: 'old' # c\nb: 1\n",
    'a: "old"\nb: 1\n',
    "x: {a: old, b: 1}\n",
    "- old\n- 1\n",
    "x: [old, 1]\n",
    "a: |\n  old\nb: 1\n",
    "x:\n  - a: >-\n      old\n      er\n    b: 1\n",
]


@given(st.sampled_from(PLACES), st.text(max_size=12) | SCALARS.filter(lambda v: isinstance(v, str)))
@settings(max_examples=400, deadline=None)
def test_any_text_survives_being_written(text, value) -> None:
    document = parse_document(text, format="yaml")
    key = "$..a" if "a:" in text else "x[0]" if "x:" in text else "[0]"
    before = yaml.safe_load(text)
    if any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        with pytest.raises(SettingsError, match="cannot be written"):
            apply_edits(document, {key: value})
        return
    edited = apply_edits(document, {key: value}).text

    again = parse_document(edited, format="yaml")
    assert find_values(again, key) == [value]
    assert to_data(again) == yaml.safe_load(edited)
    assert len(str(before)) - len(str(yaml.safe_load(edited))) <= 10


@given(st.floats() | st.integers(-(10**30), 10**30))
@settings(max_examples=100, deadline=None)
def test_any_number_survives_being_written(value) -> None:
    document = parse_document("a: 0.5\n", format="yaml")

    number = yaml.safe_load(apply_edits(document, {"a": value}).text)["a"]

    assert number == float(value) or math.isnan(value)
    assert type(number) is float
