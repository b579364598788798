from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.metrics.csv_source import CsvSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def read(path: Path, text: str, *metrics: str, step_key: str = ""):
    path.write_bytes(text.encode())
    source = CsvSource(path, metrics or ("auc",), step_key=step_key)
    points = source.poll() + source.finish()
    return source, [(point.step, dict(point.values)) for point in points]


@pytest.mark.parametrize(
    "text, points",
    [
        ("step,auc\n5,0.5\n6,0\n", [(5, {"auc": 0.5}), (6, {"auc": 0.0})]),
        ("auc,loss\n0.5,1\n0.25,1\n", [(1, {"auc": 0.5}), (2, {"auc": 0.25})]),
        ("epoch, auc\r\n3, 1e-3\r\n", [(3, {"auc": 0.001})]),
        ("\ufeffauc;step\n0.5;7\n", [(7, {"auc": 0.5})]),
        ("auc\tstep\n0.5\t7\n", [(7, {"auc": 0.5})]),
        ("auc\n0.5", [(1, {"auc": 0.5})]),
        ("step,auc,loss\n1,,3\n1,0.5,\n", [(1, {"auc": 0.5})]),
        ('step,note,auc\n1,"a ""b"", c",0.5\n', [(1, {"auc": 0.5})]),
        ('step,note,auc\n1,"two\n\nlines",0.5\n2,x,1\n', [(1, {"auc": 0.5}), (2, {"auc": 1.0})]),
        ("step,auc\n\n\n1,inf\n", [(1, {"auc": math.inf})]),
        ("step,loss\n1,2\n", []),
        ("", []),
    ],
)
def test_the_points_of_a_table(path, text, points):
    source, found = read(path, text)
    assert (found, source.damaged) == (points, 0)


def test_not_a_number_is_a_value(path):
    _, [(_, values)] = read(path, "auc\nnan\n")
    assert math.isnan(values["auc"])


@pytest.mark.parametrize(
    "row, message",
    [
        ("1", "line 3 has 1 cells, the header 2"),
        ("1,0.5,3", "line 3 has 3 cells, the header 2"),
        ("1,high", "line 3: auc is 'high', no number"),
        ('1,"0.5"x', "line 3:"),
        ("1,0.5\r0.5", "line 3:"),
        ('1,"' + "x" * 70_000, "line 3: quotes that are not closed"),
    ],
    ids=["few", "many", "text", "quotes", "return", "open"],
)
def test_a_damaged_row_is_reported_and_skipped(path, caplog, row, message):
    source, points = read(path, f"step,auc\n1,1\n{row}\n3,3\n")
    assert points == [(1, {"auc": 1.0}), (3, {"auc": 3.0})]
    assert source.damaged == 1
    assert message in caplog.text


def test_a_file_that_ends_within_quotes_is_damage(path, caplog):
    source, points = read(path, 'step,auc\n1,1\n2,"3\n')
    assert ([step for step, _ in points], source.damaged) == ([1], 1)
    assert "the file ends within quotes" in caplog.text


def test_a_users_step_column_is_the_only_one(path):
    source, points = read(path, "step,it,auc\n1,30,0.5\n2,,0.5\n", step_key="it")
    assert (points, source.damaged) == ([(30, {"auc": 0.5})], 1)


def test_a_new_header_in_the_middle_is_followed(path):
    text = "step,auc\n1,0.1\nstep,auc\n2,0.2\nloss,auc,step\n9,0.3,3\n"
    source, points = read(path, text)
    assert points == [(1, {"auc": 0.1}), (2, {"auc": 0.2}), (3, {"auc": 0.3})]
    assert list(source.seen) == ["step", "auc", "loss"]
    assert source.damaged == 0


def test_a_file_written_anew_has_a_header_of_its_own(path):
    path.write_text("step,auc\n1,0.1\n2,0.2\n")
    source = CsvSource(path, ["auc"])
    source.poll()
    path.write_text("auc,step\n0.3,3\n")
    assert [(point.step, point.values) for point in source.poll()] == [(3, {"auc": 0.3})]


def test_rows_come_once_as_they_are_written(path, append, reads):
    source = CsvSource(path, ["auc"])
    assert source.poll() == []
    found = []
    for piece in (b"st", b"ep,auc\n1,0.", b"5\n2,1", b"\n", b"3,2"):
        append(path, piece)
        found.append([point.step for point in source.poll()])
    found.append([point.step for point in source.finish()])
    assert found == [[], [], [1], [2], [], [3]]
    assert sum(end - start for start, end in reads) == path.stat().st_size


ROWS = st.lists(
    st.sampled_from(["step,auc", "1,0.5", '2,"1"', '3,"4\n5"', "x", "auc,step", "", '"', "nan,4"]),
    max_size=15,
)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.lists(st.integers(0, 300), max_size=10))
def test_however_polls_fall_each_row_comes_once(append, pieces, rows, places):
    data = "\n".join(rows).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.csv"
        path.write_bytes(data)
        whole = CsvSource(path, ["auc"])
        expected = whole.finish()
        path.unlink()
        source = CsvSource(path, ["auc"])
        found = []
        for piece in pieces(data, places):
            append(path, piece)
            found += source.poll()
        found += source.finish()
    assert repr(found) == repr(expected)
    assert source.damaged == whole.damaged


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.binary(max_size=100), st.text('",;\t\r\n\0a1.', max_size=60)))
def test_garbage_raises_nothing(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        source = CsvSource(path, ["a"])
        source.poll()
        source.finish()
