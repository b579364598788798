"""What the pages claim beside their commands: tables, examples, names of modules."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from nni.assessor import AssessResult

from hpo_nni.cli.main import COMMANDS
from hpo_nni.core import (
    asha_assessor,
    auto_assessor,
    auto_tuner,
    day_race_assessor,
    hazero_tuner,
    optuna_tuner,
    pai_assessor,
    pshe2_tuner,
    search_tuner,
)
from hpo_nni.failures.rules import RULES
from hpo_nni.trial import failure_settings

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("guide", "zh")
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def page(language, name):
    return (ROOT / "docs" / language / f"{name}.md").read_text(encoding="utf-8")


def examples(text, language):
    return [textwrap.dedent(body) for _, kind, body in FENCE.findall(text) if kind == language]


def rows(text):
    """The cells of all tables, without their marks."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_of_states_is_that_of_the_tests_under_nni(language):
    path = ROOT / "tests" / "process" / "test_experiment.py"
    spec = importlib.util.spec_from_file_location("experiment_states", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shown = {row[1]: row[2:] for row in rows(page(language, "states")) if len(row) == 4}

    for state, status in module.STATES[2].items():
        assert shown[state.value] == [status, module.STATES[3][state]]
    assert len(shown) == len(module.STATES[2]) + 1, "one row is the head"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_of_paths_is_that_of_the_matrix(language):
    path = ROOT / "tests" / "process" / "test_stop_matrix.py"
    spec = importlib.util.spec_from_file_location("stop_matrix", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    shown = {row[0]: tuple(row[1:]) for row in rows(page(language, "stopping-jobs"))[1:]}

    assert shown == module.EXPECTED


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_arguments_are_in_the_table(language):
    rules, tuners = (
        {row[0] for row in rows(page(language, name))} for name in ("early-stopping", "tuners")
    )

    for module in (auto_assessor, asha_assessor, day_race_assessor, pai_assessor):
        assert rules >= {*module.ARGUMENTS}
    assert tuners >= {*search_tuner.COMMON}
    for module in (auto_tuner, hazero_tuner, optuna_tuner, pshe2_tuner):
        assert tuners >= {*module.ARGUMENTS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_subclass_on_the_page_stops_what_it_says(language):
    (code,) = examples(page(language, "early-stopping"), "python")
    names = {}
    exec(code, names)
    assessor = names["NotBelowHalf"](optimize_mode="maximize", start_step=2)
    low, high = [{"default": 0.4}] * 5, [{"default": 0.6}] * 5

    assert assessor.assess_trial("a", low) is AssessResult.Bad
    assert assessor.assess_trial("b", high) is AssessResult.Good
    assessor.trial_end("a", success=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_four_files_of_getting_started_pass_the_check(language, clone):
    text = page(language, "getting-started")
    checkout = clone()
    folder = checkout.path / "mine"
    folder.mkdir()
    for kind, name in {
        "json": "search_space.json",
        "ini": "trial.ini",
        "yaml": "config.yml",
    }.items():
        (content,) = examples(text, kind)
        (folder / name).write_text(content, encoding="utf-8")
    config = "train_config { learning_rate: 0.01 }\nmodel_config { hidden_units: [64] }\n"
    (folder / "pipeline.config").write_text(config, encoding="utf-8")
    code, printed = checkout.run("hpo-nni install && hpo-nni check mine/config.yml")

    assert code == 0, printed
    assert "no faults found" in printed
    assert "warning" not in printed


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_kinds_of_failures_are_in_the_tables(language):
    text = page(language, "failures")
    ours = {row[0]: row[1] for row in rows(text) if len(row) == 2}

    for rule in RULES:
        assert rule.why in ours[rule.kind.words]
    keys = {key for row in rows(text) for key in re.findall(r"\w+", row[0])}
    assert keys >= {*failure_settings.KEYS, *(kind.value for kind in failure_settings.KINDS)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_is_in_the_tables(language):
    shown = re.findall(r"^\| `hpo-nni ([\w-]+)", page(language, "commands"), re.MULTILINE)

    assert sorted(shown) == sorted(COMMANDS)


def test_a_trial_imports_neither_nni_nor_optuna():
    code = (
        "import sys, hpo_nni.trial.entry, hpo_nni.trial.runner, hpo_nni.trial.meter\n"
        "import hpo_nni.metrics.events, hpo_nni.platforms.local\n"
        "print([name for name in ('nni', 'optuna', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def named_paths(text):
    """The paths and modules in backquotes, as far as they have a folder."""
    names = re.findall(r"`([\w./-]+/[\w.-]*)`", text)
    return {name.rstrip("/") for name in names if not name.startswith(("/", ".", "-"))}


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_what_the_page_names_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    bases = [ROOT, ROOT / "hpo_nni", ROOT / "tests"]
    missing = {one for one in named_paths(text) if not any((base / one).exists() for base in bases)}

    assert not missing


def test_the_layout_names_every_part_of_the_package():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    parts = {path.name for path in (ROOT / "hpo_nni").iterdir() if (path / "__init__.py").exists()}
    shown = set(re.findall(r"^│   [├└]── (\w+)/", text, re.MULTILINE))

    assert shown == parts


def test_no_two_decisions_have_the_same_number():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")]

    assert len(set(numbers)) == len(numbers)
