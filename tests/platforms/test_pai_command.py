from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import CommandSyntaxError
from hpo_nni.platforms.pai_command import (
    XFlow,
    format_pai_command,
    is_pai_command,
    parse_pai_command,
    xflow_from_pairs,
)

CLUSTER = '{"ps":{"count":1,"cpu":1000 },"worker":{"count":3,"cpu":1000,"gpu":100,"memory":40000}}'
SEED = f"""
-name=easy_rec_ext
-project=algo_public
-Dversion="0.4.2"
-Dconfig=oss://lcl-bj/eval_test/easyrec_model.config
-Dcmd=train
-Dtrain_tables=odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_train_10000
-Deval_tables=odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_test_1000/dt={{eval_ymd}}
-Dcluster={CLUSTER}
-Darn=xxx
-Dbuckets=oss://lcl-bj/
-Dmodel_dir=oss://lcl-bj/eval_dist_test/
-DossHost=oss-cn-beijing-internal.aliyuncs.com
-Deval_method=separate
"""
PAIRS = [tuple(line.split("=", 1)) for line in SEED.strip().splitlines()]
EXPECTED = XFlow(
    "easy_rec_ext",
    "algo_public",
    {
        "version": "0.4.2",
        "config": "oss://lcl-bj/eval_test/easyrec_model.config",
        "cmd": "train",
        "train_tables": "odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_train_10000",
        "eval_tables": "odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_test_1000/dt={eval_ymd}",
        "cluster": CLUSTER,
        "arn": "xxx",
        "buckets": "oss://lcl-bj/",
        "model_dir": "oss://lcl-bj/eval_dist_test/",
        "ossHost": "oss-cn-beijing-internal.aliyuncs.com",
        "eval_method": "separate",
    },
)


@pytest.mark.parametrize(
    "command",
    [
        "PAI" + SEED,
        "pai" + SEED.replace("\n", " \\\n  ").removesuffix("\\\n  ") + ";",
        "PAI" + SEED.replace("\n", "\r\n") + " ; \n",
        "PAI" + SEED.replace(f"cluster={CLUSTER}", f"cluster='{CLUSTER}'").replace("\n", "\t"),
        "PAI" + SEED.replace("-name=", "-name  ").replace("-project=", "-project "),
        "PAI" + SEED.replace(CLUSTER, '"' + CLUSTER.replace('"', '\\"') + '"'),
    ],
)
def test_all_ways_to_write_the_seeds_job_are_one_job(command):
    assert parse_pai_command(command) == EXPECTED


def test_pairs_of_an_old_ini_are_the_same_job():
    assert xflow_from_pairs(PAIRS) == EXPECTED


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a", "a"),
        ("''", ""),
        ("a=b=c", "a=b=c"),
        ("dt={eval_ymd}", "dt={eval_ymd}"),
        ("'a b'", "a b"),
        ("'a \"b\" \\ c'", 'a "b" \\ c'),
        ('"a \\"b\\" \\\\ \\n"', 'a "b" \\ \\n'),
        ("pre'fix 1'\"-2\"", "prefix 1-2"),
        ('{"a": "} x", "b": [1, {}]}', '{"a": } x, "b": [1, {}]}'.replace("} x", '"} x"')),
        ('{\n  "a": 1\n}', '{\n  "a": 1\n}'),
        ("[1, 2]", "[1, 2]"),
        ("c:\\d", "c:\\d"),
        ("odps://a,odps://b", "odps://a,odps://b"),
        ("k;l", "k;l"),
        ("表/dt=1", "表/dt=1"),
    ],
)
@pytest.mark.parametrize("behind", ["", " -Dlast=1", " \\\n -Dlast=1;", ";"])
def test_values_end_where_they_should(written, value, behind):
    found = parse_pai_command(f"PAI -name=a -project=b -Dx={written}{behind}")

    assert found.parameters["x"] == value
    assert ("last" in found.parameters) == ("last" in behind)


@pytest.mark.parametrize(
    ("command", "line", "column", "fact"),
    [
        ("select 1", 1, 1, "begins with PAI"),
        ("PAI", 1, 4, "-name and -project is missing"),
        ("PAI -name=a", 1, 12, "-project is missing"),
        ("PAI -name=a\n  -project=b\n  -Dx=1\n  oops=2", 4, 3, "expected -name="),
        ("PAI -name=a -project=b -Dx=1 2", 1, 30, "expected -name="),
        ("PAI -name=a -project=b -Dx 1", 1, 28, "expected '=' after -Dx"),
        ("PAI -name=a -project=b -Dx= -Dy=1", 1, 28, "a value is missing"),
        ("PAI -name=a -project=b -Dx=", 1, 28, "a value is missing"),
        ("PAI -name=a -project=b -Dx='1", 1, 28, "never closed"),
        ('PAI -name=a -project=b -Dx={"a": {1}', 1, 28, "never closed"),
        ('PAI -name=a -project=b -Dx={"a": 1]', 1, 35, "closes nothing"),
        ("PAI -name=a -project=b -Dx=1 -Dx=2", 1, 30, "there twice"),
        ("PAI -name=a -project=b; PAI -name=c -project=d", 1, 25, "expected -name="),
        ("PAI -name=a -project=b -cost=3", 1, 24, "expected -name="),
    ],
)
def test_faults_have_a_place_and_a_caret(command, line, column, fact):
    with pytest.raises(CommandSyntaxError, match=fact) as caught:
        parse_pai_command(command)

    assert (caught.value.line, caught.value.column) == (line, column)
    shown, caret = caught.value.message.splitlines()[-2:]
    assert shown.strip() in command
    assert caret.index("^") - 4 == column - 1


def test_caret_is_shown_in_the_middle_of_a_very_long_line():
    command = f"PAI -name=a -project=b -Dx={'x' * 300} oops -Dy=1"

    with pytest.raises(CommandSyntaxError) as caught:
        parse_pai_command(command)

    shown, caret = caught.value.message.splitlines()[-2:]
    assert shown[caret.index("^") :].startswith("oops")


@pytest.mark.parametrize(
    ("pairs", "fact"),
    [
        ([("-name", "a")], "-project is missing"),
        ([("name", "a"), ("-project", "b"), ("Dx", "1")], ""),
        ([("-name", "a"), ("-project", "b"), ("version", "1")], "'version' is no option of PAI"),
        ([("-name", "a"), ("-project", "b"), ("-Dx", "1"), ("-Dx", "2")], "-Dx is there twice"),
    ],
)
def test_faults_of_pairs(pairs, fact):
    if not fact:
        assert xflow_from_pairs(pairs) == XFlow("a", "b", {"x": "1"})
        return
    with pytest.raises(CommandSyntaxError, match=fact):
        xflow_from_pairs(pairs)


def test_sql_is_not_a_pai_command():
    assert not is_pai_command("select * from pai")
    assert not is_pai_command("paint it black")
    assert is_pai_command("\n  Pai\n-name=x")


NAMES = st.text(string.ascii_letters, min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    "'\"\\{}[];= \n-aD,", max_size=12
)


@settings(max_examples=150)
@given(NAMES, NAMES, st.dictionaries(NAMES, TEXTS, max_size=4))
def test_what_is_printed_is_read_back(name, project, parameters):
    xflow = XFlow(name, project, parameters)

    assert parse_pai_command(format_pai_command(xflow)) == xflow
    assert parse_pai_command(f"{xflow};") == xflow


@settings(max_examples=150)
@given(st.text("PAI -namepro=D'\"{}[]\\;\n", max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(CommandSyntaxError):
        assert parse_pai_command("PAI -name=a -project=b -Dx=" + text).name == "a"
