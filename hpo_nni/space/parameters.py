# ruff: noqa: D102  (what the methods promise stands once, in Parameter and Scalar)
"""One class per type of NNI's search-space language.

The types, their bounds and their rounding are those of NNI's reference (SearchSpaceSpec) and of
`nni.common.hpo_utils`, which the tests compare with.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from hpo_nni.space.numbers import find_number

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

_STANDARD = NormalDist()
_SMALLEST = 2.0**-53  # the least step of random.random(); its quantile lies 8.2 sigma out


class Parameter(abc.ABC):
    """One key of a search space. Values have the Python types that NNI's own tuners give them."""

    @abc.abstractmethod
    def sample(self, rng: random.Random) -> Any:
        """Draw one value, distributed as NNI's random tuner does."""

    @abc.abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether NNI could propose this value; numbers may be spelt as strings."""


class Scalar(Parameter):
    """A parameter with a view of itself on the unit interval.

    1. `from_unit(to_unit(value))` is the value: exactly for integers, choices and rounded types
       (where `q` is not lost in the digits of the value), to rounding errors for the others; the
       tails of normal types end 8 sigma out.
    2. `from_unit` takes any float and clips it to [0, 1]; what it returns, `contains` accepts.
    3. Uniform numbers become samples, for `from_unit` is the inverse of the distribution function.
    """

    @abc.abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at `unit`, a quantile of the parameter's distribution."""

    @abc.abstractmethod
    def to_unit(self, value: Any) -> float:
        """The place in [0, 1] of a value; raises ValueError for values that cannot have one."""

    def sample(self, rng: random.Random) -> Any:
        return self.from_unit(rng.random())


@dataclass(frozen=True)
class Choice(Scalar):
    """One of some options, each as likely as the others; an option may be any JSON value.

    The unit interval is cut into equal parts, in the order of the numbers where all options are
    numbers, else in the order in which they were written.
    """

    options: tuple[Any, ...]

    @property
    def is_ordered(self) -> bool:
        """Whether all options are numbers, so that near options are likely to do alike."""
        return all(find_number(option) is not None for option in self.options)

    def from_unit(self, unit: float) -> Any:
        return self.options[self._order[_part(unit, len(self.options))]]

    def to_unit(self, value: Any) -> float:
        for index, option in enumerate(self.options):
            if _is_same(option, value):
                return (self._order.index(index) + 0.5) / len(self.options)
        raise ValueError(f"{value!r} is none of the options {list(self.options)!r}")

    def contains(self, value: Any) -> bool:
        return any(_is_same(option, value) for option in self.options)

    @cached_property
    def _order(self) -> tuple[int, ...]:
        indices = range(len(self.options))
        if not self.is_ordered:
            return tuple(indices)
        return tuple(sorted(indices, key=lambda index: find_number(self.options[index]) or 0))


@dataclass(frozen=True)
class NestedChoice(Parameter):
    """One of some branches, each with parameters of its own (NNI's nested `_name`).

    A value is a dict: `{"_name": branch, key: value, ...}`.

    Attributes:
        branches: name -> the parameters of that branch, by key.
    """

    branches: Mapping[str, Mapping[str, Parameter]]

    @property
    def names(self) -> Choice:
        """The choice of the branch's name alone."""
        return Choice(tuple(self.branches))

    def sample(self, rng: random.Random) -> dict[str, Any]:
        name = self.names.sample(rng)
        inner = self.branches[name].items()
        return {"_name": name} | {key: parameter.sample(rng) for key, parameter in inner}

    def contains(self, value: Any) -> bool:
        if not isinstance(value, dict) or value.get("_name") not in self.branches:
            return False
        branch = self.branches[value["_name"]]
        return value.keys() == {"_name", *branch} and all(
            parameter.contains(value[key]) for key, parameter in branch.items()
        )


@dataclass(frozen=True)
class RandInt(Scalar):
    """An integer from `low` to `high`, which is excluded."""

    low: int
    high: int

    def from_unit(self, unit: float) -> int:
        return self.low + _part(unit, self.high - self.low)

    def to_unit(self, value: Any) -> float:
        number = _number(value)
        return _clip((number - self.low + 0.5) / (self.high - self.low), 0.0, 1.0)

    def contains(self, value: Any) -> bool:
        number = find_number(value)
        return number is not None and number == int(number) and self.low <= number < self.high


class Real(Scalar):
    """A parameter whose values are floats."""

    def contains(self, value: Any) -> bool:
        number = find_number(value)
        return number is not None and self._is_inside(number)

    @abc.abstractmethod
    def _is_inside(self, number: float) -> bool: ...


