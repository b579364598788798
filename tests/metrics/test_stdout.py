from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import MetricError
from hpo_nni.metrics.stdout import NumberPattern, StdoutSource

ACCURACY = r"validation: accuracy=([0-9\.]+)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stdout.log"


def read(path: Path, text: str | bytes, *metrics: str, **options: str):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = StdoutSource(path, metrics or (ACCURACY,), **options)
    points = source.poll() + source.finish()
    return source, [(point.step, dict(point.values)) for point in points]


@pytest.mark.parametrize(
    "key, line, numbers",
    [
        (ACCURACY, "validation: accuracy=0.91, loss=3", ["0.91"]),
        (ACCURACY, "validation: accuracy=9.5e-05", ["9.5e-05"]),
        (ACCURACY, "validation: accuracy=nan", ["nan"]),
        (ACCURACY, "validation: accuracy=-inf", ["-inf"]),
        (ACCURACY, "validation: accuracy=0.91.", ["0.91"]),
        (ACCURACY, "validation: accuracy=unknown", []),
        (ACCURACY, "validation: accuracy=information", []),
        (r"loss: (\d+)\.", "loss: 12.", ["12"]),
        (r"loss: (\d+)%", "loss: 12%", ["12"]),
        (r"(?:best|last) auc \((?P<value>\S+)\) at (\d+)", "best auc (0.5) at 3", ["0.5"]),
        (r"auc=(?P<auc>[0-9.]+)", "auc=1e-3", ["1e-3"]),
        (r"\(auc[(]\]*=([0-9.]+)", "(auc(=0.5", ["0.5"]),
        (r"(?i)AUC=([0-9.]+)", "auc=0.5", ["0.5"]),
        (r"(?#a (comment)auc=([0-9.]+)", "auc=0.5", ["0.5"]),
        (r"auc(?:=([0-9.]+))?", "auc auc=0.5", ["0.5"]),
        ("accuracy", "val accuracy: 0.5 accuracy 0.25", ["0.5", "0.25"]),
        ("accuracy", "val_accuracy: 0.5 accuracy_top5=1 accuracy = .75", [".75"]),
        ("accuracy", '{"accuracy": 0.5}', ["0.5"]),
        ("ndcg@10", "ndcg@100=0.1 ndcg@10=0.2", ["0.2"]),
        ("a=b", "a=b=0.5", ["0.5"]),
    ],
)
def test_the_numbers_that_a_key_finds_in_a_line(key, line, numbers):
    assert NumberPattern(key).find(line) == numbers


