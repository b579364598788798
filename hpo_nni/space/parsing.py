"""From data in NNI's search-space language to a SearchSpace, with all faults at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.registry import did_you_mean
from hpo_nni.space import parameters
from hpo_nni.space.located import Located, locate
from hpo_nni.space.numbers import find_number, restore_numbers
from hpo_nni.space.search_space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.space.parameters import Parameter


@dataclass(frozen=True)
class _Type:
    """One row of NNI's table of types: the class and what `_value` lists."""

    make: Callable[..., Parameter]
    names: tuple[str, ...]


_RANGE, _BELL = ("low", "high"), ("mu", "sigma")
_TYPES = {
    "randint": _Type(parameters.RandInt, _RANGE),
    "uniform": _Type(parameters.Uniform, _RANGE),
    "quniform": _Type(parameters.QUniform, (*_RANGE, "q")),
    "loguniform": _Type(parameters.LogUniform, _RANGE),
    "qloguniform": _Type(parameters.QLogUniform, (*_RANGE, "q")),
    "normal": _Type(parameters.Normal, _BELL),
    "qnormal": _Type(parameters.QNormal, (*_BELL, "q")),
    "lognormal": _Type(parameters.LogNormal, _BELL),
    "qlognormal": _Type(parameters.QLogNormal, (*_BELL, "q")),
}
_LARGEST_LOGARITHM = math.log(1e300)
_TAIL = 9  # sigmas; no sample of ours lies further out


def parse_space(data: Any, *, source: str = "searchSpace") -> SearchSpace:
    """Build a space from data: what NNI hands to a tuner, or `searchSpace` of a config.yml.

    Args:
        data: `{key: {"_type": ..., "_value": [...]}}`.
        source: what the messages call the place it came from.

    Raises:
        SettingsError: with every fault.

    >>> parse_space({"lr": {"_type": "loguniform", "_value": ["1e-5", 0.1]}})["lr"]
    LogUniform(low=1e-05, high=0.1)
    """
    return parse_located(locate(data), source=source)


def parse_located(node: Located, *, source: str, warnings: Sequence[str] = ()) -> SearchSpace:
    """As `parse_space`, for data that knows its lines; `warnings` come before those found here."""
    parser = _Parser(source)
    found = parser.parse_keys(node, ())
    if parser.problems:
        raise SettingsError(parser.problems)
    if not found:
        parser.warn(node, "the search space is empty: all trials will run the same parameters")
    places = {key: f"{source}:{item.line}:{item.column}" for key, item in node.value if item.line}
    return SearchSpace(found, (*warnings, *parser.warnings), places)


