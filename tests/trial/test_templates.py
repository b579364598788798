from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import SettingsError
from hpo_nni.trial.calendar import Calendar, Unit
from hpo_nni.trial.ini import split_lines
from hpo_nni.trial.templates import asks_for_days, render


def rendered(text: str) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in render(text, "trial.ini")]


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        render(text, "trial.ini")
    return [str(problem) for problem in caught.value.problems]


LOOP = """\
[platform_config]
{% set days = [20220629, 20220630] %}
{% for day in days %}
  cmd_{{ day }} = train --day {{ day }} \\
      --test {{ day | add_days(1) }}
{# not seen #}
{% endfor %}

[metric_config]
key = {{ days | length }}
"""


def test_each_rendered_line_knows_its_line_in_the_file() -> None:
    assert rendered(LOOP) == [
        (1, "[platform_config]"),
        (4, "  cmd_20220629 = train --day 20220629 \\"),
        (5, "      --test 20220630"),
        (4, "  cmd_20220630 = train --day 20220630 \\"),
        (5, "      --test 20220701"),
        (8, ""),
        (9, "[metric_config]"),
        (10, "key = 2"),
    ]


def test_lines_below_tags_are_marked() -> None:
    assert [line.number for line in render(LOOP, "trial.ini") if line.after_tag] == [4, 4, 8]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% for i in [1, 2] -%}\n\n  k{{ i }}\n{%- endfor %}\nend", [(3, "k1k2"), (5, "end")]),
        ("{% macro m() %}\nx\n{% endmacro %}\n{{ m() }}\nend", [(4, "x"), (5, "end")]),
        ("{% set x %}\n1\n{% endset %}\nk={{ x | trim }}", [(4, "k=1")]),
        ("{% filter upper %}\na\n{% endfilter %}\nend", [(1, "A"), (4, "end")]),
        ("{% set x = [\n1,\n2] %}\nk={{ x[1] }}", [(4, "k=2")]),
        ("a{# two\nlines #}\nb", [(1, "a"), (3, "b")]),
        ("{% raw %}\n{{ x }}\n{% endraw %}\nb", [(2, "{{ x }}"), (4, "b")]),
        ("{% if false %}\na\n{% else %}\nb\n{% endif %}\nc", [(4, "b"), (6, "c")]),
        ("{{ 'a\\nb' }}\nc", [(1, "a"), (1, "b"), (2, "c")]),
        ("{% set n = namespace(x=1) %}{% set n.x = 2 %}k={{ n.x }}", [(1, "k=2")]),
    ],
)
def test_line_numbers_survive_all_of_jinja(text: str, expected) -> None:
    assert [(number, line) for number, line in rendered(text) if line] == expected


def test_comment_lines_are_not_rendered() -> None:
    text = "# {{ nothing }}\n{% for i in [1] %}\n ; {% endfor %}\nk={{ i }}\n{% endfor %}"

    assert (
        rendered(text) == [(1, "# {{ nothing }}"), (3, " ; {% endfor %}"), (4, "k=1"), (5, "")][:3]
    )


def test_the_shells_own_braces_are_left_alone() -> None:
    assert rendered("k={{ 1 }} ${#files[@]} ${x} $((1))") == [(1, "k=1 ${#files[@]} ${x} $((1))")]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="{")))
def test_a_text_without_tags_stays_as_it_is(text: str) -> None:
    assert render(text, "trial.ini") == split_lines(text)


