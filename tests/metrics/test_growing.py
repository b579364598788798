from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from hpo_nni.metrics.growing import CHUNK_BYTES, GrowingFile

if TYPE_CHECKING:
    from pathlib import Path


def read(file: GrowingFile) -> bytes:
    return b"".join(chunk.data for chunk in file.read())


def begins(file: GrowingFile) -> list[tuple[bytes, bool]]:
    return [tuple(chunk) for chunk in file.read()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_file_that_does_not_exist_yet_is_empty(path, append):
    file = GrowingFile(path)
    assert read(file) == b""
    append(path, b"now")
    assert begins(file) == [(b"now", True)]


def test_no_byte_is_read_twice(path, append, reads):
    file = GrowingFile(path)
    whole = b""
    for size in (1, 0, 3, CHUNK_BYTES + 5, 0, 2):
        append(path, b"x" * size)
        whole += read(file)
    assert whole == path.read_bytes()
    assert reads[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(reads))
    assert reads[-1][1] == len(whole)


def test_an_unchanged_file_costs_one_stat_and_no_open(path, append, monkeypatch):
    append(path, b"x")
    file = GrowingFile(path)
    read(file)
    calls = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda name: calls.append(name) or stat(name))
    monkeypatch.setattr("builtins.open", None)
    assert read(file) == b""
    assert calls == [str(path)]


def test_chunks_are_bounded_and_so_is_one_read(path, append):
    append(path, b"x" * (3 * CHUNK_BYTES))
    file = GrowingFile(path)
    first = list(file.read(limit=CHUNK_BYTES + 10))
    assert [len(chunk.data) for chunk in first] == [CHUNK_BYTES, 10]
    assert sum(len(chunk.data) for chunk in file.drain()) == 2 * CHUNK_BYTES - 10


def test_a_shorter_file_begins_anew(path, append):
    append(path, b"old old")
    file = GrowingFile(path)
    read(file)
    path.write_bytes(b"new")
    assert begins(file) == [(b"new", True)]
    append(path, b" more")
    assert begins(file) == [(b" more", False)]


def test_a_file_that_was_emptied_begins_anew_with_its_next_bytes(path, append):
    append(path, b"old")
    file = GrowingFile(path)
    read(file)
    path.write_bytes(b"")
    assert read(file) == b""
    append(path, b"newer")
    assert begins(file) == [(b"newer", True)]


def test_a_rotated_file_is_read_to_its_end_before_the_new_one(path, append):
    append(path, b"one ")
    file = GrowingFile(path)
    read(file)
    append(path, b"two ")
    path.rename(path.with_suffix(".1"))
    path.write_bytes(b"a longer new file")
    assert begins(file) == [(b"two ", False), (b"a longer new file", True)]


def test_a_file_replaced_by_one_of_the_same_length_is_noticed(path, tmp_path):
    path.write_bytes(b"aaa")
    file = GrowingFile(path)
    read(file)
    (tmp_path / "other").write_bytes(b"bbb")
    (tmp_path / "other").replace(path)
    assert begins(file) == [(b"bbb", True)]


def test_an_inode_cannot_be_reused_while_it_is_followed(path):
    """On many file systems delete-and-create gives the same inode, which would look like growth."""
    path.write_bytes(b"aaa")
    file = GrowingFile(path)
    read(file)
    path.unlink()
    path.write_bytes(b"bbbbb")
    assert begins(file) == [(b"bbbbb", True)]


def test_what_a_deleted_file_still_gets_is_read(path):
    with path.open("wb", buffering=0) as writer:
        writer.write(b"one ")
        file = GrowingFile(path)
        read(file)
        path.unlink()
        writer.write(b"two")
        assert read(file) == b"two"


def test_what_cannot_be_read_is_logged_once_and_tried_again(tmp_path, caplog):
    path = tmp_path / "directory"
    path.mkdir()
    file = GrowingFile(path)
    assert [read(file), read(file)] == [b"", b""]
    assert [record.message for record in caplog.records] == [
        f"{path} cannot be read: Is a directory; trying again"
    ]
    path.rmdir()
    path.write_bytes(b"a file now")
    assert read(file) == b"a file now"


def test_a_released_file_goes_on_where_it_was(path, append):
    append(path, b"one")
    file = GrowingFile(path)
    read(file)
    file.release()
    append(path, b"two")
    assert begins(file) == [(b"two", False)]


def test_a_read_that_fails_is_tried_again_where_it_was(path, append, monkeypatch, caplog):
    append(path, b"one")
    file = GrowingFile(path)
    read(file)
    append(path, b"two")
    path.rename(path.with_suffix(".1"))
    path.write_bytes(b"three")
    pread = os.pread

    def fail(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    assert read(file) == b""
    assert "Input/output error" in caplog.text
    monkeypatch.setattr(os, "pread", pread)
    assert begins(file) == [(b"three", True)]
