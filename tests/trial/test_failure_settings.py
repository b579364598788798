from __future__ import annotations

import pytest

from hpo_nni.failures import FailureKind, Rule, Where

SMALL = """\
[platform_config]
name=local
cmd1=true
[metric_config]
metric_type=stdout
metric_dict={'auc=([0-9.]+)': 1}
[failure_config]
"""


def test_a_file_without_the_section_has_defaults(ini):
    failures = ini.load(SMALL.partition("[failure")[0]).failures

    assert (failures.rules, failures.retries, failures.pause_after) == ((), 3, 3)


def test_rows_keep_the_order_of_the_file_whatever_their_class(ini):
    text = SMALL + (
        "user_1 = log: license .* expired\n"
        "transient_nccl = NCCL error # 3\n"
        "infeasible = exit: 77, 78\n"
        "transient_2 = message: (?i)try again\n"
        "retries = 0\n"
        "retry_seconds = 0.5\n"
        "pause_after = 5\n"
    )

    failures = ini.load(text).failures

    where = [f"trial.ini:{line} [failure_config] " for line in range(8, 12)]
    assert failures.rules == (
        Rule(FailureKind.USER, Where.LOG, "license .* expired", where[0] + "user_1"),
        Rule(FailureKind.TRANSIENT, Where.LOG, "NCCL error # 3", where[1] + "transient_nccl"),
        Rule(FailureKind.INFEASIBLE, Where.EXIT, "77, 78", where[2] + "infeasible"),
        Rule(FailureKind.TRANSIENT, Where.MESSAGE, "(?i)try again", where[3] + "transient_2"),
    )
    assert (failures.retries, failures.retry_seconds, failures.pause_after) == (0, 0.5, 5)


def test_a_file_that_several_share_comes_after_the_own_rows(ini):
    (ini.path.parent / "ours.ini").write_text("[failure_config]\nuser_1 = exit: 9\n")

    rules = ini.load(SMALL + "rules_file = ours.ini\ninfeasible = exit: 9\n").failures.rules

    assert [rule.kind for rule in rules] == [FailureKind.INFEASIBLE, FailureKind.USER]
    assert rules[1].why == "ours.ini:2 [failure_config] user_1"


FAULTS = {
    "user = x(": "user: 'x(' is no regular expression",
    "user = exit: no": "user: 'no' is no exit code",
    "user = log:": "user: the pattern is missing",
    "retries = many": "retries: 'many' is not a whole number of at least 0",
    "retry_seconds = soon": "retry_seconds: 'soon' is not a number of seconds",
    "pause_after = -1": "pause_after: '-1' is not a whole number of at least 0",
    "rules_file = none.ini": "rules_file: the trial's settings cannot be read: No such file",
    "rules_file = wrong.ini": "rules_file: wrong.ini:2 [failure_config] retries: only rows",
    "rules_file = empty.ini": "rules_file: empty.ini: the section [failure_config] is missing",
    "usr = x": "[failure_config] has no key 'usr'",
}


@pytest.mark.parametrize("line, fault", FAULTS.items())
def test_faults_have_their_place(ini, line, fault):
    (ini.path.parent / "wrong.ini").write_text("[failure_config]\nretries = 1\n")
    (ini.path.parent / "empty.ini").write_text("\n")

    (problem,) = ini.problems(SMALL + line + "\n")

    assert problem.startswith("trial.ini:8 [failure_config] ")
    assert fault in problem
