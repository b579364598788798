from __future__ import annotations

import sys

import pytest

from hpo_nni.errors import NniError
from hpo_nni.nni_api.installation import check_nnictl, node_binary


def test_a_launcher_that_does_not_load_says_why(tmp_path, monkeypatch):
    (tmp_path / "nni").mkdir()
    (tmp_path / "nni" / "__init__.py").write_text("import pkg_resources_that_is_gone\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(NniError, match="No module named 'pkg_resources_that_is_gone'") as caught:
        check_nnictl()

    assert "setuptools<81" in caught.value.hint


def test_an_nni_without_its_node_is_told(tmp_path, monkeypatch):
    (tmp_path / "nni_node").mkdir()
    (tmp_path / "nni_node" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nni_node", raising=False)

    with pytest.raises(NniError, match="node binary is missing"):
        node_binary()
