from __future__ import annotations

import inspect
import re

import pytest

from hpo_nni import errors
from hpo_nni.errors import (
    HpoNniError,
    JobError,
    KeyPathSyntaxError,
    NoMatchError,
    Problem,
    SettingsError,
    describe,
)

BRANCH = re.compile(r"^ {4}(?P<stem>[│├└ ─]*)(?P<name>[A-Z]\w+)(?: \((?P<builtin>\w+)\))?")


def drawn():
    """Class -> the classes that it is drawn to be made of, from the module's docstring."""
    found, above = {}, []
    for line in errors.__doc__.splitlines():
        match = BRANCH.match(line)
        if match:
            depth = len(match["stem"]) // 4
            bases = [name for name in (*above[depth - 1 : depth], match["builtin"]) if name]
            found[match["name"]] = bases or ["Exception"]
            above = [*above[:depth], match["name"]]
    return found


def defined():
    classes = inspect.getmembers(errors, inspect.isclass)
    return {
        name: [base.__name__ for base in kind.__bases__]
        for name, kind in classes
        if issubclass(kind, HpoNniError)
    }


def test_the_drawn_tree_is_the_tree_of_the_classes():
    assert drawn() == defined()


def test_every_class_says_what_it_is_for():
    assert all(getattr(errors, name).__doc__ for name in defined())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HpoNniError("it broke"), "it broke"),
        (HpoNniError("it broke", hint="mend it"), "it broke\n  hint: mend it"),
        (
            SettingsError([Problem("a.ini:3", "no b", "write b"), Problem("", "no c")]),
            "a.ini:3: no b\n  hint: write b\nno c",
        ),
        (
            KeyPathSyntaxError("a[0.b", column=3, expected="']'", hint="close it"),
            "expected ']'\n    a[0.b\n       ^\n  hint: close it",
        ),
        (
            JobError("cmd1 failed", job_id="j", log_tail="one\ntwo", hint="read on"),
            "cmd1 failed\n  | one\n  | two\n  hint: read on",
        ),
    ],
)
def test_an_error_reads_as_a_letter(error, text):
    assert str(error) == text


def test_several_faults_are_counted_above_their_list():
    one, two = Problem("a.ini:1", "x"), Problem("a.ini:2", "y")

    assert describe(SettingsError([one])) == "error: a.ini:1: x"
    assert describe(SettingsError([one, two])) == "error: 2 faults\na.ini:1: x\na.ini:2: y"


def test_an_error_can_be_caught_as_the_builtin_that_it_resembles():
    with pytest.raises(LookupError):
        raise NoMatchError("nothing")
    with pytest.raises(ValueError, match="nothing"):
        raise NoMatchError("nothing")
