from __future__ import annotations

import pytest

from hpo_nni.testing.console import Command, difference, read_commands

PAGE = """\
Text with `$ nothing` to run.

```console
$ one --long \\
    option
printed
...
$ two
<n> faults in <a file>
[exit 2]
```

1. In a list:

   ```sh
   make demo   # sets everything up
   # only words
   ```

```json
{"not": "a command"}
```
"""


def test_commands_come_with_what_they_print_and_their_place():
    assert read_commands(PAGE) == [
        Command("one --long \\\n    option", 4, ("printed", "...")),
        Command("two", 8, ("<n> faults in <a file>",), exit_code=2),
        Command("make demo", 16),
    ]


def test_a_block_that_begins_with_something_else_is_refused():
    with pytest.raises(ValueError, match="line 2"):
        read_commands("```console\nprinted\n```\n")


@pytest.mark.parametrize(
    "stated, printed, expected",
    [
        (["a", "b"], "a\nb\n", ""),
        (["a", "...", "d"], "a\nb\nc\nd\n", ""),
        (["a", "...", "d"], "a\nd\n", ""),
        (["...", "b"], "b\n", ""),
        (["key  1 place"], "key      1 place  \n", ""),
        (["<n> of <a name>"], "3 of x y\n", ""),
        (["3 of [a.b]"], "3 of [a.b]\n", ""),
        (["a"], "b\n", "this line is not printed: a"),
        (["<n> done"], " done\n", "this line is not printed: <n> done"),
        (["a"], "a\nb\n", "there are other lines, or the lines stand in another order"),
        (["b", "a"], "a\nb\n", "there are other lines, or the lines stand in another order"),
        (["a", "...", "a"], "a\n", "there are other lines, or the lines stand in another order"),
        ([], "a\n", "there are other lines, or the lines stand in another order"),
    ],
)
def test_what_is_printed_is_held_against_what_is_stated(stated, printed, expected):
    assert difference(Command("x", 1, tuple(stated)), printed, 0) == expected


def test_another_exit_code_is_a_difference():
    assert difference(Command("x", 1, ("a",)), "a\n", 1) == "the exit code is 1, not 0"


@pytest.mark.parametrize("printed, is_one", [((), False), (("...", "<id>"), False), (("a",), True)])
def test_wildcards_alone_state_no_fact(printed, is_one):
    assert Command("x", 1, printed).states_a_fact is is_one
