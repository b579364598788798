from __future__ import annotations

import enum

import pytest

from hpo_nni.trial.ini import read_ini, split_lines
from hpo_nni.trial.sections import Reading, SectionReader


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def reader(*lines: str, known: bool = True) -> tuple[SectionReader, Reading]:
    ini = read_ini(split_lines("\n".join(["[s]", *lines])), "trial.ini")
    reading = Reading(ini, {"name": ("value",)}, keys_are_known=known)
    return SectionReader(reading, "s"), reading


def test_a_key_that_is_not_there_has_its_default() -> None:
    section, reading = reader()

    assert section.text("k", "default") == "default"
    assert section.word("k", "default") == "default"
    assert section.boolean("k", default=True)
    assert section.seconds("k", 2.5) == 2.5
    assert section.choice("k", Colour.BLUE) is Colour.BLUE
    assert reading.problems == []


def test_names_are_replaced_and_noted() -> None:
    section, reading = reader("k=a ${name} b")

    assert section.text("k") == "a value b"
    assert reading.used == {"name"}


def test_a_comment_behind_one_word_is_cut_off_and_behind_text_is_not() -> None:
    section, _ = reader("k=red  # why")

    assert section.choice("k", Colour.BLUE) is Colour.RED
    assert section.text("k") == "red  # why"


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_name_is_a_fault_where_all_names_are_known(*, known: bool) -> None:
    section, reading = reader("k=${nam}", known=known)

    assert section.text("k") == "${nam}"
    assert [str(problem) for problem in reading.problems] == (
        ["trial.ini:2 [s] k: nothing is known of ${nam}\n  hint: did you mean 'name'?"]
        if known
        else []
    )


def test_what_nobody_took_is_a_fault() -> None:
    section, reading = reader("a=1", "b1=2", "b2=3", "c=4", "d=5")
    section.text("a")

    assert [entry.key for entry in section.prefixed("b")] == ["b1", "b2"]
    section.finish(["a", "b"], {"d": "an own hint"})

    assert [(problem.where, problem.hint) for problem in reading.problems] == [
        ("trial.ini:5 [s] c", "there are: 'a', 'b'"),
        ("trial.ini:6 [s] d", "an own hint"),
    ]


def test_a_section_that_is_not_there_has_no_keys_and_no_line() -> None:
    _, reading = reader()
    absent = SectionReader(reading, "absent")

    absent.fault("", "it is missing")

    assert absent.entries == {}
    assert reading.problems[0].where == "trial.ini [absent]"
