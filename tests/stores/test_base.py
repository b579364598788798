from __future__ import annotations

import pytest

from hpo_nni.stores.base import open_store
from hpo_nni.stores.local import LocalStore


@pytest.mark.parametrize("uri", ["a.config", "/x/a.config", "file:///x/a.config", "~x", "a:b"])
def test_paths_and_file_uris_are_local(uri):
    assert isinstance(open_store(uri), LocalStore)