def test_a_text_without_tags_does_not_pay_for_jinja() -> None:
    import subprocess

    code = (
        "import sys; from hpo_nni.trial.templates import render; render('[a]\\nk=${#x}', 'i');"
        "sys.exit('jinja2' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("\n{{ 20220630 + 1 }}", "trial.ini:2: ", "20220630 + 1 = 20220631 is not in the calendar"),
        ("{% set d = 20220701 %}\n{% set e = d - 1 %}", "trial.ini:2: ", "20220700 is not in"),
        ("{{ 20220630 + 1 }}", "trial.ini:1: ", "bizdate | add_days(1)"),
        ("{{ 2022063023 + 1 }}", "trial.ini:1: ", "2022063024 is not in the calendar"),
        (
            "{% for d in range(20220628, 20220703) %}{{ d }}{% endfor %}",
            "trial.ini:1: ",
            "range(20220628, ...) contains 20220631, which is no date",
        ),
        ("\n{{ 20220631 | add_days(1) }}", "trial.ini:2: ", "20220631 is not a date"),
        ("\n{% for %}", "trial.ini:2: ", "Jinja cannot read this"),
        ("\n\n{{ 'open", "trial.ini:3: ", "{% raw %}"),
        ("k={{ x }}", "trial.ini:1: ", "'x' is not defined in this template"),
        ("{% set days = 1 %}\n{{ day }}", "trial.ini:2: ", "did you mean 'days'?"),
        ("{{ 1 | add_day(1) }}", "trial.ini:1: ", "did you mean 'add_days'"),
        ("{{ 1 is evven }}", "trial.ini:1: ", "did you mean 'even'"),
        ("{% include 'other.ini' %}", "trial.ini:1: ", "cannot take in other templates"),
        ("{% import 'x' as y %}", "trial.ini:1: ", "cannot take in other templates"),
        ("\n{{ {'a': 1}.b }}", "trial.ini:2: ", "has no attribute 'b'"),
        ("\n{{ ''.__class__.__mro__ }}", "trial.ini:2: ", "unsafe"),
        ("\n{{ 1 / 0 }}", "trial.ini:2: ", "division by zero"),
        ("\n{{ '1' + 1 }}", "trial.ini:2: ", "concatenate"),
        ("a\x00{{ 1 }}", "trial.ini:1: ", "control character"),
    ],
)
def test_faults_name_the_line(text: str, start: str, part: str) -> None:
    (fault,) = faults(text)

    assert fault.startswith(start)
    assert part in fault


def test_faults_that_can_be_seen_beforehand_come_at_once() -> None:
    text = "{{ a }}\n{{ 1 | nope }}\n{{ b }}{% include 'c' %}"

    assert [fault.split(": ")[0] for fault in faults(text)] == [
        "trial.ini:1",
        "trial.ini:2",
        "trial.ini:3",
        "trial.ini:3",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ 'a' * 10**10 }}",
        "{{ [0] * 10**10 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_templates_without_end_are_faults(text: str) -> None:
    (fault,) = faults(text)

    assert fault.startswith("trial.ini")
    assert "this cannot be rendered" in fault


@pytest.mark.parametrize(
    "text",
    ["{{ 20220616 + 1 }}", "{{ 20221500 + 1 }}", "hash_bucket_size=20220631", "{{ 20220631 }}"],
)
def test_numbers_that_are_no_dates_or_stay_dates_are_left_alone(text: str) -> None:
    assert render(text, "trial.ini")


def test_date_functions_in_a_template() -> None:
    text = (
        "{% for d in date_range('2022-02-28', '2022-03-01') %}"
        "{{ d }},{{ d | date_format('%d') }},{{ d | strftime }},{{ d | add_weeks(-1) }};"
        "{% endfor %}{{ 2022063023 | add_hours(2) }}"
    )

    assert rendered(text) == [
        (
            1,
            "2022-02-28,28,20220228,2022-02-21;2022-03-01,01,20220301,2022-02-22;2022070101",
        )
    ]


DAYS = Calendar.parse("2022-06-30", "2022-07-01", Unit.DAY)


def test_the_days_of_the_trial_command_are_known() -> None:
    text = (
        "{% for day in date_list %}{{ day }} {% endfor %}{{ start_time }}-{{ end_time }} {{ unit }}"
    )

    (line,) = render(text, "trial.ini", DAYS)

    assert line.text == "20220630 20220701 20220630-20220701 day"


def test_a_file_may_have_days_of_its_own_where_the_command_names_none() -> None:
    text = (
        "{% set days = date_list if date_list is defined else [20220101] %}{{ days | join(' ') }}"
    )

    assert rendered(text) == [(1, "20220101")]
    assert render(text, "trial.ini", DAYS)[0].text == "20220630 20220701"


def test_days_that_nobody_names_are_a_fault_that_says_who_could() -> None:
    (fault,) = faults("{% for day in date_list %}x{% endfor %}")

    assert "trial.ini:1: 'date_list' is not defined" in fault
    assert "--start_time and --end_time of the trial command bring it" in fault


@pytest.mark.parametrize(
    "text", ["x", "{{ 1 }}", "{% set date_list = [20220101] %}{{ date_list }}"]
)
def test_a_file_that_takes_no_days_from_outside_is_recognised(text: str) -> None:
    assert not asks_for_days(text)