@dataclass(frozen=True)
class Uniform(Real):
    """A float from `low` to `high`, both included."""

    low: float
    high: float

    def from_unit(self, unit: float) -> float:
        width = self.high - self.low
        return _clip(self.low + _clip(unit, 0.0, 1.0) * width, self.low, self.high)

    def to_unit(self, value: Any) -> float:
        return _clip((_number(value) - self.low) / (self.high - self.low), 0.0, 1.0)

    def _is_inside(self, number: float) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True)
class LogUniform(Real):
    """A float from `low` to `high`, both above zero; its logarithm is uniform."""

    low: float
    high: float

    def from_unit(self, unit: float) -> float:
        return _clip(math.exp(self._logarithms.from_unit(unit)), self.low, self.high)

    def to_unit(self, value: Any) -> float:
        return self._logarithms.to_unit(math.log(max(_number(value), self.low)))

    def _is_inside(self, number: float) -> bool:
        return self.low <= number <= self.high

    @property
    def _logarithms(self) -> Uniform:
        return Uniform(math.log(self.low), math.log(self.high))


@dataclass(frozen=True)
class Normal(Real):
    """A float that is normally distributed; without bounds."""

    mu: float
    sigma: float

    def from_unit(self, unit: float) -> float:
        return self.mu + self.sigma * _STANDARD.inv_cdf(_clip(unit, _SMALLEST, 1 - _SMALLEST))

    def to_unit(self, value: Any) -> float:
        # NormalDist.cdf has no relative precision in the lower tail; erfc has
        return 0.5 * math.erfc((self.mu - _number(value)) / (self.sigma * math.sqrt(2)))

    def _is_inside(self, number: float) -> bool:
        return math.isfinite(number)


@dataclass(frozen=True)
class LogNormal(Real):
    """A float above zero whose logarithm is normally distributed with `mu` and `sigma`."""

    mu: float
    sigma: float

    def from_unit(self, unit: float) -> float:
        return math.exp(Normal(self.mu, self.sigma).from_unit(unit))

    def to_unit(self, value: Any) -> float:
        number = _number(value)
        return Normal(self.mu, self.sigma).to_unit(math.log(number)) if number > 0 else 0.0

    def _is_inside(self, number: float) -> bool:
        return number > 0


class Rounded(Real):
    """A real parameter that NNI rounds to multiples of `q`.

    Rounding is Python's (half to even), and bounds are applied after it, as NNI does: `quniform`
    over [1, 10] with q = 4 gives 1, 4, 8, for 0 and 12 lie outside.
    """

    q: float

    @property
    @abc.abstractmethod
    def unrounded(self) -> Real:
        """The same distribution before rounding."""

    @property
    def bounds(self) -> tuple[float, float]:
        """What values are clipped to."""
        return -math.inf, math.inf

    def from_unit(self, unit: float) -> float:
        return self._round(self.unrounded.from_unit(unit))

    def to_unit(self, value: Any) -> float:
        return self.unrounded.to_unit(value)

    def _is_inside(self, number: float) -> bool:
        return math.isclose(self._round(number), number, rel_tol=1e-9, abs_tol=self.q * 1e-9)

    def _round(self, number: float) -> float:
        return float(_clip(round(number / self.q) * self.q, *self.bounds))


@dataclass(frozen=True)
class QUniform(Rounded):
    """A multiple of `q`, clipped to `low` and `high`."""

    low: float
    high: float
    q: float

    @property
    def unrounded(self) -> Uniform:
        return Uniform(self.low, self.high)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class QLogUniform(Rounded):
    """A multiple of `q`, log-uniform before rounding, clipped to `low` and `high`."""

    low: float
    high: float
    q: float

    @property
    def unrounded(self) -> LogUniform:
        return LogUniform(self.low, self.high)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class QNormal(Rounded):
    """A multiple of `q`, normal before rounding."""

    mu: float
    sigma: float
    q: float

    @property
    def unrounded(self) -> Normal:
        return Normal(self.mu, self.sigma)


@dataclass(frozen=True)
class QLogNormal(Rounded):
    """A multiple of `q`, log-normal before rounding; 0 is possible."""

    mu: float
    sigma: float
    q: float

    @property
    def unrounded(self) -> LogNormal:
        return LogNormal(self.mu, self.sigma)

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, math.inf


def _clip(number: float, low: float, high: float) -> float:
    return min(max(number, low), high)


def _part(unit: float, parts: int) -> int:
    """The index of the equal part of [0, 1] in which `unit` lies."""
    return min(int(_clip(unit, 0.0, 1.0) * parts), parts - 1)


def _number(value: Any) -> float:
    number = find_number(value)
    if number is None:
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _is_same(option: Any, value: Any) -> bool:
    """Equality as JSON means it: `true` is not 1, and "1e-3" is 0.001."""
    if isinstance(option, bool) or isinstance(value, bool):
        return option is value
    number = find_number(option)
    return option == value or (number is not None and number == find_number(value))
