"""The targets of `make` that take minutes: what they would run, where everything is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ".venv/bin/python"
OF_OTHERS = {"help", "lint", "types", "clean"}  # targets that need no line of their own


@pytest.mark.parametrize(
    "target, commands",
    [
        ("demo", [f"{PYTHON} -m hpo_nni.cli run examples/digits_local/begin/config.yml"]),
        ("test", [f"{PYTHON} -m pytest -q"]),
        (
            "check",
            [
                ".venv/bin/ruff check .",
                ".venv/bin/ruff format --check .",
                ".venv/bin/mypy",
                f"{PYTHON} -m pytest -q --cov --cov-report=term",
            ],
        ),
        ("fuzz", [f"HPO_NNI_FUZZ=2000 {PYTHON} -m pytest -q tests/fuzz"]),
        ("bench", [f"{PYTHON} benchmarks/run.py"]),
        ("bench-stopping", [f"{PYTHON} benchmarks/stopping/run.py"]),
        ("bench-daily", [f"{PYTHON} benchmarks/daily/decide.py"]),
        ("bench-racing", [f"{PYTHON} benchmarks/racing/run.py"]),
        ("bench-warm", [f"{PYTHON} benchmarks/warm/measure.py"]),
    ],
)
def test_each_target_runs_what_the_pages_say(target, commands, clone):
    code, printed = clone().run(f"make -n {target}")

    assert code == 0, printed
    assert [line.rstrip() for line in printed.splitlines()] == commands  # FLAGS are empty


def test_the_tests_on_nni_3_set_up_an_environment_of_their_own(clone):
    code, printed = clone().run("make -n test-nni3")

    assert code == 0, printed
    first, last = printed.splitlines()
    assert first.startswith("sh scripts/venv.sh .venv-nni3 requirements/nni3.txt")
    assert last == ".venv-nni3/bin/python -m pytest -q -m nni"


def test_the_proofs_are_run_on_both_lines_of_nni_and_their_records_kept(clone):
    code, printed = clone().run("make -n prove")

    assert code == 0, printed
    matrix = 'python -m pytest -q -m "nni or prove" tests/process/test_stop_matrix.py'
    assert ".venv/bin/python -m pytest -q -s -m prove" in printed.splitlines()
    kept = [f"HPO_NNI_PROOFS=docs/proofs {home}/bin/{matrix}" for home in (".venv", ".venv-nni3")]
    assert [line for line in printed.splitlines() if "test_stop_matrix" in line] == kept


def test_each_target_is_explained_by_make_help(clone):
    code, printed = clone().run("make")

    assert code == 0
    explained = [line.split()[1] for line in printed.splitlines()]
    (listed,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    # `make check` has lint and types in it
    assert {*explained} == {*listed.split()} - OF_OTHERS
