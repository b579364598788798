from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.trial.shell import fill_command, fill_text

HOSTILE = "a'b\"c $(touch x) `touch x` ${HOME} \\ ; rm -rf y & | > < * ? ~ # ! \n{1,2} -n %s"


def run(shell: str, command: str) -> str:
    done = subprocess.run(
        [shell, "-c", command], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


PLACES = {
    "unquoted": "printf %s ${v}",
    "option": "printf %s --lr=${v}",
    "single": "printf %s 'x ${v} y'",
    "double": 'printf %s "x ${v} y"',
    "beside": """printf %s a"b"'c'${v}"d\"""",
    "substitution": 'printf %s "$(printf %s "${v}") y"',
    "unquoted in substitution": 'printf %s "$(printf %s ${v})"',
    "after a comment": "true # it's ${v}\nprintf %s ${v}",
    "after an escape": "printf %s \\'${v}\\\"",
    "subshell": "(printf %s ${v})",
    "after case": "case x in x) printf %s ${v};; esac",
    "after an expansion": 'printf %s "${HOME:+}${v}"',
}


def expected(place: str, value: str) -> str:
    return {
        "option": f"--lr={value}",
        "single": f"x {value} y",
        "double": f"x {value} y",
        "beside": f"abc{value}d",
        "substitution": value.rstrip("\n") + " y",
        "unquoted in substitution": value.rstrip("\n"),
        "after an escape": f"'{value}\"",
    }.get(place, value)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_value_is_data_wherever_it_stands(place: str, shell: str) -> None:
    filled = fill_command(PLACES[place], {"v": (HOSTILE,)})

    assert filled.faults == ()
    assert run(shell, filled.text) == expected(place, HOSTILE)


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30),
    st.sampled_from(sorted(PLACES)),
)
def test_any_value_is_data_wherever_it_stands(value: str, place: str) -> None:
    filled = fill_command(PLACES[place], {"v": (value,)})

    assert run("sh", filled.text) == expected(place, value)


def test_several_words_are_several_arguments_outside_quotes_and_one_inside() -> None:
    words = {"v": ("lr", "0.1; ls", "n", "3")}

    unquoted = fill_command("printf '<%s>' ${v}", words).text
    quoted = fill_command("printf '<%s>' \"${v}\"", words).text

    assert run("sh", unquoted) == "<lr><0.1; ls><n><3>"
    assert run("sh", quoted) == "<lr 0.1; ls n 3>"


@pytest.mark.parametrize(
    "command",
    [
        "cat <<EOF\n${v}\nEOF",
        "cat <<-'E'\n${v}\nE",
        "echo `echo ${v}`",
        'echo "`echo ${v}`"',
        "echo $((1 + ${v}))",
        'echo "$((1 + ${v}))"',
        "echo $'a' ${v}",
        'echo "${x:-"${v}"}"',
        "bash -c 'echo ${v}'",
        "/bin/sh -ec 'echo ${v}'",
        "nice bash --norc -c 'echo ${v}'",
        "bash -o pipefail -c'echo ${v}'",
        "true; eval echo ${v}",
        "ssh host train ${v}",
        "python3 -c 'print(${v})'",
        'echo "$(case x in a) echo ${v};; esac)"',
    ],
)
def test_where_quoting_is_uncertain_only_safe_values_pass(command: str) -> None:
    safe = fill_command(command, {"v": ("1e-3",)})
    unsafe = fill_command(command, {"v": ("1; rm",)})

    assert safe.faults == ()
    assert safe.text == command.replace("${v}", "1e-3")
    assert "${v} is '1; rm', which cannot be quoted safely after" in unsafe.faults[0]


@pytest.mark.parametrize("command", ["cat <<< ${v}", "sh run.sh -c ${v}", "python x.py -c ${v}"])
def test_what_only_looks_uncertain_is_quoted(command: str) -> None:
    filled = fill_command(command, {"v": ("1; rm",)})

    assert filled.faults == ()
    assert filled.text == command.replace("${v}", "'1; rm'")


@pytest.mark.parametrize(
    "value", ["0.001", "-1e-05", "adam", "a/b_c.d", "1024,512", "k=v", "a@b:c"]
)
def test_safe_values_are_shown_as_they_are(value: str) -> None:
    assert fill_command("x ${v} '${v}' \"${v}\"", {"v": (value,)}).text == (
        f"x {value} '{value}' \"{value}\""
    )


def test_everything_unknown_is_the_shells() -> None:
    command = "echo ${HOME} $v ${v:-1} ${#v} ${v%x} \\${v} $(v) # ${v}"

    filled = fill_command(command, {"v": ("1",)})

    assert filled.text == command
    assert filled.unknown == ("HOME", "v:-1", "#v", "v%x")
    assert filled.used == frozenset()


@pytest.mark.parametrize("command", ["echo 'a", 'echo "a', 'echo "$(echo \'a)"'])
def test_an_open_quote_is_a_fault(command: str) -> None:
    assert "is never closed" in fill_command(command, {}).faults[0]


def test_a_nul_cannot_enter_a_command() -> None:
    assert "NUL" in fill_command("echo ${v}", {"v": ("\0",)}).faults[0]


def test_values_are_not_filled_again() -> None:
    words = {"a": ("${b}",), "b": ("1",)}

    assert fill_text("${a} ${b} ${c}", words).text == "${b} 1 ${c}"
    assert run("sh", fill_command("printf %s ${a}", words).text) == "${b}"


def test_text_takes_values_as_they_are_and_names_what_it_does_not_know() -> None:
    filled = fill_text("x/${exp_id}_${trail_id}/${v}", {"exp_id": ("e",), "v": ("a b", "c")})

    assert filled.text == "x/e_${trail_id}/a b c"
    assert filled.unknown == ("trail_id",)
    assert filled.used == {"exp_id", "v"}
