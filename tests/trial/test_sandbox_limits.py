from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.templates import render

DOUBLED = (
    "{{% set ns = namespace(x={}) %}}{{% for i in range(60) %}}"
    "{{% set ns.x = ns.x {} ns.x %}}{{% endfor %}}"
)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10 ** 10 }}",
        "{{ 1e999 }}{{ date_range(1e999, 20220619) }}",
        "{{ [0] * 10 ** 10 }}",
        "{{ 9 ** 9 ** 9 ** 99 }}",
        "{{ (9 ** 999) ** 999 }}",
        DOUBLED.format("'ab'", "+"),
        DOUBLED.format("'ab'", "~"),
        DOUBLED.format("3", "*"),
        "{{ 'x'.ljust(10 ** 10) }}",
        "{{ 'x'.center(width) }}{% set width = 10 ** 10 %}",
        "{{ '1'.zfill(10 ** 10) }}",
        "{{ 'x' | center(10 ** 10) }}",
        "{{ 'x' | indent(10 ** 10) }}",
        "{{ [1] | batch(10 ** 10, 'x') | list }}",
        "{{ [1] | slice(10 ** 10) | list }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%*d' % (10 ** 10, 1) }}",
        "{{ '{:>9999999999}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 10 ** 10) }}",
        "{{ '%9999999999d' | format(1) }}",
        "{{ ('x' * 10 ** 6).replace('', 'y' * 10 ** 6) }}",
        "{{ ('x' * 10 ** 6) | replace('', 'y' * 10 ** 6) }}",
        "{{ ('x' * 10 ** 6) | join('y' * 10 ** 6) }}",
        "{{ ('y' * 10 ** 6).join('x' * 10 ** 6) }}",
    ],
)
def test_a_few_characters_cannot_fill_the_memory(template):
    with pytest.raises(SettingsError) as caught:
        render(template, "trial.ini")

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ '%02d' % 7 }}", "07"),
        ("{{ '%s-%5.2f' % ('a', 0.5) }}", "a- 0.50"),
        ("{{ '{:>4}|{:04.1f}'.format(7, 0.5) }}", "   7|00.5"),
        ("{{ '{}/{}'.format(20220616, 'x') }}", "20220616/x"),
        ("{{ '7'.zfill(3) ~ 1 ~ '_' ~ [2] }}", "0071_[2]"),
        ("{{ '7'.rjust(3, '0') | replace('0', 'o') }}", "oo7"),
        ("{{ [1, 2, 3] | join(',') }}", "1,2,3"),
        ("{{ 'x' | center(3) }}|{{ 2 ** 10 + 3 * 4 }}", " x |1036"),
        ("{{ [1, 2, 3] | batch(2, 0) | list }}", "[[1, 2], [3, 0]]"),
        ("{{ 0.123 | round(2) }}", "0.12"),
    ],
)
def test_what_people_write_is_computed(template, text):
    assert [line.text for line in render(template, "trial.ini")] == [text]
