"""The claim that tuning helps: what the READMEs show is what was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/digits_local"


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("digits_gain_tables")


@pytest.fixture
def measured():
    return json.loads((EXAMPLE / "results/gain.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_readme_shows_the_measured_tables(readme, tables, measured):
    shown = (EXAMPLE / readme).read_text(encoding="utf-8")
    assert tables.as_markdown(measured) in shown


def test_tuning_beat_the_base_config_beyond_the_noise(measured):
    gains = {(one["better"], one["worse"]): one for one in measured["comparisons"]}
    assert gains["tuned", "base config"]["interval_95"][0] > 0
    assert gains["tuned, stopping early", "base config"]["interval_95"][0] > 0


def test_comparison_is_a_paired_one(tables):
    gain = tables.compare([80.0, 90.0, 70.0], [79.0, 88.0, 67.0])
    assert gain["mean_gain"] == pytest.approx(2)
    assert gain["interval_95"] == pytest.approx([2 - 2.484, 2 + 2.484], abs=1e-3)
    assert (gain["wins"], gain["ties"], gain["losses"]) == (3, 0, 0)
    assert gain["paired_t_p"] == pytest.approx(0.0742, abs=1e-4)
