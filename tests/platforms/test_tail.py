from __future__ import annotations

import pytest

from hpo_nni.platforms.tail import tail


@pytest.mark.parametrize(
    ("content", "lines", "rows"),
    [
        (b"", 3, []),
        (b"a\nb\nc\n", 2, ["b", "c"]),
        (b"a\nb", 5, ["a", "b"]),
        (b"a\n\n\n", 2, ["", ""]),
        (b"a\r\nb\r\n", 2, ["a", "b"]),
        (b" 10%\r 50%\r100%\ndone\n", 2, ["100%", "done"]),
        (b" 10%\r 50%\r", 1, [" 50%"]),
        (b"caf\xc3\xa9 \xff\n", 1, ["caf\u00e9 \ufffd"]),
        ("损失 0.5\n".encode(), 1, ["损失 0.5"]),
        (b"a\nb\n", 0, []),
    ],
)
def test_tail_is_what_a_terminal_would_show(tmp_path, content, lines, rows):
    (tmp_path / "log").write_bytes(content)

    assert tail(tmp_path / "log", lines) == rows


def test_missing_file_has_no_lines(tmp_path):
    assert tail(tmp_path / "log", 3) == []


def test_only_the_end_is_read(tmp_path):
    (tmp_path / "log").write_bytes(b"x" * 1000 + b"\nlast\n")

    assert tail(tmp_path / "log", 2, limit=10) == ["xxxx", "last"]
