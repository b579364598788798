from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hpo_nni.nni_api.quoting import breaks_nni, plain_directory


@pytest.mark.parametrize(
    ("path", "breaks"),
    [
        ("/data/models", False),
        ("/data/模型/a-b_c.d", False),
        ("/data/a b", True),
        ("/data/a'b", True),
        ("/data/$HOME", True),
        ("/data/a;b", True),
        ("/data/(1)", True),
        ("/data/a&b", True),
        ("/data/*", True),
    ],
)
def test_paths_that_a_shell_reads_otherwise_break_nni(path, breaks):
    assert breaks_nni(Path(path)) is breaks
    echoed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {path}"], capture_output=True, check=False
    )
    assert (echoed.stdout.decode() == f"{path}\n") is (not breaks or "*" in path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_plain_directory_is_always_the_same_and_shown_where_it_was_wanted(home, tmp_path):
    wanted = tmp_path / "my models" / "expdir"

    plain = plain_directory(wanted)

    assert not breaks_nni(plain)
    assert plain.parent == home / "nni-experiments"
    assert wanted.resolve() == plain.resolve()
    (plain / "ledger").write_text("")
    assert plain_directory(wanted) == plain
    assert (wanted / "ledger").is_file()
    assert plain_directory(tmp_path / "my models" / "other") != plain


def test_an_empty_folder_gives_way_to_the_link_and_a_full_one_stays(home, tmp_path):
    empty, full = tmp_path / "a b" / "empty", tmp_path / "a b" / "full"
    empty.mkdir(parents=True)
    full.mkdir()
    (full / "notes.txt").write_text("mine")

    plain_directory(empty)
    plain_directory(full)

    assert empty.is_symlink()
    assert not full.is_symlink()
    assert (full / "notes.txt").read_text() == "mine"


def test_a_home_with_a_space_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))

    plain = plain_directory(tmp_path / "my models")

    assert not breaks_nni(plain)
    assert not plain.is_relative_to(tmp_path / "my home")
    plain.rmdir()
