"""The servers, and settings that name accounts on them."""

from __future__ import annotations

import logging

import pytest

from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer

CREDENTIALS = {"inspected-id": "inspected-secret"}


@pytest.fixture(autouse=True)
def quiet():
    """pyodps logs what it was refused."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def oss(tmp_path):
    with OssServer(tmp_path / "oss", CREDENTIALS, buckets=["bkt"]) as server:
        yield server


@pytest.fixture
def mc(oss):
    with MaxComputeServer(oss, CREDENTIALS, "demo") as server:
        yield server
