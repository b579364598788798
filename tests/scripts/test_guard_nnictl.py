"""In a path that NNI 2 cannot quote, `nnictl create` says so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.nni_api.launch import nni_version

GUARD = Path(__file__).parent.parent.parent / "scripts" / "guard_nnictl.py"


@pytest.fixture
def environment(tmp_path):
    """Make the beginnings of a virtual environment that has this one's packages."""

    def make(name):
        python = tmp_path / name / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        nnictl = python.with_name("nnictl")
        nnictl.write_text("#!/bin/sh\necho the original\n", encoding="utf-8")
        nnictl.chmod(0o755)
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run([python, GUARD, nnictl], check=True, env=paths)
        return nnictl, paths

    return make


@pytest.mark.nni
def test_create_is_refused_where_nni_would_fail(environment):
    nnictl, paths = environment("第一次 'try'")

    done = subprocess.run(
        [nnictl, "create", "--config", "x.yml"],
        check=False,
        capture_output=True,
        text=True,
        env=paths,
    )

    if nni_version() >= (3,):  # it quotes its paths
        assert done.stdout == "the original\n"
    else:
        assert done.returncode == 2
        assert "第一次 'try'" in done.stderr
        assert "hpo-nni run CONFIG" in done.stderr


def test_other_commands_of_a_refusing_nnictl_work(environment):
    nnictl, paths = environment("a path")

    done = subprocess.run(
        [nnictl, "--version"], check=False, capture_output=True, text=True, env=paths
    )

    assert done.returncode == 0, done.stderr
    assert ".".join(map(str, nni_version())) in done.stdout + done.stderr


def test_nnictl_stays_nnis_own_in_a_plain_path(environment):
    nnictl, paths = environment("plain")

    assert subprocess.check_output([nnictl], text=True, env=paths) == "the original\n"
