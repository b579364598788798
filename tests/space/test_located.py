from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import DocumentError
from hpo_nni.space.located import locate, read_json, read_yaml

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(json_values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_strict_json_is_read_as_python_reads_it(value, indent, ascii_only) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    located, commas = read_json(text)

    assert located.plain() == json.loads(text)
    assert commas == ()


@settings(max_examples=200, deadline=None)
@given(st.text('{}[],:"\\a1-e. \n', max_size=20))
def test_what_python_refuses_differs_from_json_by_commas_only(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        try:
            assert read_json(text)[1]
        except DocumentError:
            return
    else:
        assert read_json(text)[0].plain() == expected


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab1e-. :", max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_yaml_is_read_as_pyyaml_reads_it(value) -> None:
    text = yaml.safe_dump(value)

    assert read_yaml(text).plain() == yaml.safe_load(text)


def test_every_value_knows_its_line_and_column() -> None:
    text = '{"a": [1,\n  {"b": true}]}'

    for located in (read_json(text)[0], read_yaml(text)):
        (_, items) = located.value[0]
        (_, deepest) = items.value[1].value[0]
        assert (items.line, items.column) == (1, 7)
        assert (deepest.value, deepest.line, deepest.column) == (True, 2, 9)


def test_plain_data_has_no_places() -> None:
    located = locate({"a": [1, (2,)]})

    assert (located.line, located.column) == (0, 0)
    assert located.plain() == {"a": [1, [2]]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 1),
        ("a: 1\n\tb: 2", 2),
        ("\x00", 0),
        ("a: !x 1", 1),
        ("2022-13-45", 0),
        ("&a [*a]", 0),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DocumentError) as caught:
        read_yaml(text)

    assert caught.value.line == line


def test_json_without_bottom_is_refused() -> None:
    with pytest.raises(DocumentError, match="too deeply"):
        read_json("[" * 100_000)
