"""Every command in the documents does what the page says, in a checkout of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpo_nni.testing.console import Command, difference, read_commands

ROOT = Path(__file__).parent.parent.parent
PATTERNS = ("*.md", "docs/guide/*.md", "docs/zh/*.md", "docs/adr/*.md", "examples/*/README*.md")
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))

# Commands that take minutes, or set up the machine: what the pages say of them is tested there.
_DEMO = "documented/test_demo.py::test_make_demo_does_what_the_pages_say"
_MAKE = "documented/test_make.py::test_each_target_runs_what_the_pages_say"
_NNICTL = "documented/test_nnictl.py::test_nnictl_runs_the_example_and_stops_it"
ELSEWHERE = {
    "make demo": _DEMO,
    "make demo-daily": (
        "documented/test_demo.py::test_make_demo_daily_walks_the_days_from_the_model_of_september"
    ),
    "hpo-nni run examples/digits_local/begin/config.yml": _DEMO,  # it is what `make demo` runs
    "hpo-nni show": _DEMO,
    "hpo-nni logs 0": _DEMO,
    "make test": _MAKE,
    "make check": _MAKE,
    "make fuzz": _MAKE,
    "make bench": _MAKE,
    "make prove": (
        "documented/test_make.py::test_the_proofs_are_run_on_both_lines_of_nni_and_their_records_kept"
    ),
    "make bench-stopping": _MAKE,
    "make bench-racing": _MAKE,
    "make bench-daily": _MAKE,
    "make bench-warm": _MAKE,
    "make test-nni3": (
        "documented/test_make.py::test_the_tests_on_nni_3_set_up_an_environment_of_their_own"
    ),
    "nnictl create --config examples/digits_local/begin/config.yml --port=8780": _NNICTL,
    "nnictl stop": _NNICTL,
    "hpo-nni retry --experiment ID": (
        "process/test_failures.py::test_failed_trials_run_again_once_the_mistake_is_mended"
    ),
    ".venv/bin/python benchmarks/digits_gain.py": (
        "examples/test_digits_gain.py::test_readme_shows_the_measured_tables"
    ),
    'export NODE_OPTIONS="--require <path>/hpo_nni/nni_api/manager_hook.js"': (
        "documented/test_nnictl.py::test_the_hook_binds_the_web_page_to_this_machine"
    ),
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> list[Command]:
    return read_commands(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_commands_do_what_the_page_says(page, clone):
    checkout = clone()
    for command in commands(page):
        if command.text in ELSEWHERE:
            continue
        where = f"{name_of(page)}:{command.line}: {command.text}"
        assert command.states_a_fact, f"{where}\nThe page says nothing about what it prints."
        code, printed = checkout.run(command.text)
        wrong = difference(command, printed, code)
        assert not wrong, f"{where}\n{wrong}\nIt printed:\n{printed}"


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_what_is_tested_elsewhere_is(place):
    file, _, name = place.partition("::")
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", text, re.MULTILINE)


def test_nothing_is_exempt_that_no_page_shows():
    shown = {command.text for page in PAGES for command in commands(page)}
    assert not ELSEWHERE.keys() - shown


def in_both_languages() -> list[tuple[Path, Path]]:
    return [
        *((page, ROOT / "docs" / "zh" / page.name) for page in ROOT.glob("docs/guide/*.md")),
        *((page, page.with_name("README.zh.md")) for page in ROOT.glob("examples/*/README.md")),
    ]


@pytest.mark.parametrize("pages", in_both_languages(), ids=lambda pages: name_of(pages[0]))
def test_the_chinese_page_shows_the_same_commands(pages):
    assert pages[1].is_file()
    shown = [[(one.text, one.printed) for one in commands(page)] for page in pages]
    assert shown[0] == shown[1]


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"\w+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to headings."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}
