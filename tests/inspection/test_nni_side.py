from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hpo_nni.errors import NniError
from hpo_nni.inspection import nni_side
from hpo_nni.inspection.finding import Level
from hpo_nni.nni_api.installation import node_version

pytestmark = pytest.mark.nni


def script(path, text, mode=0o755):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def test_the_installed_nni_loads_and_its_node_really_starts():
    found = {one.subject: one for one in nni_side.nni()}

    assert [one.level for one in found.values()] == [Level.OK] * 3
    assert found["node"].message.startswith("v")


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("exit 0", 0o644, "may not be executed"),
        ("echo GLIBC_2.28 not found >&2; exit 1", 0o755, "GLIBC_2.28 not found"),
        ("exit 3", 0o755, "exit code 3"),
    ],
)
def test_a_node_that_does_not_start_says_why(tmp_path, text, mode, told):
    with pytest.raises(NniError, match=told) as caught:
        node_version(script(tmp_path / "node", text, mode))

    assert mode == 0o755 or f"chmod u+x '{tmp_path}/node'" in caught.value.hint


def test_a_python3_without_this_package_is_told(tmp_path):
    script(
        tmp_path / "python3", "echo \"ModuleNotFoundError: No module named 'hpo_nni'\" >&2; exit 1"
    )

    found = nni_side.python3({"PATH": str(tmp_path)})

    assert found.level is Level.WARN
    assert "No module named 'hpo_nni'" in found.message


def test_the_python3_of_this_environment_can_run_trials():
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    assert nni_side.python3({**os.environ, "PATH": search}).level is Level.OK


def test_no_python3_is_a_fault(tmp_path):
    assert nni_side.python3({"PATH": str(tmp_path)}).level is Level.FAIL


@pytest.mark.parametrize(
    ("wanted", "level", "hint"),
    [
        ({}, Level.WARN, "hpo-nni install"),
        ({"tuner": "TPE", "assessor": ""}, Level.OK, ""),
        ({"tuner": "NoSuchTuner"}, Level.FAIL, "hpo-nni install"),
        ({"tuner": "TPEE"}, Level.FAIL, "nnictl algo list"),
    ],
)
def test_classes_must_be_registered_if_they_are_used_by_name(wanted, level, hint):
    (found,) = nni_side.algorithms({"tuner": ["NoSuchTuner"]}, wanted)

    assert found.level is level
    assert hint in found.hint