@pytest.mark.parametrize(
    "key, message, hint",
    [
        ("accuracy=[0-9.]+", "no group that holds the number", "put parentheses round the number"),
        ("accuracy=([0-9.]+", "not a regular expression", "a backslash takes it away"),
        (r"(\w+)=([0-9.]+)", "has 2 groups, and none of them is named 'value'", "(?P<value>...)"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(key, message, hint):
    with pytest.raises(MetricError) as caught:
        NumberPattern(key)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_bad_expression_has_a_caret_under_the_fault():
    with pytest.raises(MetricError) as caught:
        NumberPattern("auc=*(+)")
    _, key, caret = caught.value.message.splitlines()
    assert key[caret.index("^")] == "+"


def test_the_kth_match_of_a_metric_is_step_k(path):
    text = "start\nauc=0.1 loss=3\nauc=0.2\nnothing\nloss=2\nauc=0.3\n"
    _, points = read(path, text, r"auc=([0-9.]+)", r"loss=([0-9.]+)")
    assert points == [
        (1, {r"auc=([0-9.]+)": 0.1, r"loss=([0-9.]+)": 3.0}),
        (2, {r"auc=([0-9.]+)": 0.2}),
        (2, {r"loss=([0-9.]+)": 2.0}),
        (3, {r"auc=([0-9.]+)": 0.3}),
    ]


def test_several_matches_in_one_line_all_count(path):
    _, points = read(path, "auc=0.1 auc=0.2\n", "auc")
    assert points == [(1, {"auc": 0.1}), (2, {"auc": 0.2})]


def test_a_step_expression_says_the_step_of_its_line_and_those_below(path):
    text = "auc=0.1\nEpoch 5: auc=0.2\nloss=1\nEpoch 1e1\nauc=0.3\n"
    _, points = read(path, text, "auc", "loss", step_regex=r"Epoch (\d+)")
    assert points == [
        (0, {"auc": 0.1}),
        (5, {"auc": 0.2}),
        (5, {"loss": 1.0}),
        (10, {"auc": 0.3}),
    ]


def test_a_step_that_is_no_whole_number_is_damage(path):
    source, points = read(path, "epoch 0.5 auc=0.1\n", "auc", step_regex=r"epoch (\S+)")
    assert (points, source.damaged) == ([(0, {"auc": 0.1})], 1)


def test_not_a_number_and_infinity_are_values(path):
    _, points = read(path, "auc=nan\nauc=-inf\n", r"auc=([0-9.]+)")
    values = [value for _, found in points for value in found.values()]
    assert math.isnan(values[0])
    assert values[1] == -math.inf


def test_a_match_that_is_no_number_is_damage(path, caplog):
    source, points = read(path, "auc=high\nauc=0.5\n", r"auc=(\w+)")
    assert (points, source.damaged) == ([(1, {r"auc=(\w+)": 0.5})], 1)
    assert "line 1: 'high'" in caplog.text


def test_each_state_of_a_progress_bar_counts(path):
    _, points = read(path, "\r10% auc=0.1\r50% auc=0.2\r\nauc=0.3\r\n", "auc")
    assert [values["auc"] for _, values in points] == [0.1, 0.2, 0.3]


def test_colours_and_broken_utf8_do_not_hide_a_number(path):
    text = b"\x1b[1mauc\x1b[0m=\x1b[32m0.5\x1b[0m\n"
    text += b"\xff\xfe auc=0.25 \xe6\xbc\n\xe7\xb2\xbe auc=0.125\n"
    _, points = read(path, text, "auc")
    assert [values["auc"] for _, values in points] == [0.5, 0.25, 0.125]


def test_a_last_line_without_end_waits_for_the_end_of_the_job(path, append):
    source = StdoutSource(path, ["auc"])
    append(path, b"auc=0.1\nauc=0.")
    assert [point.values for point in source.poll()] == [{"auc": 0.1}]
    assert source.poll() == []
    append(path, b"25")
    assert source.poll() == []
    assert [point.values for point in source.finish()] == [{"auc": 0.25}]


def test_an_endless_line_is_searched_in_its_beginning_and_reported(path):
    source, points = read(path, "auc=0.5" + " " * 100_000 + "auc=0.25\nauc=0.125\n", "auc")
    assert [values["auc"] for _, values in points] == [0.5, 0.125]
    assert source.damaged == 1


def test_a_restarted_log_goes_on_counting(path, append):
    source = StdoutSource(path, ["auc"])
    append(path, b"auc=0.1\nauc=0.2\nauc=0.9")
    source.poll()
    path.write_bytes(b"auc=0.3\n")
    assert source.poll() == [(3, {"auc": 0.3}, None)]


def test_what_looks_like_a_metric_is_seen(path):
    source, points = read(path, 'step 3: val_acc=0.5 lr: 1e-3 {"f1": 2}\nname=x\n')
    assert points == []
    assert list(source.seen) == ["val_acc", "lr", "f1"]
    assert source.account() == f"{path} has 2 line(s)"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(["auc=0.5", "auc=nan loss=1e-5", "x", "\r", "漢字 auc=1", "epoch 3", "\n"]),
        max_size=20,
    ),
    st.lists(st.integers(0, 300), max_size=10),
    st.sampled_from(["", r"epoch (\d+)"]),
)
def test_however_polls_fall_each_point_comes_once(append, pieces, rows, places, step_regex):
    data = "\n".join(rows).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(data)
        whole = StdoutSource(path, ["auc", "loss"], step_regex=step_regex).finish()
        path.unlink()
        source = StdoutSource(path, ["auc", "loss"], step_regex=step_regex)
        found = []
        for piece in pieces(data, places):
            append(path, piece)
            found += source.poll()
        found += source.finish()
    assert repr(found) == repr(whole)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_raises_nothing(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(data)
        source = StdoutSource(path, [r"(.+)", "auc"], step_regex="(.)")
        source.poll()
        source.finish()
