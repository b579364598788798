"""Folders in a store that a trial follows, opened with the account of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpo_nni.metrics.remote import RemoteFolder
    from hpo_nni.stores.base import Store
    from hpo_nni.trial.accounts import Accounts

_USUAL, _FALLBACK = "eval_val", "eval"  # below a model's directory; older EasyRec has the second


class RemotePlaces:
    """The folders of one trial; the account is resolved when the first is opened.

    Args:
        accounts: references to it.
        mirror: a folder on this machine that gets copies; none if empty.
    """

    def __init__(self, accounts: Accounts, mirror: str) -> None:
        self._accounts = accounts
        self._mirror = mirror
        self._stores: dict[str, Store] = {}

    def folder(self, uri: str, part: str = "") -> RemoteFolder:
        """A folder of event files; its copies go to a folder of their own if `part` names one."""
        from hpo_nni.metrics.remote import RemoteFolder  # noqa: PLC0415 - local trials need none

        mirror = Path(self._mirror, part) if self._mirror else None
        return RemoteFolder(self._store(uri), places(uri), mirror)

    def reach(self, uri: str) -> None:
        """List a folder once; raises StoreError where that cannot be done."""
        self._store(uri).list_files(uri)

    def _store(self, uri: str) -> Store:
        scheme = uri.partition("://")[0]
        if scheme not in self._stores:
            self._stores[scheme] = self._accounts.store(uri)
        return self._stores[scheme]


def places(uri: str) -> list[str]:
    """Where event files may be, given where the user expects them.

    >>> places("oss://b/m/eval_val/"), places("oss://b/m/logs")
    (['oss://b/m/eval_val', 'oss://b/m/eval'], ['oss://b/m/logs'])
    """
    plain = uri.rstrip("/")
    parent, _, name = plain.rpartition("/")
    return [plain, f"{parent}/{_FALLBACK}"] if name == _USUAL else [plain]
