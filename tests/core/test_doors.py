"""NNI's own loader, in a process of its own, with the working directory elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.nni

ROOT = Path(__file__).resolve().parents[2]
DOORS = {
    "pai_assessor": ["PAIAssessor", "PaiAssessor", "kill_instance", "remove_filepath"],
    "auto_assessor": ["AutoAssessor"],
    "asha_assessor": ["AshaAssessor"],
    "day_race_assessor": ["DayRaceAssessor"],
    "auto_tuner": ["AutoTuner"],
    "hazero_tuner": ["HAZeroTuner"],
    "optuna_tuner": ["OptunaTuner"],
    "pshe2_tuner": ["PSHE2Tuner"],
}
LOAD = """
import importlib, json, sys
from nni.tools.package_utils import create_customized_class_instance as create
module, name, root = sys.argv[1:4]
made = create({
    "codeDirectory": root + "/core",
    "className": f"{module}.{name}",
    "classArgs": {"optimize_mode": "maximize"},
})
inside = importlib.import_module(f"hpo_nni.core.{module}")
print(json.dumps({
    "class": type(made).__name__,
    "same": type(made) is getattr(inside, name),
    "names": sorted(importlib.import_module(module).__all__),
    "missing": [n for n in inside.__all__ if not hasattr(sys.modules[module], n)]
    if hasattr(inside, "__all__") else [],
    "heavy": sorted({"optuna", "scipy", "torch"} & set(sys.modules)),
}))
"""


def load(tmp_path, module, name, *, installed):
    """Load a class as NNI does; -S leaves out .pth files, through which a checkout is installed."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    if not installed:
        environ["PYTHONPATH"] = sysconfig.get_path("purelib")
    done = subprocess.run(
        [sys.executable, *([] if installed else ["-S"]), "-c", LOAD, module, name, str(ROOT)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "not installed"])
@pytest.mark.parametrize(
    "module, name",
    [
        ("pai_assessor", "PAIAssessor"),
        ("pai_assessor", "PaiAssessor"),
        ("auto_tuner", "AutoTuner"),
        ("hazero_tuner", "HAZeroTuner"),
        ("optuna_tuner", "OptunaTuner"),
        ("pshe2_tuner", "PSHE2Tuner"),
    ],
)
def test_a_door_gives_the_one_class_and_loads_nothing_heavy(tmp_path, module, name, installed):
    facts = load(tmp_path, module, name, installed=installed)

    assert facts["same"]
    assert facts["names"] == sorted(DOORS[module])
    assert facts["missing"] == []
    assert set(facts["heavy"]) <= {"scipy"}  # NNI's own import may bring it


def test_core_is_no_package_and_each_file_in_it_is_a_door():
    files = sorted(path.name for path in (ROOT / "core").glob("*.py"))

    assert files == sorted(f"{name}.py" for name in DOORS)


def test_a_wrong_argument_ends_the_loading_with_the_whole_letter(tmp_path):
    code = LOAD.replace('"maximize"', '"up", "pacience": 1')
    done = subprocess.run(
        [sys.executable, "-c", code, "pai_assessor", "PAIAssessor", str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "optimize_mode is 'up'; expected maximize or minimize" in done.stderr
    assert "there is no pacience\n  hint: did you mean 'patience'?" in done.stderr
