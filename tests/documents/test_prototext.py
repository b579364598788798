from __future__ import annotations

import math

import pytest
from google.protobuf import message_factory, text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.documents import apply_edits, parse_document, to_data
from hpo_nni.documents.descriptors import _build
from hpo_nni.documents.proto_files import read_proto
from hpo_nni.errors import DocumentError, SettingsError

PROTO = """
syntax = "proto2";
package t;
message M {
  optional int64 i = 1; optional double d = 2; optional bool b = 3; optional string s = 4;
  repeated int64 ri = 5; repeated string rs = 6; repeated M rm = 7; optional M m = 8;
  optional E e = 9; repeated double rd = 10; optional bytes y = 11;
  extensions 100 to 200;
}
enum E { NONE = 0; SOME = 1; }
extend M { optional int32 x = 100; }
"""
VALID = [
    "",
    "# only a comment",
    "\ni: 1 # c\n",
    "i: 1, d: 2; s: 'x'",
    "i:1 d:2.5 m{i:2}",
    "i : 1\nm : { i : 2 }",
    "m < i: 1 >",
    "m: < i: 1 >;",
    "ri: 1 ri: 2",
    "ri: [1, 2]",
    "ri: [ ]",
    "ri: [1, 2] ri: 3",
    "ri: [1 # one\n , 2]",
    "rm { i: 1 } rm { i: 2 }",
    "rm: [{ i: 1 }, < i: 2 >]",
    "rm [{ i: 1 }]",
    "s: 'a' \"b\" 'c'",
    "s: 'a' # between\n 'b'",
    "s: 'it\\'s \\\"x\\\" \\n \\t \\\\ \\101 \\x41'",
    "s: '\\xe5\\xae\\x9e'",
    "s: '实验'",
    "y: '\\377\\000'",
    "i: 0x1F ri: 017 ri: 0",
    "i: -5",
    "d: 1 ",
    "d: 1.5f rd: 1. rd: .5 rd: 1e-3 rd: 1E+5 rd: -2.5e3F",
    "d: inf rd: -inf rd: nan rd: infinity",
    "b: true",
    "b: False",
    "b: t",
    "b: 1",
    "e: SOME",
    "e: 1",
    "i: 1\r\ns: 'x' # c\r\nm {\r\n}\r\n",
    "s: 'a;b # no comment'",
    "m { m { m { i: 1 } } } i: 2",
]


@pytest.fixture(scope="module")
def message_class():
    proto = read_proto(PROTO)
    proto.name = "t.proto"
    (file,) = _build({"t.proto": proto}, ["t.proto"])
    return message_factory.GetMessageClass(file.message_types_by_name["M"])


def plain(message, data):
    """The message's fields in the shape of our data (a repeated field that stands once is one)."""
    out = {}
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        ours = data.get(field.name)
        ours = ours if isinstance(ours, list) else [ours]
        if field.message_type:
            values = [plain(*pair) for pair in zip(values, ours, strict=True)]
        elif field.enum_type:
            numbers = field.enum_type.values_by_number
            values = [
                number if isinstance(our, int) else numbers[number].name
                for number, our in zip(values, ours, strict=True)
            ]
        elif field.type == field.TYPE_BYTES:
            values = [value.decode("utf-8", "surrogateescape") for value in values]
        elif field.type == field.TYPE_BOOL:
            values = [
                our if our in {1, "t"} else value for value, our in zip(values, ours, strict=True)
            ]
        elif field.type == field.TYPE_DOUBLE:
            values = ["nan" if math.isnan(value) else value for value in values]
        out[field.name] = values if isinstance(data.get(field.name), list) else values[0]
    return out


def without_nan(data):
    if isinstance(data, dict):
        return {name: without_nan(value) for name, value in data.items() if value != []}
    if isinstance(data, list):
        return [without_nan(value) for value in data]
    return "nan" if isinstance(data, float) and math.isnan(data) else data


