"""NNI 3.0's side of one trial, on the loopback interface."""

from __future__ import annotations

import contextlib

import pytest

from hpo_nni.testing.nni import HttpNni


@pytest.fixture
def nni(tmp_path):
    with contextlib.closing(HttpNni(tmp_path / "expdir", "TrA1", {"lr": 0.1})) as nni:
        yield nni
