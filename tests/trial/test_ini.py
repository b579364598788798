from __future__ import annotations

import configparser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.trial.ini import Line, read_ini, split_lines


def read(text: str) -> dict[str, str]:
    """The values of the only section `[s]`; there must be no problems."""
    ini = read_ini(split_lines("[s]\n" + text), "trial.ini")
    assert ini.problems == []
    return {entry.key: entry.value for entry in ini.sections["s"].entries}


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_ini(split_lines(text), "trial.ini").problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=v", "v"),
        ("k = v ", "v"),
        ("k: v", "v"),
        ("k=", ""),
        ("k=a=b", "a=b"),
        ("k=odps://p/tables/t/dt={eval_ymd}", "odps://p/tables/t/dt={eval_ymd}"),
        ("k=50%", "50%"),
        ('k={"ps":{"count":1,"cpu":1000 }}', '{"ps":{"count":1,"cpu":1000 }}'),
        ("k=a # b ; c", "a # b ; c"),
        ("k=echo 'it' # 1", "echo 'it' # 1"),
        ('k="0.4.2"', "0.4.2"),
        ("k='a b'", "a b"),
        ('k="PAI -Dx="1" -Dy=2"', 'PAI -Dx="1" -Dy=2'),
        ('k="a b" --flag "c"', '"a b" --flag "c"'),
        ('k="a b" --flag', '"a b" --flag'),
        ('k=""', ""),
        ('k="', None),
        ('k="a\nb\n c"', "a\nb\n c"),
        ('k="a\n\n[x]\n# kept\nb=1"', "a\n\n[x]\n# kept\nb=1"),
        ("k={'a': 1,\n'b': [2,\n3]}", "{'a': 1,\n'b': [2,\n3]}"),
        ("k={'a}': 1}", "{'a}': 1}"),
        ("k=(cd x\nls)", "(cd x\nls)"),
        ("k=a \\\nb \\\n  c", "a \\\nb \\\n  c"),
        ("k=a\n  b\n    c\n  d", "a\nb\n  c\nd"),
        ("k=\n  a\n\n  b\n\n", "a\n\nb"),
        ("k=a\n  # gone\n  b", "a\nb"),
        ("k=[1, 2] x", "[1, 2] x"),
        ("k=}", "}"),
    ],
)
def test_values(text: str, value: str | None) -> None:
    if value is None:
        assert "never closed" in problems(f"[s]\n{text}")[0]
    else:
        assert read(text) == {"k": value}


def test_keys_keep_their_case_and_order() -> None:
    assert list(read("-Dconfig=1\nNNI=2\na.b-c=3\nnni=4")) == ["-Dconfig", "NNI", "a.b-c", "nni"]


def test_comments_blank_lines_and_windows_line_ends_are_no_matter() -> None:
    ini = read_ini(
        split_lines("\ufeff# c\r\n\r\n[a] # why\r\n; c\r\nk=v\r\n  # c\r\n"), "trial.ini"
    )

    assert ini.problems == []
    assert [(entry.key, entry.value, entry.line) for entry in ini.sections["a"].entries] == [
        ("k", "v", 5)
    ]


def test_a_section_may_be_indented_as_a_whole() -> None:
    assert read("  a=1\n    2\n  b=3") == {"a": "1\n2", "b": "3"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("k=v", "trial.ini:1 k: this key stands before the first [section]"),
        ("[a]\nk=1\nk=2", "trial.ini:3 [a] k: this key is set already in line 2"),
        ("[a]\n[b]\n[a]", "trial.ini:3 [a]: this section began already in line 1"),
        ("[a]\nnonsense", "trial.ini:2: expected 'key = value' or '[section]', found 'nonsense'"),
        ("[a]\npython x.py --lr=3", "trial.ini:2: expected 'key = value'"),
        ("[a]\n= 3", "trial.ini:2: expected 'key = value'"),
        ("[a\nk=1", "trial.ini:1: expected 'key = value' or '[section]', found '[a'"),
        ('[a]\nk="x\ny=1', 'trial.ini:2 [a] k: the quote " that opens this value is never closed'),
        ("[a]\nk={1\ny=1", "trial.ini:2 [a] k: the bracket { that opens this value is never"),
    ],
)
def test_faults_name_line_section_and_key(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_reading_goes_on_after_a_fault() -> None:
    ini = read_ini(split_lines('[a]\nk="x\nl=1\nnonsense\nk=2\n[b]\nm=3'), "trial.ini")

    assert len(ini.problems) == 3
    assert [entry.key for entry in ini.sections["a"].entries] == ["k", "l"]
    assert ini.sections["b"].entries[0].value == "3"


def test_a_key_that_a_loop_repeats_is_told_so() -> None:
    lines = [Line("[a]", 1), Line("k=1", 3), Line("k=2", 3)]

    (problem,) = read_ini(lines, "trial.ini").problems

    assert "the loop sets this key several times" in problem.message


def test_the_indented_body_of_a_loop_is_no_continuation() -> None:
    lines = [Line("[a]", 1), Line("k=1", 2), Line("  l=2", 4, after_tag=True)]

    ini = read_ini(lines, "trial.ini")

    assert [(entry.key, entry.value) for entry in ini.sections["a"].entries] == [
        ("k", "1"),
        ("l", "2"),
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,8}\Z"),
        st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=20)
        .map(str.strip)
        .filter(lambda value: value[:1] not in list("\"'{[(") and not value.endswith("\\")),
        max_size=5,
    )
)
def test_plain_values_are_read_as_configparser_reads_them(values: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in values.items())
    reference = configparser.RawConfigParser(delimiters=("=", ":"))
    reference.optionxform = str  # type: ignore[assignment,method-assign]
    reference.read_string("[s]\n" + text)

    assert read(text) == dict(reference["s"])


@settings(max_examples=200, deadline=None)
@given(st.text("ab=:[]{}\"'\\#; \n", max_size=40))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    ini = read_ini(split_lines(text), "trial.ini")

    assert all(problem.where.startswith("trial.ini:") for problem in ini.problems)