@dataclass
class _Parser:
    """One pass over a space; problems and warnings gather on the way."""

    source: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def parse_keys(self, node: Located, path: tuple[str, ...]) -> dict[str, Parameter]:
        """Read a mapping of keys to specifications; inside nested choices `_name` is skipped."""
        if node.kind != "mapping":
            where = f"{'/'.join(path)}: a branch" if path else "a search space"
            self._fault(
                node, f"{where} is a mapping of keys to {{_type, _value}}, not {_kind(node)}"
            )
            return {}
        found: dict[str, Parameter] = {}
        first_lines: dict[str, int] = {}
        for key, specification in node.value:
            if path and key == "_name":
                continue
            if key in first_lines:
                seen = f", first in line {first_lines[key]}" if first_lines[key] else ""
                self._fault(specification, f"{'/'.join((*path, key))} is there twice{seen}")
            first_lines[key] = specification.line
            parameter = self._parameter(specification, (*path, key))
            if parameter is not None:
                found[key] = parameter
        return found

    def warn(self, node: Located, message: str) -> None:
        """Note something odd that does no harm."""
        self.warnings.append(f"{self._where(node)}: {message}")

    def _parameter(self, node: Located, path: tuple[str, ...]) -> Parameter | None:
        key = "/".join(path)
        if node.kind != "mapping":
            self._fault(
                node,
                f"{key}: expected a mapping with _type and _value, found {_kind(node)}",
                hint='as in {"_type": "uniform", "_value": [0.1, 0.9]}',
            )
            return None
        fields = dict(node.value)
        missing = [name for name in ("_type", "_value") if name not in fields]
        unknown = [name for name in fields if name not in {"_type", "_value"}]
        for name in missing:
            hint = f"is {unknown[0]!r} a misspelling?" if unknown else ""
            self._fault(node, f"{key}: {name} is missing", hint=hint)
        if missing:
            return None
        for name in unknown:
            self.warn(fields[name], f"{key}: NNI knows no {name!r}; it is ignored")
        return self._typed(key, path, fields["_type"], fields["_value"])

    def _typed(
        self, key: str, path: tuple[str, ...], type_: Located, value: Located
    ) -> Parameter | None:
        name = type_.value
        if name != "choice" and (not isinstance(name, str) or name not in _TYPES):
            hint = did_you_mean(str(name), ["choice", *_TYPES])
            self._fault(type_, f"{key}: NNI has no type {type_.plain()!r}", hint=hint)
        elif value.kind != "list":
            self._fault(value, f"{key}: _value of a {name} is a list, not {_kind(value)}")
        elif name == "choice":
            return self._choice(key, path, value)
        else:
            return self._numeric(key, name, value)
        return None

    def _numeric(self, key: str, name: str, value: Located) -> Parameter | None:
        row = _TYPES[name]
        shape = f"[{', '.join(row.names)}]"
        if len(value.value) != len(row.names):
            found = len(value.value)
            self._fault(value, f"{key}: {name} takes {shape}, but there are {found} values")
            return None
        numbers = [find_number(item.value) for item in value.value]
        for item, number, part in zip(value.value, numbers, row.names, strict=True):
            if number is None:
                shown = repr(item.plain())
                self._fault(item, f"{key}: {part} of a {name} is a finite number, not {shown}")
        known = [number for number in numbers if number is not None]
        if len(known) != len(numbers):
            return None
        fault = _fault_in_range(name, dict(zip(row.names, known, strict=True)))
        if fault:
            self._fault(value, f"{key}: {fault[0]}", hint=fault[1])
            return None
        convert = int if name == "randint" else float
        return row.make(*(convert(number) for number in known))

    def _choice(self, key: str, path: tuple[str, ...], value: Located) -> Parameter | None:
        options = value.value
        if not options:
            self._fault(value, f"{key}: a choice needs at least one option")
            return None
        named = [option for option in options if _name_of(option) is not None]
        if len(named) == len(options):
            return self._nested(key, path, options)
        if named:
            self._fault(
                named[0],
                f"{key}: only some of its options have a _name",
                hint="give all of them a _name (nested parameters), or none (plain values)",
            )
            return None
        plain = [restore_numbers(option.plain()) for option in options]
        for index, option in enumerate(plain):
            if parameters.Choice(tuple(plain[:index])).contains(option):
                self.warn(options[index], f"{key}: option {option!r} is there twice")
        return parameters.Choice(tuple(plain))

    def _nested(self, key: str, path: tuple[str, ...], options: Sequence[Located]) -> Parameter:
        branches: dict[str, dict[str, Parameter]] = {}
        if len(path) > 1:  # seen in 2.10.1 and 3.0: KeyError in ParameterSpec.is_activated_in
            message = f"{key}: NNI's own tuners fail on a nested choice inside another; ours do not"
            self.warn(options[0], message)
        for option in options:
            name = str(_name_of(option))
            if name in branches:
                self._fault(option, f"{key}: two branches have the _name {name!r}")
            branches[name] = self.parse_keys(option, (*path, name))
        return parameters.NestedChoice(branches)

    def _fault(self, node: Located, message: str, *, hint: str = "") -> None:
        self.problems.append(Problem(self._where(node), message, hint))

    def _where(self, node: Located) -> str:
        return f"{self.source}:{node.line}:{node.column}" if node.line else self.source


def _fault_in_range(name: str, values: dict[str, int | float]) -> tuple[str, str] | None:
    """What is wrong with numbers that are numbers, as message and hint; None if nothing is."""
    low, high = values.get("low", 1), values.get("high", 2)
    mu, sigma, q = values.get("mu", 0), values.get("sigma", 1), values.get("q", 1)
    excluded = "; the upper bound is excluded" if name == "randint" else ""
    is_log = "log" in name
    faults = (
        (
            name == "randint" and (low != int(low) or high != int(high)),
            "the bounds of a randint are whole numbers",
            "quniform takes fractions",
        ),
        (low >= high, f"{name} from {low} to {high} is empty: low is below high{excluded}", ""),
        (is_log and low <= 0, f"low of a {name} is above zero, not {low}", "it has no logarithm"),
        (sigma <= 0, f"sigma of a {name} is above zero, not {sigma}", ""),
        (q <= 0, f"q of a {name} is above zero, not {q}", ""),
        (
            is_log and mu + _TAIL * sigma > _LARGEST_LOGARITHM,
            f"samples of a {name} with mu {mu} and sigma {sigma} overflow",
            "mu and sigma describe the logarithm of the value",
        ),
    )
    return next(((message, hint) for is_broken, message, hint in faults if is_broken), None)


def _name_of(option: Located) -> Any:
    return (
        dict(option.value).get("_name", Located(None)).value if option.kind == "mapping" else None
    )


def _kind(node: Located) -> str:
    names = {"mapping": "a mapping", "list": "a list"}
    return names.get(node.kind) or repr(node.value)
