"""A checkout like the one a newcomer has: the files of this one, elsewhere, with its packages."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parent.parent.parent
READY = (".ready", ".ready-dev")  # what `make` looks at before it installs anything


@dataclass(frozen=True)
class Checkout:
    """A copy of this checkout, and the environment in which its own code runs.

    Attributes:
        environment: nothing of the user's own files is reached: HOME and NNI's register are the
            copy's.
    """

    path: Path
    environment: dict[str, str]

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a shell command as a user types it, in a process group of its own."""
        return subprocess.Popen(
            ["/bin/bash", "-c", command],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, *, seconds: float = 300) -> tuple[int, str]:
        """Run a command to its end; its exit code, and all it printed."""
        process = self.start(command)
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a clone would have, and those that are about to be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    copy = tmp_path_factory.mktemp("snapshot")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():  # not one that was just deleted
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture
def clone(make_checkout: Callable[..., Checkout], tmp_path: Path) -> Callable[..., Checkout]:
    """Make a checkout in the test's own folder: `clone("a folder's name")`."""
    return functools.partial(make_checkout, tmp_path)


@pytest.fixture(scope="session")
def make_checkout(snapshot: Path) -> Callable[..., Checkout]:
    """Make a checkout somewhere: `make_checkout(folder, "a name")`."""

    def make(folder: Path, name: str = "checkout") -> Checkout:
        path, home = folder / name, folder / "home"
        shutil.copytree(snapshot, path)
        home.mkdir(exist_ok=True)
        _link_packages(path / ".venv")
        search = [str(path / ".venv" / "bin"), os.environ["PATH"]]
        return Checkout(
            path,
            {
                **_without_make(os.environ),
                "HOME": str(home),
                "NNI_CONFIG_DIR": str(home / "nni-config"),
                "PATH": os.pathsep.join(search),
                "PYTHONPATH": str(path),  # before the checkout that the packages point at
                "PYTHONUNBUFFERED": "1",  # output and errors come in the order of a terminal
                "COLUMNS": "100",
            },
        )

    return make


def _without_make(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what `make test` hands down: a make in a make announces its directories."""
    makes = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
    return {name: value for name, value in environ.items() if name not in makes}


def _link_packages(folder: Path) -> None:
    """A virtual environment of its own prefix, with the packages that are installed in ours."""
    folder.mkdir()
    ours = Path(sys.prefix)
    for name in ("bin", "lib", "lib64", "include"):
        if (ours / name).exists():
            (folder / name).symlink_to(ours / name)
    shutil.copy(ours / "pyvenv.cfg", folder)
    for name in READY:
        (folder / name).touch()
