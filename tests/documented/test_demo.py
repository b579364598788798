"""`make demo` in a fresh clone, in a directory whose name is hard on shells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hpo_nni.nni_api.launch import nni_version
from hpo_nni.testing.console import Command, difference, read_commands
from hpo_nni.testing.processes import processes_with

ROOT = Path(__file__).parent.parent.parent
NUMBERS = re.compile(r"\[?[-+]?\d[-+\d.,:e %]*\]?")


PAGES = [ROOT / "README.md", ROOT / "docs/guide/getting-started.md"]


def without_numbers(text: str) -> str:
    """The text with # for each number or list of numbers."""
    return "\n".join(NUMBERS.sub("# ", line).strip() for line in text.splitlines())


def shown(text: str) -> list[Command]:
    """What the pages show below a command, without numbers: they differ from machine to machine."""
    commands = [one for page in PAGES for one in read_commands(page.read_text(encoding="utf-8"))]
    return [
        Command(one.text, one.line, tuple(map(without_numbers, one.printed)))
        for one in commands
        if one.text == text and one.printed
    ]


@pytest.mark.nni
@pytest.mark.skipif(nni_version() >= (3,), reason="make demo runs on the locked default")
def test_make_demo_does_what_the_pages_say(clone):
    checkout = clone("第一次 try")
    printed = {}
    for command in ("make demo", "hpo-nni show", "hpo-nni logs 0"):
        code, printed[command] = checkout.run(command, seconds=1800)
        assert code == 0, printed[command]
        for told in shown(command):
            assert told.states_a_fact, told
            wrong = difference(told, without_numbers(printed[command]), code)
            assert not wrong, f"{wrong}\n{printed[command]}"
    demo = printed["make demo"]
    experiment = re.search(r"^experiment +(\w+)$", demo, re.MULTILINE)[1]
    assert not processes_with(experiment), "a process survived make demo"

    code, told = checkout.run(f"hpo-nni show {experiment} --json")
    assert code == 0, told
    facts = json.loads(told)
    best, baseline = facts["best"], facts["baseline"]
    assert f"best trial   {best['number']} ({best['id']}), score {best['score']:.5g}" in demo
    assert f"untuned      score {baseline:.5g}; " in demo
    assert facts["saved"]["text"] in demo
    (config,) = best["configs"]
    assert f"best config  {config}" in demo
    batch_size = int(best["parameters"]["train_config.batch_size"])
    assert f"batch_size: {batch_size}" in Path(config).read_text(encoding="utf-8")
    assert "running" not in {trial["state"] for trial in facts["trials"]}

    _, told = checkout.run("make -n demo")
    assert told == ".venv/bin/python -m hpo_nni.cli run examples/digits_local/begin/config.yml\n"


@pytest.mark.nni
@pytest.mark.skipif(nni_version() >= (3,), reason="make demo-daily runs on the locked default")
def test_make_demo_daily_walks_the_days_from_the_model_of_september(clone):
    """With fewer trials than the page's; each has all the days."""
    checkout = clone()
    code, told = checkout.run("make demo-daily FLAGS='--max-trials 3'", seconds=1800)

    assert code == 0, told
    assert (checkout.path / "examples/daily_local/exp/base/model.npz").is_file()
    experiment = re.search(r"^experiment +(\w+)$", told, re.MULTILINE)[1]
    _, shown_facts = checkout.run(f"hpo-nni show {experiment} --json")
    trials = json.loads(shown_facts)["trials"]
    assert len(trials) == 3
    assert trials[0]["state"] == "succeeded"
    assert "untuned " in told
    assert not processes_with(experiment)
