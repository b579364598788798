from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.metrics import json_source
from hpo_nni.metrics.json_source import JsonLinesSource, JsonSource


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return tmp_path / "metrics.json"


def read(path: Path, text: str, *metrics: str, step_key: str = ""):
    path.write_text(text, encoding="utf-8")
    source = JsonSource.open(path, metrics or ("auc",), {"step_key": step_key})
    points = source.poll() + source.finish()
    return source, [(point.step, dict(point.values)) for point in points]


@pytest.mark.parametrize(
    "text, points",
    [
        ('{"step": 5, "auc": 0.5}\n', [(5, {"auc": 0.5})]),
        ('{"epoch": 2, "global_step": 7, "auc": 1}\n', [(7, {"auc": 1.0})]),
        ('{"epoch": 2.0, "auc": "1e-3"}\n', [(2, {"auc": 0.001})]),
        ('{"step": null, "epoch": 0.5, "auc": 1}\n', [(1, {"auc": 1.0})]),
        ('{"auc": 0.5}\n{"loss": 1}\n{"auc": 0.25}', [(1, {"auc": 0.5}), (2, {"auc": 0.25})]),
        ('\ufeff{"auc": 0.5}\r\n\r\n{"auc": null}\n', [(1, {"auc": 0.5})]),
        ('{"auc": 0}\n', [(1, {"auc": 0.0})]),
        ('{"auc": Infinity}\n', [(1, {"auc": math.inf})]),
    ],
)
def test_the_points_of_lines(lines, text, points):
    source, found = read(lines, text)
    assert (found, source.damaged) == (points, 0)


def test_not_a_number_is_a_value(lines):
    _, [(step, values)] = read(lines, '{"auc": NaN}\n')
    assert step == 1
    assert math.isnan(values["auc"])


@pytest.mark.parametrize(
    "line, message",
    [
        ("not json", "line 2 is not JSON"),
        ('{"auc": 0.5', "line 2 is not JSON"),
        ("[1, 2]", "line 2 is JSON, but no object"),
        ("[" * 100_000, "line 2 is not JSON"),
        ('{"auc": "high"}', "line 2: 'auc' is 'high', which is no number"),
        ('{"auc": true}', "line 2: 'auc' is True, which is no number"),
        ('{"auc": [0.5]}', "line 2: 'auc' is [0.5], which is no number"),
        ('{"auc": 0.5, "x": "' + "y" * (1 << 20) + '"}', "line 2 has more than 1048576 bytes"),
    ],
)
def test_a_damaged_line_is_reported_and_skipped(lines, caplog, line, message):
    source, points = read(lines, f'{{"auc": 1}}\n{line}\n{{"auc": 2}}\n')
    assert points == [(1, {"auc": 1.0}), (2, {"auc": 2.0})]
    assert source.damaged == 1
    assert message in caplog.text


def test_a_record_without_the_users_step_is_damage(lines, caplog):
    text = '{"iteration": 30, "auc": 1}\n{"step": 40, "auc": 2}\n'
    source, points = read(lines, text, step_key="iteration")
    assert points == [(30, {"auc": 1.0})]
    assert source.damaged == 1
    assert "line 2 has no step under 'iteration'" in caplog.text


def test_a_step_may_lie_deep(lines):
    _, points = read(lines, '{"at": {"it": 30}, "auc": 1}\n', step_key="at.it")
    assert points == [(30, {"auc": 1.0})]


