"""The one thing that pyproject.toml cannot say: a wheel also has the examples and their doors."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from hpo_nni.bundle import FOLDER, copy_bundle  # noqa: E402  (the path comes first)


class BuildWithBundle(build_py):
    """Puts copies of the folders beside the package into it."""

    def run(self) -> None:
        """Build; an editable installation needs no copies, for it has the checkout."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "hpo_nni", FOLDER)
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build
            self.mkpath(str(target))
            copy_bundle(ROOT, target)


setup(cmdclass={"build_py": BuildWithBundle})
