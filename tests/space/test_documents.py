"""The examples of the page about search spaces, in each language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.space import load_space

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*/search-space.md"))
FAULTY = re.compile(r"```json\n([^`]*?)```\n\n[^`\n]*\n\n```text\n(.*?)```", re.DOTALL)


def texts(page: Path) -> list[str]:
    text = FAULTY.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"```json\n(.*?)```", text, re.DOTALL)


def test_there_is_a_page_in_each_language() -> None:
    assert [page.parent.name for page in PAGES] == ["guide", "zh"]
    assert len({tuple(texts(page)) for page in PAGES}) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_examples_are_sound(page: Path, tmp_path: Path) -> None:
    for text in texts(page):
        path = tmp_path / "search_space.json"
        path.write_text(text, encoding="utf-8")

        assert load_space(path).warnings == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_faults_that_the_page_prints_are_those_that_users_see(page: Path, tmp_path: Path) -> None:
    ((example, told),) = FAULTY.findall(page.read_text(encoding="utf-8"))
    path = tmp_path / "search_space.json"
    path.write_text(example, encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        load_space(path)

    assert str(caught.value) == told.rstrip()
