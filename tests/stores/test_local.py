from __future__ import annotations

import threading

import pytest

from hpo_nni.errors import StoreError
from hpo_nni.stores.local import LocalStore

STORE = LocalStore()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("text", ["", "a: 1\n", "a: 1\r\nb: 2\r", "学习率: 0.1", "\ufeffa: 1"])
def test_text_comes_back_as_it_was_written(tmp_path, text):
    uri = str(tmp_path / "new" / "folder" / "a.config")

    STORE.write_text(uri, text)

    assert STORE.read_text(uri) == text
    assert STORE.read_text(f"file://{uri}") == text


def test_a_written_file_keeps_its_mode(tmp_path):
    file = tmp_path / "a.sh"
    file.write_text("old")
    file.chmod(0o751)

    STORE.write_text(str(file), "new")

    assert file.stat().st_mode & 0o777 == 0o751


def test_a_reader_sees_the_old_text_or_the_new_one(tmp_path):
    uri = str(tmp_path / "a.config")
    texts = {"old" * 50_000, "new" * 50_000}
    STORE.write_text(uri, min(texts))
    stop = threading.Event()

    def write():
        for _ in range(30):
            for text in texts:
                STORE.write_text(uri, text)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        assert STORE.read_text(uri) in texts
    writer.join()
    assert names(tmp_path) == ["a.config"]


@pytest.mark.parametrize(
    ("prepare", "fact"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"a: \xff"), "is not UTF-8 text: byte 3 is 0xff"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_uri(tmp_path, prepare, fact):
    path = tmp_path / "a.config"
    prepare(path)

    with pytest.raises(StoreError) as caught:
        STORE.read_text(str(path))

    assert caught.value.uri == str(path)
    assert str(path) in caught.value.message
    assert fact in caught.value.message


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "target").mkdir()

    with pytest.raises(StoreError, match="cannot write"):
        STORE.write_text(str(tmp_path / "target"), "text")

    assert names(tmp_path) == ["target"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot write"):
        STORE.write_text(str(tmp_path / "file" / "a.config"), "text")


def test_a_file_is_there_and_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full" / "dt=1").mkdir(parents=True)
    (tmp_path / "_SUCCESS").touch()

    there = ["_SUCCESS", "full", "full/", "nothing", "empty", "_SUCC"]
    assert [STORE.exists(f"{tmp_path}/{name}") for name in there] == [True] * 3 + [False] * 3
