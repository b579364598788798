"""Whether the data of a day is there: files and objects by their stores, tables by the service."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from hpo_nni.platforms.maxcompute_tables import MaxComputeTables, parse_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.stores.base import Store
    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.retry import Retrier


class DayData:
    """The data that the days of one trial need.

    Args:
        accounts: references to accounts, which are resolved when something is first looked for.
        retrier: for services that are busy or out of reach.
    """

    def __init__(self, accounts: Accounts, retrier: Retrier) -> None:
        self._accounts = accounts
        self._retrier = retrier
        self._stores: dict[str, Store] = {}

    def missing(self, places: Sequence[str]) -> list[str]:
        """Those of these places where nothing is: no file, an empty folder, a table without rows.

        Raises:
            StoreError, PlatformError: one of them cannot be looked at with this account.
        """
        return [place for place in places if not self._retrier(lambda: self._is_there(place))]  # noqa: B023  (called at once)

    def _is_there(self, place: str) -> bool:
        table = parse_table(place)
        if table is not None:
            return self._tables.has_rows(table)
        scheme = place.partition("://")[0] if "://" in place else ""
        if scheme not in self._stores:
            self._stores[scheme] = self._accounts.store(place)
        return self._stores[scheme].exists(place)

    @cached_property
    def _tables(self) -> MaxComputeTables:
        from hpo_nni.platforms.maxcompute_service import MaxComputeService  # noqa: PLC0415 - as odps

        return MaxComputeTables(MaxComputeService(self._accounts.connect_maxcompute()))
