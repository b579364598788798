"""A price table: what an hour of each resource costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB = "job"  # the price of an hour of any job, whatever it takes


@dataclass(frozen=True)
class Prices:
    """What an hour costs, as far as users have said so.

    Attributes:
        currency: as users write it; only printed.
        per_hour: `cpu` (a core), `gpu` (a card of any type), `gpu:TYPE`, `memory` (a GB) or `job`
            (a job, whatever it takes) -> an amount that is not negative.
    """

    currency: str = ""
    per_hour: Mapping[str, float] = field(default_factory=dict)

    def rate(self, resources: Mapping[str, float]) -> float | None:
        """What an hour of a job with these resources costs; None if no price applies.

        >>> Prices("CNY", {"cpu": 0.5, "gpu:v100": 20}).rate({"cpu": 4, "gpu:v100": 1})
        22.0
        >>> Prices("CNY", {"cpu": 0.5}).rate({}) is None
        True
        """
        parts = [amount * price for amount, price in self._priced(resources)]
        if JOB in self.per_hour:
            parts.append(self.per_hour[JOB])
        return sum(parts) if parts else None

    def unpriced(self, resources: Mapping[str, float]) -> list[str]:
        """The resources that the table has no price for.

        >>> Prices("CNY", {"cpu": 0.5}).unpriced({"cpu": 4, "gpu:v100": 1})
        ['gpu:v100']
        """
        return [kind for kind in resources if self._price(kind) is None]

    def _priced(self, resources: Mapping[str, float]) -> list[tuple[float, float]]:
        found = [(amount, self._price(kind)) for kind, amount in resources.items()]
        return [(amount, price) for amount, price in found if price is not None]

    def _price(self, kind: str) -> float | None:
        return self.per_hour.get(kind, self.per_hour.get(kind.partition(":")[0]))


def money(amount: float, currency: str = "") -> str:
    """An amount as people write it; small ones keep two digits that say something.

    >>> money(1234.5, "CNY"), money(0.00123)
    ('1234.50 CNY', '0.0012')
    """
    text = f"{amount:.2f}" if amount == 0 or abs(amount) >= 0.1 else f"{amount:.2g}"
    return f"{text} {currency}".rstrip()
