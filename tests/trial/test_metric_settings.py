from __future__ import annotations

import pytest

from hpo_nni.direction import Direction
from hpo_nni.metrics import FinalMode, Policy
from hpo_nni.trial.settings import Substitutions

HEAD = "[platform_config]\nname=local\ncmd1=true\ncmd2=true\n[metric_config]\n"
GOOD = "metric_type=summary\nmetric_source=${NNI_OUTPUT_DIR}\nmetric_dict={'auc': 1}\n"


def test_what_is_not_said_has_defaults(ini) -> None:
    metrics = ini.load(HEAD + GOOD).metrics

    assert metrics.kind == "summary"
    assert metrics.direction is Direction.MAXIMIZE
    assert metrics.final_mode is FinalMode.BEST
    assert metrics.source_list_final_mode is FinalMode.BEST
    assert metrics.nonfinite_policy is Policy.FAIL
    assert metrics.missing_policy is Policy.SKIP
    assert (metrics.report_interval, metrics.poll_interval) == (1.0, 1.0)
    assert metrics.lines["metric_dict"] == 8


def test_everything_can_be_said(ini) -> None:
    metrics = ini.load(
        HEAD + "metric_type = JSON\n"
        "metric_source_1 = ${NNI_OUTPUT_DIR}/a.jsonl\nmetric_source_2 = /x/${trial_id}.jsonl\n"
        "metric_dict = {'auc': 0.75, 'loss': -0.25, 'latency': 0}  # weights\n"
        "final_mode = Final  # the last\nsource_list_final_mode = avg\noptimize_mode = MINIMIZE\n"
        "nonfinite_policy = worst\nmissing_policy = fail\n"
        "report_interval = 10\npoll_interval = 0.5\nstep_key = global_step\n"
    ).metrics

    assert metrics.kind == "json"
    assert metrics.sources == (
        ("metric_source_1", str(ini.path.parent / "out" / "a.jsonl")),
        ("metric_source_2", "/x/tr1.jsonl"),
    )
    assert metrics.weights == {"auc": 0.75, "loss": -0.25, "latency": 0.0}
    assert metrics.direction is Direction.MINIMIZE
    assert metrics.final_mode is FinalMode.FINAL
    assert metrics.source_list_final_mode is FinalMode.AVG
    assert (metrics.nonfinite_policy, metrics.missing_policy) == (Policy.WORST, Policy.FAIL)
    assert (metrics.report_interval, metrics.poll_interval) == (10.0, 0.5)
    assert metrics.step_key == "global_step"


def test_the_mode_over_several_sources_is_that_over_values_unless_said(ini) -> None:
    metrics = ini.load(HEAD + GOOD + "final_mode=avg\n").metrics

    assert metrics.source_list_final_mode is FinalMode.AVG


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", [("metric_source", "cmd1")]),
        ("metric_source=cmd2", [("metric_source", "cmd2")]),
        ("metric_source=cmd", [("metric_source", "cmd1")]),
        ("metric_source=/x/${trial_id}/log", [("metric_source", "/x/tr1/log")]),
        (
            "metric_source_b=cmd2\nmetric_source_a=cmd1",
            [("metric_source_b", "cmd2"), ("metric_source_a", "cmd1")],
        ),
    ],
)
def test_standard_output_is_that_of_a_step(ini, source: str, expected) -> None:
    text = "metric_type=stdout\nmetric_dict={'accuracy=([0-9\\\\.]+)': 1}\n"

    metrics = ini.load(f"{HEAD}{text}{source}\n").metrics

    assert list(metrics.sources) == expected
    assert list(metrics.weights) == [r"accuracy=([0-9\.]+)"]


