"""What people have who install a wheel and have no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
EXAMPLE = "examples/digits_local/begin/config.yml"


class Installed:
    """A wheel in a folder of its own; nothing of the checkout is used."""

    def __init__(self, site, home):
        self.site, self.home = site, home
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        more = {"HOME": str(home), "PYTHONPATH": str(site), "PATH": search}
        self.environment = {**os.environ, **more}

    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def hpo_nni(self, *arguments):
        return self.run("hpo_nni.cli", *arguments)


@pytest.fixture(scope="module")
def site(snapshot, tmp_path_factory):
    """A source distribution, a wheel of that, and what pip makes of the wheel."""
    built = tmp_path_factory.mktemp("wheel")
    checkout, site = built / "checkout", built / "site"
    shutil.copytree(snapshot, checkout)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["-q", "--no-deps", "--no-index"]
    run([sys.executable, "-c", SDIST, str(built)], checkout)
    sources = str(*built.glob("*.tar.gz"))
    run([*pip, "wheel", *offline, "--no-build-isolation", "-w", str(built), sources], built)
    run([*pip, "install", *offline, "--target", str(site), str(*built.glob("*.whl"))], built)
    return site


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed(site, tmp_path):
    return Installed(site, tmp_path)


def listed(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.nni
def test_examples_of_a_wheel_pass_the_check_through_their_own_doors(installed):
    code, printed = installed.hpo_nni("examples", "mine")
    assert code == 0, printed
    assert f"hpo-nni check mine/{EXAMPLE}" in printed
    bundled = installed.site / "hpo_nni" / "bundled"
    left_by_pip = {name for name in listed(bundled) if name.endswith(".pyc")}
    assert listed(installed.home / "mine") == listed(bundled) - left_by_pip
    assert (installed.home / "mine" / "core" / "pai_assessor.py").is_file()

    code, printed = installed.hpo_nni("check", f"mine/{EXAMPLE}")
    assert code == 0, printed
    assert "no faults found" in printed

    file = installed.home / "mine" / EXAMPLE
    file.write_text(file.read_text().replace("start_step", "start_stepp"))
    code, printed = installed.hpo_nni("check", f"mine/{EXAMPLE}")
    assert code == 2, "the arguments of the copied doors are checked like those of the checkout"
    assert "did you mean 'start_step'?" in printed

    code, printed = installed.hpo_nni("examples", "mine")
    assert code == 2
    assert "nothing is overwritten" in printed


@pytest.mark.nni
def test_an_example_of_a_wheel_runs_under_nni(installed):
    """Its tuner and assessor are loaded through the doors that were written beside it."""
    installed.hpo_nni("examples", "mine")
    config = installed.home / "mine" / "examples" / "digits_local" / "pipeline.config"
    config.write_text(config.read_text().replace("num_epochs: 30", "num_epochs: 1"))

    code, printed = installed.hpo_nni("run", f"mine/{EXAMPLE}", "--max-trials", "2")

    assert code == 0, printed
    assert "2 succeeded" in printed


def test_all_examples_of_a_wheel_pass_the_check(installed):
    installed.hpo_nni("examples", "mine")
    configs = sorted(
        path.relative_to(installed.home) for path in installed.home.rglob("config.yml")
    )

    assert len(configs) >= 4
    for config in configs:
        code, printed = installed.hpo_nni("check", str(config))
        assert code == 0, printed
