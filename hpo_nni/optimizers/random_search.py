"""Random search: the yardstick for all others, and what is left when they fail."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.optimizers.base import Observation
    from hpo_nni.space import SearchSpace


class RandomSearch:
    """Independent draws, distributed as NNI's random tuner draws them."""

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        self._space = space
        self._rng = random.Random(seed)  # noqa: S311 - no secrets here

    def ask(self) -> dict[str, Any]:
        """Draw a point."""
        return self._space.sample(self._rng)

    def tell(self, observations: Sequence[Observation]) -> None:
        """Nothing is learnt."""