@pytest.mark.parametrize(
    "text, points",
    [
        ({"step": 3, "auc": 0.5}, [(3, {"auc": 0.5})]),
        ({"auc": 0.5}, [(1, {"auc": 0.5})]),
        ([{"step": 3, "auc": 0.5}, {"auc": 0.25}, "x"], [(3, {"auc": 0.5}), (2, {"auc": 0.25})]),
        ({"auc": [0.5, None, 0.25]}, [(1, {"auc": 0.5}), (3, {"auc": 0.25})]),
        ({"auc": [0.5, 0.25], "step": [10, 20]}, [(10, {"auc": 0.5}), (20, {"auc": 0.25})]),
        ({"loss": 1}, []),
        ([], []),
        (3, []),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_points_of_a_document(document, text, points, indent):
    source, found = read(document, json.dumps(text, indent=indent))
    assert (found, source.damaged) == (points, 0)


def test_a_jsonpath_with_several_matches_is_a_list_of_values(document):
    text = json.dumps({"history": [{"auc": 0.5}, {"auc": 0.25}]})
    _, points = read(document, text, "$.history[*].auc")
    assert [values["$.history[*].auc"] for _, values in points] == [0.5, 0.25]


def test_a_rewritten_document_gives_what_is_new_or_different(document):
    source = JsonSource(document, ["auc"])
    found = []
    for auc in (0.5, 0.5, 0.75):
        document.write_text(json.dumps({"auc": auc, "time": len(found)}))
        found += source.poll() + source.poll()
    document.write_text(json.dumps([{"auc": 0.75}, {"auc": 0.25}]))
    found += source.poll()
    document.write_text(json.dumps([{"auc": 0.75}, {"auc": 0.25}, {"auc": 0.125}]))
    found += source.poll()
    assert [(point.step, point.values["auc"]) for point in found] == [
        (1, 0.5),
        (2, 0.5),
        (3, 0.75),
        (1, 0.75),
        (2, 0.25),
        (3, 0.125),
    ]


def test_a_document_that_says_the_same_again_is_not_news(document):
    source = JsonSource(document, ["auc"])
    document.write_text('{"step": 1, "auc": NaN, "time": 10}')
    assert len(source.poll()) == 1
    document.write_text('{"step": 1, "auc": NaN, "time": 11}')
    assert source.poll() + source.finish() == []


def test_an_unchanged_document_costs_one_stat(document, monkeypatch):
    document.write_text('{"auc": 1}')
    source = JsonSource(document, ["auc"])
    source.poll()
    monkeypatch.setattr(Path, "open", None)
    assert source.poll() == []


def test_a_half_written_document_waits(document):
    source = JsonSource(document, ["auc"])
    document.write_text('{\n  "auc": 0.')
    assert source.poll() == []
    document.write_text('{\n  "auc": 0.5\n}')
    assert [point.values for point in source.poll()] == [{"auc": 0.5}]
    assert source.damaged == 0


def test_a_document_that_stays_half_written_is_damage_in_the_end(document, caplog):
    source, points = read(document, '{"auc": 0.')
    assert (points, source.damaged) == ([], 1)
    assert "is no JSON document" in caplog.text


def test_a_document_replaced_within_one_tick_of_the_clock_is_read_in_the_end(document, tmp_path):
    import os

    document.write_text('{"auc": 1}')
    source = JsonSource(document, ["auc"])
    source.poll()
    status = document.stat()
    document.write_text('{"auc": 2}')
    os.utime(document, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [point.values for point in source.finish()] == [{"auc": 2.0}]


def test_an_atomic_rename_is_noticed(document, tmp_path):
    source = JsonSource(document, ["auc"])
    for auc in (1, 2):
        (tmp_path / "new").write_text(json.dumps({"auc": auc}))
        (tmp_path / "new").replace(document)
        assert [point.values for point in source.poll()] == [{"auc": auc}]


def test_lines_are_known_by_their_content_and_none_comes_twice(document, append):
    source = JsonSource(document, ["auc"])
    found = source.poll()
    for auc in (1, 2, 3):
        append(document, f'{{"auc": {auc}}}\n'.encode())
        found += source.poll()
    append(document, b'{"auc": 4}')
    found += source.poll() + source.finish()
    assert [(point.step, point.values["auc"]) for point in found] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
    ]


def test_lines_are_known_in_spite_of_a_damaged_first_one(document):
    source, points = read(document, 'starting\n{"auc": 1}\n{"auc": 2}\n')
    assert ([step for step, _ in points], source.damaged) == ([1, 2], 1)


def test_a_half_written_list_is_not_taken_for_lines(document):
    source = JsonSource(document, ["auc"])
    document.write_text('{"history": [\n  {"auc": 1},\n  {"auc": 2}\n')
    assert source.poll() == []
    document.write_text('{"history": [\n  {"auc": 1},\n  {"auc": 2}\n]}')
    assert source.poll() == []
    assert set(source.seen) == {"history[0].auc", "history[1].auc"}


def test_a_giant_document_is_damage(document, monkeypatch):
    monkeypatch.setattr(json_source, "MAX_DOCUMENT_BYTES", 100)
    source, points = read(document, json.dumps({"auc": 1, "x": "y" * 200}))
    assert points == []
    assert source.damaged >= 1


def test_what_cannot_be_read_is_logged_once_and_raises_nothing(document, caplog):
    document.mkdir()
    source = JsonSource(document, ["auc"])
    assert source.poll() + source.poll() + source.finish() == []
    assert source.account() == f"{document} cannot be read: Is a directory"
    assert len(caplog.records) == 1


def test_a_file_that_does_not_exist_has_no_points(document):
    source = JsonSource(document, ["auc"])
    assert source.poll() + source.finish() == []
    assert source.account() == f"{document} does not exist"


def test_no_byte_of_lines_is_read_twice(lines, append, reads):
    source = JsonLinesSource(lines, ["auc"])
    for step in range(10):
        append(lines, f'{{"auc": {step}}}\n'.encode())
        source.poll()
    source.finish()
    assert sum(end - start for start, end in reads) == lines.stat().st_size


RECORDS = st.lists(
    st.sampled_from(['{"auc": 0.5}', '{"step": 7, "auc": 1, "loss": NaN}', "{}", "bad", "", "漢"]),
    max_size=15,
)


@settings(max_examples=50, deadline=None)
@given(RECORDS, st.lists(st.integers(0, 300), max_size=10))
def test_however_polls_fall_each_line_comes_once(append, pieces, rows, places):
    data = "\n".join(rows).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_bytes(data)
        whole = JsonLinesSource(path, ["auc", "loss"]).finish()
        path.unlink()
        source = JsonLinesSource(path, ["auc", "loss"])
        found = []
        for piece in pieces(data, places):
            append(path, piece)
            found += source.poll()
        found += source.finish()
    assert repr(found) == repr(whole)


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=100), st.text('[]{}":,.0123aeu\n', max_size=80)))
def test_garbage_raises_nothing(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.json"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        source = JsonSource(path, ["a", "a.e"])
        source.poll()
        source.finish()
        source.account()
