from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.documents.keypath import (
    Every,
    Field,
    Index,
    JsonPath,
    Key,
    KeyPath,
    Predicate,
    Slice,
    quote,
)
from hpo_nni.documents.keypath_parser import parse_key, split_outside
from hpo_nni.errors import KeyPathSyntaxError

PATHS = [
    ("a.b", (Field("a"), Field("b"))),
    ("a[0].b", (Field("a"), Index((0,)), Field("b"))),
    ("a[-1]", (Field("a"), Index((-1,)))),
    ("a[+1]", (Field("a"), Index((1,)))),
    ("a[01]", (Field("a"), Index((1,)))),
    ("a[0,2]", (Field("a"), Index((0, 2)))),
    ("a[:]", (Field("a"), Slice())),
    ("a[5:]", (Field("a"), Slice(5))),
    ("a[:13]", (Field("a"), Slice(None, 13))),
    ("a[3:12]", (Field("a"), Slice(3, 12))),
    ("a[::2]", (Field("a"), Slice(None, None, 2))),
    ("a[ 1 : -1 ]", (Field("a"), Slice(1, -1))),
    ("a[*].b", (Field("a"), Every(), Field("b"))),
    ("a[b]", (Field("a"), Predicate((Field("b"),)))),
    ("a[b[0]=x]", (Field("a"), Predicate((Field("b"), Index((0,))), "=", "x"))),
    ("a[b==x]", (Field("a"), Predicate((Field("b"),), "=", "x"))),
    ("a[b!=x]", (Field("a"), Predicate((Field("b"),), "!=", "x"))),
    (
        "a[b.c[-1]>=1.5]",
        (Field("a"), Predicate((Field("b"), Field("c"), Index((-1,))), ">=", "1.5")),
    ),
    ("a[b<=x.y]", (Field("a"), Predicate((Field("b"),), "<=", "x.y"))),
    ("a[b>x;y]", (Field("a"), Predicate((Field("b"),), ">", "x;y"))),
    ("a[b<x[1]]", (Field("a"), Predicate((Field("b"),), "<", "x[1]"))),
    ("""a[b="x]=y"].c""", (Field("a"), Predicate((Field("b"),), "=", "x]=y"), Field("c"))),
    ("""a[b='it\\'s']""", (Field("a"), Predicate((Field("b"),), "=", "it's"))),
    ("""a[b=""]""", (Field("a"), Predicate((Field("b"),), "=", ""))),
    ("a[=5]", (Field("a"), Predicate((), "=", "5"))),
    (
        "a[b>1][c=2].d",
        (
            Field("a"),
            Predicate((Field("b"),), ">", "1"),
            Predicate((Field("c"),), "=", "2"),
            Field("d"),
        ),
    ),
    ('"a.b".c', (Field("a.b"), Field("c"))),
    (" a . b [0] . c ", (Field("a"), Field("b"), Index((0,)), Field("c"))),
    (".a..b.", (Field("a"), Field("b"))),
    ("[0].a", (Index((0,)), Field("a"))),
    ("${batch_size}", (Field("${batch_size}"),)),
    ("特征.维度", (Field("特征"), Field("维度"))),
]


@pytest.mark.parametrize(("text", "parts"), PATHS, ids=[text for text, _ in PATHS])
def test_a_path_is_its_parts_and_prints_as_itself(text, parts) -> None:
    key = parse_key(text)

    assert key == Key((KeyPath(parts),))
    assert parse_key(str(key)) == key


def test_several_paths_are_tied_by_semicolons() -> None:
    key = parse_key("a.b; +c[x=1;2].d ;$.e[?(@.f=='g;h')]")

    assert [str(path) for path in key.paths] == ["a.b", "+c[x=1;2].d", "$.e[?(@.f=='g;h')]"]
    assert [getattr(path, "adds", None) for path in key.paths] == [False, True, None]


@pytest.mark.parametrize("text", ["$", "$.a", "$[0]", "$['a']"])
def test_a_dollar_before_a_dot_a_bracket_or_nothing_is_jsonpath(text) -> None:
    assert parse_key(text) == Key((JsonPath(text),))


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 0, "the name of a field"),
        (".", 1, "the name of a field"),
        ("+", 1, "the name of a field"),
        ("a;", 2, "the name of a field"),
        ("feature_configs[0.embedding_dim", 17, "']' after the index"),
        ("a[0", 3, "']' after the index"),
        ("a[0]x", 4, "'.' or '[' after the selector"),
        ("a[0] x", 5, "'.' or '['"),
        ("a[1:2:0]", 7, "a step other than 0"),
        ("a[1:2:3:4]", 7, "an integer or ']'"),
        ("a[1:b]", 4, "an integer or ']'"),
        ("a[a:b]", 2, "integers around the ':'"),
        ("a[]", 2, "an index, a slice"),
        ("a[0,]", 4, "an index"),
        ("a[*", 3, "']' after '*'"),
        ("a[b", 3, "an operator"),
        ("a[b=]", 4, "a value after the operator"),
        ("a[b=x", 5, "']' after the value"),
        ('a[b="x]', 7, 'a closing "'),
        ("a[b>=4<=8]", 6, "one condition"),
        ("a[b=4,c=5]", 7, "one condition"),
        ("a[b[:]=4]", 4, "an index"),
        ("'a", 2, "a closing '"),
        ("a]", 1, "'.' or '['"),
    ],
)
def test_a_fault_points_at_its_column(text, column, expected) -> None:
    with pytest.raises(KeyPathSyntaxError) as caught:
        parse_key(text)

    assert (caught.value.column, expected in caught.value.message) == (column, True)
    assert caught.value.message.splitlines()[-1].index("^") == column + 4


@given(st.text(alphabet="ab.[]=<>!:;,\"'\\0+-* $?@()é\n", max_size=25))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_key_that_prints_as_itself_or_a_syntax_error(text) -> None:
    try:
        key = parse_key(text)
    except KeyPathSyntaxError:
        return
    assert parse_key(str(key)) == key


NAMES = st.text(min_size=1, max_size=6)
INDICES = st.builds(lambda n: Index((n,)), st.integers(-99, 99))
PREDICATES = st.builds(
    Predicate,
    st.lists(st.builds(Field, NAMES) | INDICES, max_size=2).map(tuple),
    st.sampled_from(["=", "!=", "<", ">", "<=", ">="]),
    st.text(max_size=6),
)


@given(
    st.lists(
        st.builds(Field, NAMES) | INDICES | PREDICATES | st.just(Every()), min_size=1, max_size=4
    )
)
@settings(max_examples=300, deadline=None)
def test_every_path_survives_being_printed(parts) -> None:
    key = Key((KeyPath(tuple(parts)),))

    assert parse_key(str(key)) == key


@given(st.text(max_size=10))
def test_quoted_text_is_a_name(text) -> None:
    assert parse_key(quote(text)).paths[0].parts == (Field(text),)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1;2", ["1", "2"]),
        ("[8;4];2", ["[8;4]", "2"]),
        ("'a;b';c", ["'a;b'", "c"]),
        ("it's;x", ["it's", "x"]),
    ],
)
def test_values_split_outside_of_brackets_and_quotes(text, parts) -> None:
    assert split_outside(text, ";") == parts
