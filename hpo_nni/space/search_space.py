"""A whole search space: a mapping of keys to parameters, its samples, and its unit cube."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.space.parameters import NestedChoice, Parameter, Scalar

if TYPE_CHECKING:
    import random

_INACTIVE = 0.5  # the coordinate of a dimension that the point does not have


@dataclass(frozen=True)
class Condition:
    """A dimension exists only in points in which the choice at `path` takes the branch `name`."""

    path: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Dimension:
    """One axis of the unit cube.

    Attributes:
        path: the key; inside nested choices key, branch, key, branch, ..., key.
        parameter: what the axis stands for; the choice of names for a nested choice.
        condition: None for a dimension that every point has. The dimension it names comes earlier
            and may have a condition itself.
    """

    path: tuple[str, ...]
    parameter: Scalar
    condition: Condition | None = None


@dataclass(frozen=True, eq=False)
class SearchSpace(Mapping[str, Parameter]):
    """Keys and their parameters, in the order in which the user wrote them; equal as mappings are.

    Attributes:
        warnings: what was odd in the user's file but understood, each with its place.
        places: key -> `file:line:column`, for spaces that were read from a file.
    """

    parameters: Mapping[str, Parameter]
    warnings: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Parameter:
        return self.parameters[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def sample(self, rng: random.Random) -> dict[str, Any]:
        """Draw one point."""
        return {key: parameter.sample(rng) for key, parameter in self.items()}

    def contains(self, point: Mapping[str, Any]) -> bool:
        """Whether NNI could propose this point: all keys, no others, each value allowed."""
        return point.keys() == self.keys() and all(
            parameter.contains(point[key]) for key, parameter in self.items()
        )

    def flatten(self) -> tuple[Dimension, ...]:
        """All dimensions, those inside nested choices too, each after the one it depends on.

        >>> from hpo_nni.space.parameters import RandInt
        >>> SearchSpace({"units": RandInt(4, 17)}).flatten()[0].path
        ('units',)
        """
        return tuple(_flatten(self.parameters, (), None))

    def to_unit(self, point: Mapping[str, Any]) -> list[float]:
        """Place a point in the unit cube, one coordinate for each of `flatten()`.

        Dimensions that the point does not have stand at 0.5. Numbers outside their bounds go to
        the nearest one.

        Raises:
            ValueError: a key is missing, or a choice has no such option.
        """
        return list(_to_units(self.parameters, point, ()))

    def from_unit(self, vector: Sequence[float]) -> dict[str, Any]:
        """The point at a place in the unit cube; coordinates of absent dimensions do not matter.

        Raises:
            ValueError: the vector is not as long as `flatten()`.
        """
        if len(vector) != len(self.flatten()):
            raise ValueError(f"{len(vector)} coordinates for {len(self.flatten())} dimensions")
        return _from_units(self.parameters, iter(vector))


def _flatten(
    parameters: Mapping[str, Parameter], prefix: tuple[str, ...], condition: Condition | None
) -> Iterator[Dimension]:
    for key, parameter in parameters.items():
        path = (*prefix, key)
        if isinstance(parameter, NestedChoice):
            yield Dimension(path, parameter.names, condition)
            for name, branch in parameter.branches.items():
                yield from _flatten(branch, (*path, name), Condition(path, name))
        elif isinstance(parameter, Scalar):
            yield Dimension(path, parameter, condition)


def _to_units(
    parameters: Mapping[str, Parameter], values: Mapping[str, Any] | None, prefix: tuple[str, ...]
) -> Iterator[float]:
    """The coordinates of `values`; None stands for a branch that was not taken."""
    for key, parameter in parameters.items():
        path = (*prefix, key)
        value = None if values is None else _value_at(values, path)
        if isinstance(parameter, NestedChoice):
            name = value.get("_name") if isinstance(value, dict) else value
            yield _INACTIVE if values is None else _to_unit(parameter.names, name, path)
            for branch, inner in parameter.branches.items():
                is_taken = values is not None and branch == name
                yield from _to_units(inner, value if is_taken else None, (*path, branch))
        elif isinstance(parameter, Scalar):
            yield _INACTIVE if values is None else _to_unit(parameter, value, path)


def _value_at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if path[-1] not in values:
        raise ValueError(f"the point has no {'/'.join(path)!r}")
    return values[path[-1]]


def _to_unit(parameter: Scalar, value: Any, path: tuple[str, ...]) -> float:
    try:
        return parameter.to_unit(value)
    except ValueError as error:
        raise ValueError(f"{'/'.join(path)}: {error}") from error


def _from_units(parameters: Mapping[str, Parameter], units: Iterator[float]) -> dict[str, Any]:
    """The values at the next coordinates; takes those of branches that are not chosen, too."""
    values: dict[str, Any] = {}
    for key, parameter in parameters.items():
        if isinstance(parameter, NestedChoice):
            name = parameter.names.from_unit(next(units))
            branches = {
                branch: _from_units(inner, units) for branch, inner in parameter.branches.items()
            }
            values[key] = {"_name": name} | branches[name]
        elif isinstance(parameter, Scalar):
            values[key] = parameter.from_unit(next(units))
    return values