@pytest.mark.parametrize("text", ["{'a=([0-9\\.]+)': 1}", '{"a=([0-9\\\\.]+)": 1}'])
def test_regular_expressions_may_be_written_with_one_backslash_or_as_json(ini, text: str) -> None:
    metrics = ini.load(f"{HEAD}metric_type=stdout\nmetric_dict={text}\n").metrics

    assert list(metrics.weights) == [r"a=([0-9\.]+)"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("metric_type=summary\n", "", "[metric_config]: metric_type is missing"),
        ("=summary", "=sumary", "trial.ini:6 [metric_config] metric_type: there is no kind"),
        ("=summary", "=table", "metric_type=table takes a statement that selects"),
        ("=summary", "=api", "'api' is not there yet"),
        ("metric_source=${NNI_OUTPUT_DIR}\n", "", "metric_source is missing"),
        ("${NNI_OUTPUT_DIR}", "", "metric_source: a path is missing"),
        ("${NNI_OUTPUT_DIR}", "oss://b/${trial_id}", "needs a section [oss_config]"),
        ("${NNI_OUTPUT_DIR}", "nosuch://b/${trial_id}", "nobody knows how to reach nosuch://b/tr1"),
        (
            "summary\nmetric_source=${NNI_OUTPUT_DIR}",
            "csv\nmetric_source=memory://${trial_id}",
            "of csv",
        ),
        ("metric_dict={'auc': 1}\n", "", "trial.ini:5 [metric_config]: metric_dict is missing"),
        ("{'auc': 1}", "", "trial.ini:8 [metric_config] metric_dict: metric_dict is missing"),
        ("{'auc': 1}", "{'auc': 1", "bracket { that opens this value is never closed"),
        ("{'auc': 1}", "{auc: 1}", "it holds more than strings and numbers"),
        ("{'auc': 1}", "__import__('os')", "it holds more than strings and numbers"),
        ("{'auc': 1}", "['auc']", "expected a dictionary with at least one metric"),
        ("{'auc': 1}", "{}", "expected a dictionary with at least one metric"),
        ("{'auc': 1}", "{'auc': '1'}", "'auc': '1' is not a metric with a number"),
        ("{'auc': 1}", "{'auc': True}", "'auc': True is not a metric with a number"),
        ("{'auc': 1}", "{'auc': 1e999}", "'auc': inf is not a metric with a number"),
        ("{'auc': 1}", "{1: 1}", "1: 1 is not a metric with a number"),
        ("{'auc': 1}", "{'auc': 0}", "all weights are 0"),
        ("metric_dict={'auc': 1}", "auc=1", "metric_dict={'auc': 1}"),
        ("{'auc': 1}", "{'auc': 1}\nfinal_mode=bets", "did you mean 'best'?"),
        ("{'auc': 1}", "{'auc': 1}\noptimize_mode=max", "'max' is not one of maximize, minimize"),
        ("{'auc': 1}", "{'auc': 1}\nmissing_policy=x", "'x' is not one of fail, worst, skip"),
        ("{'auc': 1}", "{'auc': 1}\nfinal_modes=best", "did you mean 'final_mode'"),
        ("{'auc': 1}", "{'auc': 1}\npoll_interval=fast", "'fast' is not a number of seconds"),
        ("{'auc': 1}", "{'auc': 1}\nreport_interval=nan", "'nan' is not a number of seconds"),
        ("{'auc': 1}", "{'auc': 1}\nstep_regex=(x)", "step_regex"),
    ],
)
def test_each_fault_says_what_and_where(ini, old: str, new: str, problem: str) -> None:
    assert problem in "\n".join(ini.problems(HEAD + GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("cmd3", "there is no step 'cmd3'"),
        ("cmd1,worker", "none of a role 'worker'"),
    ],
)
def test_faults_of_standard_output(ini, source: str, problem: str) -> None:
    text = f"{HEAD}metric_type=stdout\nmetric_source={source}\nmetric_dict={{'a=(.)': 1}}\n"

    (found,) = ini.problems(text)

    assert problem in found


def test_a_bad_regular_expression_is_a_fault_of_metric_dict(ini) -> None:
    (found,) = ini.problems(f"{HEAD}metric_type=stdout\nmetric_dict={{'a=([0-9': 1}}\n")

    assert found.startswith("trial.ini:7 [metric_config] metric_dict")


TABLE = "metric_type=table\nmetric_dict={'auc': 1}\nmetric_source="
SELECT = "select step, auc from evals where trial='${trial_id}'"
ODPS = """
[odps_config]
project_name=p
odps_endpoint=http://x/api
access_id=env:A
access_key=env:B
"""


@pytest.mark.parametrize("begin", ["", "-- by step\n  ", "set odps.a=b;\n  ", "  "])
def test_a_statement_is_a_source_whatever_stands_in_front(ini, begin) -> None:
    settings = ini.load(HEAD + TABLE + begin + SELECT + ODPS)

    ((_, statement),) = settings.metrics.sources
    assert statement.endswith("where trial='tr1'")
    assert settings.metrics.poll_interval == 10.0
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TABLE + SELECT, "tables are asked with an account: [odps_config] is missing"),
        (TABLE + "insert into t values (1)" + ODPS, "takes a statement that selects"),
        (TABLE + "drop table selects" + ODPS, "takes a statement that selects"),
        ("metric_type=table\nmetric_dict={'auc': 1}\n" + ODPS, "metric_source is missing"),
        (TABLE + "select ${no} from t" + ODPS, "nothing is known of ${no}"),
    ],
)
def test_each_fault_of_a_table_says_what(ini, text, problem) -> None:
    assert problem in "\n".join(ini.problems(HEAD + text))


def test_a_value_cannot_become_sql(ini) -> None:
    words = Substitutions("e", "t", ini.path.parent, {"tag": "x' or '1'='1"})
    text = HEAD + TABLE + "select auc from t where tag='${tag}'" + ODPS

    assert "does not stay one value in SQL" in "\n".join(ini.problems(text, words))


def test_a_statement_that_all_trials_share_is_warned_of(ini) -> None:
    warnings = ini.load(HEAD + TABLE + "select auc from t" + ODPS).warnings

    assert "all trials read the same rows" in warnings[0]
