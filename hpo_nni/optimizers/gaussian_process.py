"""Gaussian-process regression on the unit cube, with its length scales at their posterior mode.

The kernel is Matern 5/2 with one length scale for each dimension; names differ by a fixed distance
(Hamming). The prior of the length scales grows with the square root of the number of dimensions
(Hvarfner, Hellsten, Nardi: Vanilla Bayesian optimization performs great in high dimensions, 2024),
so that dimensions which do not matter switch themselves off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Axis


_ROOT5 = math.sqrt(5.0)
LENGTH_SPREAD = 1.2  # standard deviation of a length scale's logarithm
NOISE_MODE, NOISE_SPREAD = math.log(1e-3), 2.0  # of the noise's variance, likewise
AMPLITUDE_SPREAD = 0.7  # of the signal's variance, around 1
_JITTER = 1e-7


class Axes(Protocol):
    """What is asked of a cube: of which kind each coordinate of a row is."""

    @property
    def axes(self) -> Sequence[Axis]:
        """One for each coordinate."""
        ...

    @property
    def dimensions(self) -> int:
        """How many there are."""
        ...


@dataclass(frozen=True)
class Scales:
    """What the kernel is made of.

    Attributes:
        theta: logarithms: the length scale of each axis, the signal's variance, the noise's.
    """

    theta: Array

    @classmethod
    def prior(cls, axes: int) -> Scales:
        """The mode of the prior."""
        return cls(np.concatenate([np.full(axes, _length_mode(axes)), [0.0, NOISE_MODE]]))


class GaussianProcess:
    """A fitted model of one number over the cube.

    Args:
        cube: whose axes are names or numbers.
        rows: canonical, one for each observation.
        targets: of mean 0 and variance 1, or so.
        scales: the kernel's.
        shared: a covariance of the targets beside the kernel's, of what is not the function:
            offsets that some of them have in common.
    """

    def __init__(
        self,
        cube: Axes,
        rows: Array,
        targets: Array,
        scales: Scales,
        shared: Array | None = None,
    ) -> None:
        self.cube = cube
        self.scales = scales
        self._shared = shared
        self.rows = rows
        self.targets = targets
        self._names = _names(cube)
        self._theta = scales.theta
        self._factor = self._factorised()
        self._weights = cho_solve((self._factor, True), targets, check_finite=False)

    @property
    def noise(self) -> float:
        """The variance of a result around the function."""
        return math.exp(self._theta[-1])

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noiseless function at each row."""
        cross = self._kernel(rows, self.rows)
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = math.exp(self._theta[-2]) - np.einsum("ij,ij->j", half, half)
        return cross @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def mean(self, rows: Array) -> Array:
        """The mean alone, which is much cheaper."""
        return np.asarray(self._kernel(rows, self.rows) @ self._weights)

    def with_fantasies(self, rows: Array) -> GaussianProcess:
        """The model as if it had been right about these rows: less doubt is left there."""
        if not len(rows):
            return self
        targets = np.concatenate([self.targets, self.mean(rows)])
        return GaussianProcess(self.cube, np.vstack([self.rows, rows]), targets, self.scales)

    def _factorised(self) -> Array:
        covariance = self._kernel(self.rows, self.rows)
        if self._shared is not None:
            covariance += self._shared
        diagonal = np.diag_indices(len(self.rows))
        covariance[diagonal] += self.noise + _JITTER
        for _ in range(8):
            try:
                return np.asarray(cholesky(covariance, lower=True, check_finite=False))
            except np.linalg.LinAlgError:  # the same row many times, and hardly any noise
                covariance[diagonal] += 1e-5 * math.exp(self._theta[-2])
        return np.asarray(cholesky(covariance, lower=True))

    def _kernel(self, left: Array, right: Array) -> Array:
        lengths = np.exp(self._theta[:-2])
        squares = _square_distances(left / lengths, right / lengths, ~self._names)
        for axis in np.flatnonzero(self._names):
            differ = left[:, axis, None] != right[None, :, axis]
            squares += differ / lengths[axis] ** 2
        scaled = _ROOT5 * np.sqrt(squares)
        matern = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
        return math.exp(self._theta[-2]) * matern