@pytest.mark.parametrize("text", VALID)
def test_our_data_is_what_protobuf_reads(text, message_class) -> None:
    document = parse_document(text, format="prototext")
    data = to_data(document)

    assert document.dump() == text
    assert plain(text_format.Parse(text, message_class()), data) == without_nan(data)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("[t.x]: 5", {"[t.x]": 5}),
        ("[type.googleapis.com/t.M] { i: 1 }", {"[type.googleapis.com/t.M]": {"i": 1}}),
        ("\ufeffi: 1", {"i": 1}),
        ("i: - 5", {"i": -5}),
    ],
)
def test_what_needs_a_pool_or_another_reader_is_read_too(text, data) -> None:
    assert to_data(parse_document(text, format="prototext")) == data


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a", 1, 2, "after 'a'"),
        ("a:", 1, 3, "where the value of 'a'"),
        ("a b: 1", 1, 3, "'b' after 'a'"),
        ("x: 1\na: 'x\n", 2, 4, "no closing quote"),
        ("a {\n b: 1\n", 1, 3, "never closed"),
        ("a { b: 1 >", 1, 10, "'>' where '}'"),
        ("a: 1 }", 1, 6, "closes nothing"),
        ("a: 08", 1, 4, "'08' is not a number"),
        ("a: 1.2.3", 1, 4, "is not a number"),
        ("a: [1,]", 1, 7, "a value must follow"),
        ("a: [1 2]", 1, 7, "'2' where ']'"),
        ("a: [1", 1, 6, "the end of the text where ']'"),
        ("a: [[1]]", 1, 5, "'[' where ']'"),
        ("a: 1;;", 1, 6, "';' where the name"),
        ("; a: 1", 1, 1, "';' where the name"),
        ("a: 1 = 2", 1, 6, "'=' where the name"),
        ("a {" * 201, 1, 603, "nested deeper"),
        ("a: [{" * 201, 1, 1004, "nested deeper"),
    ],
)
def test_a_fault_has_its_line_and_column(text, line, column, says) -> None:
    with pytest.raises(DocumentError, match=r"line \d+, column \d+") as caught:
        parse_document(text, format="prototext")

    error = caught.value
    assert says in error.message
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "edits", "edited"),
    [
        ("a: 1 # c", {"a": 2}, "a: 2 # c"),
        ("a: 'x'", {"a": "it's"}, "a: 'it\\'s'"),
        ('a: "x" "y";', {"a": 'z"'}, 'a: "z\\"";'),
        ("a: 'x'", {"a": 5}, "a: '5'"),
        ("a: True", {"a": False}, "a: False"),
        ("a: true", {"a": "False"}, "a: false"),
        ("a: FOO", {"a": "BAR"}, "a: BAR"),
        ("a: 0.5", {"a": 1}, "a: 1.0"),
        ("a: 1e-3", {"a": "1e-07"}, "a: 1e-07"),
        ("a: 0x10", {"a": 17}, "a: 17"),
        ("a: [1, 2]", {"a": [3]}, "a: [3]"),
        ("a: [1,2]", {"a": [3, 4, 5]}, "a: [3,4,5]"),
        ("a: [1, # one\n 2]", {"a": [3, 4]}, "a: [3, # one\n 4]"),
        ("a: []", {"a": [1]}, "a: [1]"),
        ("a: [1]", {"a": []}, "a: []"),
        ("a: [1]", {"a": 7}, "a: [7]"),
        ("a: 1 b: 2 a: 3", {"a": [5, 6]}, "a: 5 b: 2 a: 6"),
        ("a: 1 a: 2", {"a": [5]}, "a: 5"),
        ("a: 1 a: 2", {"a": [5, 6, 7]}, "a: 5 a: 6 a: 7"),
        ("a: 1\na: 2 # two\nb: 3\n", {"a": [5]}, "a: 5\nb: 3\n"),
        ("a: 1\na: 2 # two\nb: 3\n", {"a": [5, 6, 7]}, "a: 5\na: 6 # two\na: 7\nb: 3\n"),
        ("a: 1\r\na: 2\r\n", {"a": [5, 6, 7]}, "a: 5\r\na: 6\r\na: 7\r\n"),
        ("a: 1 a: 2", {"a": []}, ""),
        ("a: 1 a: [2, 3] b: 4", {"a": [5]}, "a: [5] b: 4"),
        ("a: 'x'", {"a": ["y", "z"]}, "a: ['y', 'z']"),
        ("a: [1, 2, 3]", {"a[:]": [9]}, "a: [9]"),
        ("a: [1, 2, 3]", {"a[1:]": [8, 9, 10]}, "a: [1, 8, 9, 10]"),
        ("a: [1, 2, 3]", {"a[:2]": [9]}, "a: [9, 3]"),
        ("a: [1, 2, 3]", {"a[:]": 9}, "a: [9, 9, 9]"),
        ("a: [1, 2, 3]", {"a[>=2]": 9}, "a: [1, 9, 9]"),
        ("a: [1, 2, 3]", {"a[::2]": [8, 9]}, "a: [8, 2, 9]"),
        ("a { b: 1 } a { b: 2 }", {"a[-1].b": 9}, "a { b: 1 } a { b: 9 }"),
        ("a { b: 1 }", {"a[0].b": 9}, "a { b: 9 }"),
        ("a { b: 1 c: 2 }", {"a": {"b": 3}}, "a { b: 3 }"),
        ("a < b: 1 >", {"a": {"b": 3}}, "a < b: 3 >"),
        ("a {\n  b: 1\n}", {"a": "{b: 3 c: X}"}, "a {\n  b: 3\n  c: X\n}"),
        ("a { e: X s: 'x' }", {"a": {"e": "Y", "s": "z"}}, 'a { e: Y s: "z" }'),
        ("a { b: 1 }", {"a": [{"b": 2}, {"b": 3}]}, "a { b: 2 }\na { b: 3 }"),
        ("a { b: 1 }\n", {"a": "{}"}, "a {}\n"),
        ("a { b: 1 }", {"+a.c": 2}, "a { b: 1 c: 2 }"),
        ("a {}", {"+a.c": "x"}, 'a { c: "x" }'),
        ("a { # empty\n}", {"+a.c": 2}, "a { # empty\n  c: 2\n}"),
        ("a {\n  b: 1  # c\n}\n", {"+a.c": 2}, "a {\n  b: 1  # c\n  c: 2\n}\n"),
        ("a {\n\tb: 1 }", {"+a.c": 2}, "a {\n\tb: 1\n\tc: 2 }"),
        ("", {"+a.b": 1}, "a {\n  b: 1\n}"),
        ("# c\n", {"+a": 1}, "# c\na: 1"),
        ("a: 1", {"+b.c.d": [1, 2]}, "a: 1\nb {\n  c {\n    d: [1, 2]\n  }\n}"),
        ("a: 1\r\n", {"+b": True}, "a: 1\r\nb: true\r\n"),
        ("[t.x]: 5", {'"[t.x]"': 6}, "[t.x]: 6"),
        ("a: 1", {"a": 2, "+b": 3, "b": 4}, "a: 2\nb: 4"),
        ("a { b: 1 } a { b: 2 }", {"a[b=1].b": 2, "a[b=2].b": 3}, "a { b: 3 } a { b: 3 }"),
    ],
)
def test_an_edit_keeps_the_layout_around_it(text, edits, edited) -> None:
    assert apply_edits(parse_document(text, format="prototext"), edits).text == edited


