"""What earlier sweeps teach: where their best points were, and how their points ranked.

Scores of different days or data sets are never compared; within a sweep they are ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from hpo_nni.optimizers.base import Outcome
from hpo_nni.optimizers.gaussian_process import GaussianProcess, Scales, fit_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.optimizers.cube import Cube


MOST_OF_A_SWEEP = 60  # results, the last sweeps first
MOST = 200
MOST_REPEATED = 5  # sweeps whose best point is tried again
MOST_TRUSTED = 0.9  # of a first guess


class EarlierSweeps:
    """Earlier results, each sweep ranked by itself.

    Args:
        cube: of today's space; points that do not fit in it are left out.
        sweeps: the oldest first.
    """

    def __init__(
        self, cube: Cube, direction: Direction, sweeps: Sequence[Sequence[Observation]]
    ) -> None:
        self._cube = cube
        self._rows: list[Array] = []
        self._ranks: list[Array] = []
        self._model: GaussianProcess | None = None
        best: dict[bytes, Array] = {}
        for sweep in reversed(sweeps):
            rows, losses = self._fitting(sweep, direction)
            if len(rows):
                order = np.argsort(losses, kind="stable")
                best.setdefault(rows[order[0]].tobytes(), rows[order[0]])
                kept = order[:MOST_OF_A_SWEEP]
                ranks = np.empty(len(rows))
                ranks[order] = ndtri((np.arange(len(rows)) + 0.5) / len(rows))
                self._rows.append(rows[kept])
                self._ranks.append(ranks[kept])
        self.best = tuple(best.values())[:MOST_REPEATED]

    def __bool__(self) -> bool:
        return bool(self._rows)

    def guess(self, rows: Array, targets: Array) -> Callable[[Array], Array]:
        """A first guess of losses anywhere, scaled to agree with today's; 0 without sweeps.

        It is trusted as far as it explains today's losses, and not at all where it does not.
        """
        if not self:
            return lambda rows: np.zeros(len(rows))
        model = self._fitted()
        guessed = model.mean(rows)
        spread = guessed - guessed.mean()
        scale = float(
            spread @ (targets - targets.mean()) / (spread @ spread + 1e-9 + len(rows) / 10)
        )
        scale = min(max(scale, 0.0), MOST_TRUSTED)
        return lambda rows: scale * model.mean(rows)

    def _fitted(self) -> GaussianProcess:
        if self._model is None:
            rows = np.vstack(self._rows)[:MOST]
            ranks = np.concatenate(self._ranks)[:MOST]
            start = Scales.prior(self._cube.dimensions)
            scales = fit_scales(self._cube, rows, ranks, start, iterations=30)
            self._model = GaussianProcess(self._cube, rows, ranks, scales)
        return self._model

    def _fitting(self, sweep: Sequence[Observation], direction: Direction) -> tuple[Array, Array]:
        rows, losses = [], []
        for one in sweep:
            if one.outcome is Outcome.COMPLETE and one.score is not None:
                try:
                    rows.append(self._cube.encode(one.point))
                except ValueError:
                    continue
                losses.append(-direction.sign * one.score)
        return np.array(rows), np.array(losses)