@dataclass(frozen=True)
class Caution:
    """How far scales may go from their prior.

    Attributes:
        shortest: the least logarithm of a length scale, relative to the prior's.
        least_noise: the least logarithm of the noise's variance.
    """

    shortest: float = -6.0
    least_noise: float = NOISE_MODE - 6.0


def fit_scales(  # noqa: PLR0913 - keywords
    cube: Axes,
    rows: Array,
    targets: Array,
    start: Scales,
    *,
    iterations: int,
    caution: Caution = Caution(),
    shared: Array | None = None,
) -> Scales:
    """The scales that explain the targets best, searched from `start` for so many iterations."""
    names = _names(cube)
    differences = np.stack(
        [
            (rows[:, axis, None] != rows[None, :, axis]).astype(float)
            if names[axis]
            else (rows[:, axis, None] - rows[None, :, axis]) ** 2
            for axis in range(cube.dimensions)
        ]
    )
    flat = differences.reshape(cube.dimensions, -1)
    mode = Scales.prior(cube.dimensions).theta
    spread = np.concatenate(
        [np.full(cube.dimensions, LENGTH_SPREAD), [AMPLITUDE_SPREAD, NOISE_SPREAD]]
    )

    def loss(theta: Array) -> tuple[float, Array]:
        return _loss(theta, flat, targets, (mode, spread), shared)

    least = np.concatenate(
        [mode[:-2] + caution.shortest, [mode[-2] - 6.0, max(mode[-1] - 6.0, caution.least_noise)]]
    )
    found = minimize(
        loss,
        np.clip(start.theta, least, mode + 6.0),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(least, mode + 6.0, strict=True)),
        options={"maxiter": iterations, "maxfun": 2 * iterations},
    )
    return Scales(np.asarray(found.x)) if np.all(np.isfinite(found.x)) else start


def _loss(
    theta: Array,
    flat: Array,
    targets: Array,
    prior: tuple[Array, Array],
    shared: Array | None,
) -> tuple[float, Array]:
    """The negative logarithm of the posterior density of theta, and its gradient."""
    count = len(targets)
    inverse_squares = np.exp(-2.0 * theta[:-2])
    scaled = _ROOT5 * np.sqrt(inverse_squares @ flat).reshape(count, count)
    decay = math.exp(theta[-2]) * np.exp(-scaled)
    signal = (1.0 + scaled + scaled**2 / 3.0) * decay
    noise = math.exp(theta[-1])
    covariance = signal.copy() if shared is None else signal + shared
    covariance[np.diag_indices(count)] += noise + _JITTER
    try:
        factor = cholesky(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    weights = cho_solve((factor, True), targets, check_finite=False)
    inverse, _ = dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    outer = np.outer(weights, weights) - inverse
    mode, spread = prior
    off = (theta - mode) / spread
    value = 0.5 * targets @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    slopes = outer * (decay * (1.0 + scaled) * (5.0 / 3.0))
    gradient = np.empty_like(theta)
    gradient[:-2] = -0.5 * (flat @ slopes.ravel()) * inverse_squares
    gradient[-2] = -0.5 * np.einsum("ij,ij->", outer, signal)
    gradient[-1] = -0.5 * noise * np.trace(outer)
    return float(value), gradient + off / spread


def _length_mode(axes: int) -> float:
    return math.log(0.6) + 0.5 * math.log(max(axes, 1) / 2.0)


def _names(cube: Axes) -> Array:
    return np.array([not axis.is_ordered for axis in cube.axes], dtype=bool)


def _square_distances(left: Array, right: Array, axes: Array) -> Array:
    left, right = left[:, axes], right[:, axes]
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2.0 * left @ right.T
    return np.asarray(np.maximum(squares, 0.0))
