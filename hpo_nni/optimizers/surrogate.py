"""Models of one number each, refitted when enough is new, and what they promise together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.optimizers.gaussian_process import Caution, GaussianProcess, Scales, fit_scales

if TYPE_CHECKING:
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Cube


FIRST_FITS = 60  # up to so many results a fit is thorough
THOROUGH, QUICK = 30, 15  # iterations
REFIT_SHARE = 12  # refit when a twelfth of the results is new


@dataclass
class Surrogate:
    """A Gaussian process that remembers its scales.

    Refitting is what costs: it happens when the history has grown by a twelfth, and starts at the
    last scales.
    """

    cube: Cube
    caution: Caution = field(default_factory=Caution)
    scales: Scales | None = None
    fitted: int = field(default=-1)

    def model(self, rows: Array, targets: Array, known: int) -> GaussianProcess:
        """The model of these rows, drawn from a history of `known` results."""
        if self.scales is None or known - self.fitted >= max(1, known // REFIT_SHARE):
            start = self.scales or Scales.prior(self.cube.dimensions)
            iterations = THOROUGH if known <= FIRST_FITS else QUICK
            self.scales = fit_scales(
                self.cube, rows, targets, start, iterations=iterations, caution=self.caution
            )
            self.fitted = known
        return GaussianProcess(self.cube, rows, targets, self.scales)


def standardised(values: Array) -> tuple[Array, float, float]:
    """Values of mean 0 and variance 1, and the mean and the deviation they had."""
    mean, deviation = float(values.mean()), float(values.std())
    if not math.isfinite(deviation) or deviation < 1e-12:
        deviation = 1.0
    return (values - mean) / deviation, mean, deviation
