from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hpo_nni.bundle import FOLDERS, bundle_root, copy_bundle
from hpo_nni.errors import StoreError

ROOT = Path(__file__).parent.parent


def listed(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def in_git():
    folders = [name for name in FOLDERS if (ROOT / name).is_dir()]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def test_what_is_copied_is_what_a_clone_has(tmp_path):
    copy_bundle(bundle_root(), tmp_path / "new")

    assert listed(tmp_path / "new") == in_git()


def test_what_running_leaves_is_not_copied(tmp_path):
    source = tmp_path / "source"
    for name in ("begin/config.yml", "expdir/x/log", "begin/__pycache__/a.pyc"):
        file = source / "examples" / "mine" / name
        file.parent.mkdir(parents=True)
        file.touch()

    copy_bundle(source, tmp_path / "new")

    assert listed(tmp_path / "new") == {"examples/mine/begin/config.yml"}


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path):
    (tmp_path / "samples").mkdir()

    with pytest.raises(StoreError, match=r"there is .*samples") as caught:
        copy_bundle(bundle_root(), tmp_path)

    assert "does not exist yet" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]
