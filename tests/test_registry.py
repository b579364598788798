from __future__ import annotations

import subprocess
import sys

import pytest

from hpo_nni.errors import MissingExtraError, RegistryError
from hpo_nni.registry import Registry, did_you_mean

GROUP = "hpo_nni.tests_of_the_registry"
TABLE = Registry(
    group=GROUP,
    builtin={"Dumps": "json:dumps", "gone": "hpo_nni_gone.sdk:Thing", "bare": "no_such_module:x"},
    extras={"hpo_nni_gone.sdk": "gone"},
)


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """A package that was installed beside ours, with two names for our table."""
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nOutside = outside_module:VALUE\ndumps = outside_module:VALUE\n"
    )
    (tmp_path / "outside_module.py").write_text("VALUE = 'from outside'\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_name_is_imported_when_it_is_asked_for_in_any_case():
    import json

    assert TABLE.load("dumps") is json.dumps
    assert TABLE.load("DUMPS") is json.dumps


def test_another_package_adds_names_and_replaces_none(distribution):
    import json

    assert TABLE.load("outside") == "from outside"
    assert TABLE.load("dumps") is json.dumps
    assert "Outside" in TABLE.names()


@pytest.mark.parametrize(
    ("name", "hint"), [("dmups", "did you mean 'Dumps'?"), ("x", "there are: 'Dumps'")]
)
def test_an_unknown_name_is_an_error_with_the_nearest_ones(name, hint):
    with pytest.raises(RegistryError) as caught:
        TABLE.load(name)

    assert repr(name) in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_a_missing_dependency_names_the_extra_that_installs_it():
    with pytest.raises(MissingExtraError) as caught:
        TABLE.load("gone")

    assert caught.value.hint == "pip install 'hpo-nni[gone]'"


def test_an_import_that_fails_without_an_extra_is_not_disguised():
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as caught:
        TABLE.load("bare")
    assert not isinstance(caught.value, MissingExtraError)


def test_a_builtin_name_costs_no_look_at_all_installed_packages():
    script = (
        "import sys; from hpo_nni.platforms import PLATFORMS; PLATFORMS.load('local');"
        "print('importlib.metadata' in sys.modules)"
    )
    # -S: an editable installation's own hook may load it
    path = f"import sys; sys.path[:0] = {sys.path!r}; "
    done = subprocess.run(
        [sys.executable, "-S", "-c", path + script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("locl", ["local", "maxcompute"], "did you mean 'local'?"),
        ("x", [], ""),
        ("x", ["a", "a"], "there are: 'a'"),
        ("zz", [f"name{n}" for n in range(14)], " and 2 more"),
    ],
)
def test_hints_offer_near_names_or_some_of_all(name, known, hint):
    assert did_you_mean(name, known).endswith(hint)
