"""A trial.ini in a folder of its own, beside a base config."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.testing.cloud.webhook import WebhookServer
from hpo_nni.trial.settings import Substitutions, TrialSettings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

POINT = {"lr": 0.001, "${batch_size}": 64}


class IniFolder:
    """Writes a trial.ini and loads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trial.ini"
        (folder / "base.config").write_text("a: 1\n", encoding="utf-8")

    def load(self, text: str, substitutions: Substitutions | None = None) -> TrialSettings:
        self.path.write_text(text, encoding="utf-8")
        given = Substitutions("ExpA", "Tr1", self.path.parent / "out", POINT)
        return load_settings(self.path, substitutions or given)

    def problems(self, text: str, substitutions: Substitutions | None = None) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            self.load(text, substitutions)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def ini(tmp_path: Path) -> IniFolder:
    return IniFolder(tmp_path)


@pytest.fixture
def webhook():
    with WebhookServer() as server:
        yield server


@pytest.fixture
def run_trial(tmp_path: Path):
    """Run `python -m hpo_nni.trial` in the test's folder, outside NNI unless variables say so."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        return subprocess.run(
            [sys.executable, "-m", "hpo_nni.trial", *arguments],
            cwd=tmp_path,
            env=clean | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
