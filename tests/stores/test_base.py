from __future__ import annotations

import pytest

from hpo_nni.errors import StoreError
from hpo_nni.stores.base import open_store
from hpo_nni.stores.local import LocalStore


@pytest.mark.parametrize("uri", ["a.config", "/x/a.config", "file:///x/a.config", "~x", "a:b"])
def test_paths_and_file_uris_are_local(uri):
    assert isinstance(open_store(uri), LocalStore)


def test_a_scheme_that_nothing_reads_is_an_error_that_names_the_uri():
    with pytest.raises(StoreError) as caught:
        open_store("hdfs://bucket/a.config")

    assert caught.value.uri == "hdfs://bucket/a.config"
    assert "no store reads hdfs:// yet" in caught.value.message
    assert "copy the file to this machine" in caught.value.hint
