from __future__ import annotations

import pytest

from hpo_nni.secrets import Credentials, Secret
from hpo_nni.stores.oss import OssConnection, OssStore
from hpo_nni.testing.cloud.oss_server import OssServer

KEY_ID, KEY_SECRET = "LTAI5tTestKeyId", "s3cr3t/With+Chars="


@pytest.fixture
def server(tmp_path):
    with OssServer(tmp_path / "oss", credentials={KEY_ID: KEY_SECRET}, buckets=["bkt"]) as server:
        yield server


@pytest.fixture
def connect(server):
    """Make a store; what is not said is right."""

    def connect(key_id=KEY_ID, key_secret=KEY_SECRET, token=None, endpoint="", **more):
        pair = Credentials(Secret(key_id), Secret(key_secret), token and Secret(token))
        return OssStore(OssConnection(endpoint or server.endpoint, pair, **more))

    return connect