@pytest.mark.parametrize(
    ("text", "edits", "says"),
    [
        ("a: 1", {"a": 0.3}, "not an integer"),
        ("a: 1", {"a": True}, "not an integer"),
        ("a: 1", {"a": "x"}, "not an integer"),
        ("a: 1", {"a": None}, "null"),
        ("a: 0.1", {"a": "x"}, "not a number"),
        ("a: true", {"a": "maybe"}, "neither true nor false"),
        ("a: X", {"a": "two words"}, "not the name"),
        ("a: 'x'", {"a": True}, "is a boolean"),
        ("a: 'x'", {"a": {"b": 1}}, "a group of fields"),
        ("a: [1]", {"a[0]": [1, 2]}, "a list"),
        ("a { b: 1 }", {"a": 5}, "no group of fields"),
        ("a { b: 1 }", {"a": "{b: }"}, "not a group of fields"),
        ("a { b: 1 }", {"a": "{b: 1} c: 2 {d: 3}"}, "not a group of fields"),
        ("a { b: 1 }", {"a": {"b c": 1}}, "cannot be the name"),
        ("a: 1", {'+"b c"': 1}, "cannot be the name"),
        ("a: 1", {"+b": [[1]]}, "no list"),
        ("a: [1, 2, 3]", {"a[::2]": [1]}, "1 values for 2 places"),
        ("a: 1", {"a": object()}, "no value that a config can hold"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(text, edits, says) -> None:
    with pytest.raises(SettingsError, match=says):
        apply_edits(parse_document(text, format="prototext"), edits)


STRINGS = st.text(max_size=12) | st.binary(max_size=8).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)


@given(STRINGS, st.sampled_from("'\""))
@settings(max_examples=200, deadline=None)
def test_any_text_survives_being_written(value, quote) -> None:
    document = parse_document(f"a: {quote}old{quote} # c", format="prototext")

    edited = parse_document(apply_edits(document, {"a": value}).text, format="prototext")

    assert to_data(edited) == {"a": value}


@given(st.floats())
@settings(max_examples=100, deadline=None)
def test_any_number_survives_being_written(value) -> None:
    document = parse_document("a: 0.5", format="prototext")

    (number,) = to_data(
        parse_document(apply_edits(document, {"a": value}).text, format="prototext")
    ).values()

    assert number == value or math.isnan(value)
    assert type(number) is float
