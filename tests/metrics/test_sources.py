from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.metrics import SOURCES, find_problems, open_source
from hpo_nni.metrics.csv_source import CsvSource
from hpo_nni.metrics.events import EventSource
from hpo_nni.metrics.json_source import JsonLinesSource, JsonSource
from hpo_nni.metrics.stdout import StdoutSource


@pytest.mark.parametrize(
    "kind, name, options, expected",
    [
        ("summary", "eval_val", {}, EventSource),
        ("SUMMARY", "eval_val", {"step_key": ""}, EventSource),
        ("stdout", "log", {"step_regex": r"step (\d+)"}, StdoutSource),
        ("json", "metrics.json", {"step_key": "it"}, JsonSource),
        ("json", "metrics.jsonl", {}, JsonLinesSource),
        ("csv", "metrics.csv", {"step_key": "it"}, CsvSource),
    ],
)
def test_each_kind_opens_its_source(tmp_path, kind, name, options, expected):
    source = open_source(kind, [tmp_path / name], ["auc"], options)
    assert isinstance(source, expected)
    assert source.poll() + source.finish() == []


@pytest.mark.parametrize(
    "kind, metrics, options, where, message, hint",
    [
        ("cable", ["auc"], {}, "metric_type", "no kind of source 'cable'", "mean 'table'"),
        ("sumary", ["auc"], {}, "metric_type", "no kind of source 'sumary'", "mean 'summary'"),
        ("table", ["auc"], {"step_regex": "(a)"}, "step_regex", "means nothing", "type = stdout"),
        ("api", ["auc"], {}, "metric_type", "'api' is not there yet", "come with the platforms"),
        ("stdout", ["a(b"], {}, "metric_dict", "not a regular expression", "a backslash"),
        ("stdout", ["auc"], {"step_regex": "[0-9]"}, "step_regex", "has no group", "parentheses"),
        ("json", ["$.["], {}, "metric_dict", "is no JSONPath", "as in $.eval.auc"),
        ("csv", ["auc"], {"step_regex": "(a)"}, "step_regex", "means nothing", "type = stdout"),
        ("summary", ["auc"], {"step_key": "a"}, "step_key", "means nothing", "csv or json or"),
        ("csv", ["auc"], {"stepkey": "a"}, "stepkey", "means nothing", "'step_key'"),
    ],
)
def test_a_fault_in_the_settings_says_where_and_what_next(
    *, kind, metrics, options, where, message, hint
):
    [problem] = find_problems(kind, metrics, options)
    assert problem.where == where
    assert message in problem.message
    assert hint in problem.hint


def test_all_faults_come_at_once():
    with pytest.raises(SettingsError) as caught:
        open_source("stdout", [Path("log")], ["a(", "b)"], {"step_key": "x", "step_regex": "y["})
    assert [problem.where for problem in caught.value.problems] == [
        "step_key",
        "metric_dict",
        "metric_dict",
        "step_regex",
    ]


def test_every_kind_in_the_table_exists():
    for name in SOURCES.names():
        assert callable(SOURCES.load(name).open)


def test_several_files_are_one_source_and_positions_are_counted_in_each(tmp_path):
    paths = [tmp_path / "stdout", tmp_path / "stderr", tmp_path / "absent"]
    paths[0].write_bytes(b"auc=0.1\nauc=0.2\n")
    paths[1].write_bytes(b"loss=1\nloss=high\nloss=2")
    source = open_source("stdout", paths, ["auc", r"loss=(\w+)"], {})
    points = source.poll() + source.finish()
    assert [(point.step, dict(point.values)) for point in points] == [
        (1, {"auc": 0.1}),
        (2, {"auc": 0.2}),
        (1, {r"loss=(\w+)": 1.0}),
        (2, {r"loss=(\w+)": 2.0}),
    ]
    assert source.damaged == 1
    assert list(source.seen) == ["auc", "loss", r"loss=(\w+)"]
    assert source.account() == (
        f"{paths[0]} has 2 line(s); {paths[1]} has 3 line(s); {paths[2]} does not exist"
    )


def test_no_files_at_all_is_a_source_without_points():
    source = open_source("stdout", [], ["auc"], {})
    assert source.poll() + source.finish() == []
    assert source.account() == "there are no files"
