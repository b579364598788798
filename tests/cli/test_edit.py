from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import pytest

from hpo_nni.cli import edit
from hpo_nni.errors import DocumentError, HpoNniError, SettingsError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "a: 1  # one\r\nf { n: 'x' d: 1 }\r\nf { n: 'y' d: 2 }\r\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "x.config"
    path.write_bytes(CONFIG.encode())
    return path


def run(*arguments) -> int:
    parser = argparse.ArgumentParser()
    edit.add_arguments(parser)
    return edit.run(parser.parse_args([str(argument) for argument in arguments]))


def test_the_edited_text_goes_to_stdout_and_what_was_touched_to_stderr(config, capfdbinary) -> None:
    assert run(config, "a=2", "f[n=y].d=7") == 0

    out, err = capfdbinary.readouterr()
    assert out.decode() == CONFIG.replace("a: 1", "a: 2").replace("d: 2", "d: 7")
    assert err.decode().splitlines() == ["a, line 1: 1 -> 2", "f[1].d, line 3: 2 -> 7"]
    assert config.read_bytes() == CONFIG.encode()


def test_a_diff_shows_what_would_change(config, capfdbinary) -> None:
    run(config, "a=2", "--diff")

    assert "-a: 1  # one\r\n+a: 2  # one\r\n" in capfdbinary.readouterr().out.decode()
    assert config.read_bytes() == CONFIG.encode()


def test_in_place_keeps_line_endings_and_mode_and_leaves_no_other_file(config) -> None:
    config.chmod(0o640)

    run(config, "a=2", "--in-place")

    assert config.read_bytes() == CONFIG.replace("a: 1", "a: 2").encode()
    assert config.stat().st_mode & 0o777 == 0o640
    assert list(config.parent.iterdir()) == [config]


def test_in_place_writes_through_a_link(config, tmp_path) -> None:
    link = tmp_path / "link.config"
    link.symlink_to(config)

    run(link, "a=2", "--in-place")

    assert link.is_symlink()
    assert b"a: 2" in config.read_bytes()


def test_output_to_a_pipe_leaves_the_pipe_there(config, tmp_path) -> None:
    pipe = tmp_path / "out"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        run(config, "a=2", "-o", pipe)

        assert b"a: 2" in os.read(reader, 1000)
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_output_goes_to_another_file(config, tmp_path) -> None:
    out = tmp_path / "out.config"

    run(config, "a=2", "-o", out)

    assert b"a: 2" in out.read_bytes()
    assert config.read_bytes() == CONFIG.encode()


def test_a_fault_writes_nothing(config) -> None:
    with pytest.raises(SettingsError):
        run(config, "a=2", "b=3", "--in-place")

    assert config.read_bytes() == CONFIG.encode()


def test_a_slice_over_many_places_is_not_told_in_full(tmp_path, capsys) -> None:
    path = tmp_path / "many.config"
    path.write_text("f { d: 1 }\n" * 30)

    run(path, "f[:].d=2")

    assert capsys.readouterr().err.splitlines()[-1] == "f[:].d: 30 places in all"


def test_format_and_schema_can_be_named(tmp_path, capsys) -> None:
    (tmp_path / "c.txt").write_text("a: 1\n")
    (tmp_path / "s.proto").write_text("message M { optional double a = 1; optional bool b = 2; }")

    run(
        tmp_path / "c.txt",
        "a=0.5",
        "b=true",
        "--format",
        "prototext",
        "--schema",
        tmp_path / "s.proto",
    )

    assert capsys.readouterr().out == "a: 0.5\nb: true\n"


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("a=1", "a", 1),
        ("a=1.5", "a", 1.5),
        ("a=[1, 2]", "a", [1, 2]),
        ("a=text", "a", "text"),
        ('a="1"', "a", "1"),
        ("a=", "a", ""),
        ("a=b=c", "a", "b=c"),
        ("a=null", "a", None),
        ("f[n=y].d=16", "f[n=y].d", 16),
        ("f[n>=y][d!=1].d=16", "f[n>=y][d!=1].d", 16),
        ('f[n="]="].d=16', 'f[n="]="].d', 16),
        ("$.f[?(@.n=='y')].d=16", "$.f[?(@.n=='y')].d", 16),
        ("a;b=1;2", "a;b", "1;2"),
    ],
)
def test_the_equals_sign_of_a_condition_belongs_to_the_key(argument, key, value) -> None:
    assert edit.parse_assignments([argument]) == {key: value}


def test_every_argument_that_is_no_assignment_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        edit.parse_assignments(["a", "f[n=y]", "b=1", "b=2"])

    assert [problem.where for problem in caught.value.problems] == ["a", "f[n=y]", "b=2"]


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("missing.config", None, StoreError, "No such file"),
        ("x.config", b"a: 1\n\xff", DocumentError, "line 2 is not UTF-8"),
        ("x.config", b"a: 1\nb {", DocumentError, "line 2, column 3"),
        ("x.ini", b"a: 1", DocumentError, "name the format"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, error, says) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=says):
        run(tmp_path / name, "a=1")


def test_an_output_that_cannot_be_written_says_so(config, tmp_path) -> None:
    with pytest.raises(HpoNniError, match="cannot be written"):
        run(config, "a=2", "-o", tmp_path / "nowhere" / "out.config")
