"""The fragments of the guide's page on metrics, in both languages."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest

from hpo_nni.metrics import FinalMode, Scoring, find_problems

DOCS = Path(__file__).parents[2] / "docs"


def fragments(language: str) -> list[str]:
    text = (DOCS / language / "metrics.md").read_text(encoding="utf-8")
    return re.findall(r"```(?:ini|text)\n(.*?)```", text, re.DOTALL)


def test_both_languages_show_the_same():
    assert fragments("guide") == fragments("zh")


@pytest.mark.parametrize("fragment", [text for text in fragments("guide") if text[0] == "["])
def test_each_fragment_opens_a_source(fragment):
    ini = configparser.RawConfigParser()
    ini.read_string(fragment)
    section = ini["metric_config"]
    weights = ast.literal_eval(section["metric_dict"])
    options = {key: section[key] for key in ("step_key", "step_regex") if key in section}
    assert find_problems(section["metric_type"], list(weights), options) == []
    assert Scoring(weights).weighted
    for key in ("final_mode", "source_list_final_mode"):
        assert FinalMode(section.get(key, "best"))
