"""A trial's parameters as EasyRec takes them on MaxCompute: `-Dedit_config_json`.

There the JSON travels in single quotes and is read by `yaml.safe_load`, which is not quite JSON's
reader: keys have at most 1,024 characters, `1e-05` is a string, escapes of surrogate pairs are two
characters. What is written here means the same to both, and holds no single quote.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import CommandSyntaxError, ValueMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.platforms.pai_command import XFlow

PARAMETER = "edit_config_json"
LONGEST_KEY = 1000  # characters of JSON, quotes included; YAML ends at 1,024
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(?:-?\d+)?:(?:-?\d+)?")
# one field or one of its items, an operator, a bare value
_CONDITION = re.compile(r"\w+(?:\[\d+\])?(?:>=|<=|>|<|=)(?![=\s\"']).*", re.DOTALL)
EXACT = 2**53  # up to here a whole float is one integer
_SEPARATOR = re.compile(r";(?![^\[\]]*\])")
# of a date or a tag that is none, as in `!!int x`, and of too many brackets
_YAML_FAULTS = (ValueError, AttributeError, LookupError, TypeError, RecursionError)


def with_edits(xflow: XFlow, point: Mapping[str, Any]) -> XFlow:
    """Add a trial's point to what the command edits anyway; the point wins where both do.

    Tied keys become keys of their own, and so do the keys inside a combined value.

    >>> from hpo_nni.platforms.pai_command import XFlow
    >>> with_edits(XFlow("a", "b"), {"x;y": "1;2", "z": 1e-05}).parameters
    {'edit_config_json': '{"x": "1", "y": "2", "z": 1.0e-05}'}

    Raises:
        CommandSyntaxError: the command's own `-Dedit_config_json` is not a JSON object.
        ValueMismatchError: tied keys with too few values, a value that JSON cannot hold, a key
            that is too long.
    """
    edits = read_edits(xflow.parameters.get(PARAMETER, ""))
    for key, value in _untied(point):
        edits.pop(key, None)  # so that edits are made in the order of the search space
        edits[key] = value
    if not edits:
        return xflow
    return replace(xflow, parameters={**xflow.parameters, PARAMETER: write_edits(edits)})


def read_edits(text: str) -> dict[str, Any]:
    """Read a `-Dedit_config_json`, the way that EasyRec does.

    Raises:
        CommandSyntaxError: it is not a JSON object.
    """
    if not text.strip():
        return {}
    import yaml  # noqa: PLC0415 - 20 ms that other jobs need not pay

    try:
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        offset = error.problem_mark.index if error.problem_mark else 0
        fact = f"-D{PARAMETER} is not JSON: {error.problem}"
        raise CommandSyntaxError(text, offset, fact) from error
    except (yaml.YAMLError, *_YAML_FAULTS) as error:
        fact = f"-D{PARAMETER} is not JSON: {_reason(error)}"
        raise CommandSyntaxError(text, 0, fact) from error
    if not isinstance(found, dict):
        fact = f"-D{PARAMETER} is not a JSON object"
        raise CommandSyntaxError(text, 0, fact, hint='as in {"train_config.num_steps": 1000}')
    return {str(key): value for key, value in found.items()}


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error).splitlines() or ["it cannot be read"])[0]


def write_edits(edits: Mapping[str, Any]) -> str:
    """Write JSON that JSON's reader and YAML's understand alike, without a single quote.

    Raises:
        ValueMismatchError: a value that JSON cannot hold, or a key that is too long for YAML.
    """
    for key in edits:
        if len(_text(key)) > LONGEST_KEY:
            raise ValueMismatchError(
                f"the key {key[:60]}... has {len(key)} characters, {LONGEST_KEY} are possible here",
                hint="split it, or let the edited config be uploaded (see [params_config])",
            )
    return _json(dict(edits))


def _untied(point: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in point.items():
        if isinstance(value, dict):  # a combined value: each inner key is a key of its own
            inner = {name: item for name, item in value.items() if name != "_name"}
            yield from _untied(inner)
            continue
        keys = [_as_easyrec_has_it(part.strip()) for part in _SEPARATOR.split(key)]
        yield from zip(keys, _parts(value, len(keys), key), strict=True)


def _as_easyrec_has_it(key: str) -> str:
    """The key without our `+`, for EasyRec adds fields anyway.

    Raises:
        ValueMismatchError: its editor would pass over the key, or do harm.
    """
    key = key.removeprefix("+").lstrip()
    foreign = _foreign_form(key)
    if foreign:
        raise ValueMismatchError(
            f"{key}: EasyRec's own editor, which gets it in -D{PARAMETER}, {foreign}",
            hint="write the key otherwise, or let the edited config be uploaded (see"
            " [params_config]): there it works",
        )
    return key


def _foreign_form(key: str) -> str:
    """What EasyRec does not have of a key path, as the end of a sentence; empty if it has all."""
    if key.startswith(("$.", "$[")) or key == "$":
        return "knows no JSONPath"
    inside, outside, at_end = _brackets(key)
    if '"' in outside or "'" in outside:
        return "knows no names in quotes"
    if "[][]" in outside:
        return "takes one pair of brackets"
    for place, selector in enumerate(inside):
        if _SLICE.fullmatch(selector):
            if at_end and place == len(inside) - 1:
                return f"empties the group around a slice at the end, such as [{selector}]"
        elif not (_INDEX.fullmatch(selector) or _CONDITION.fullmatch(selector)):
            return f"does not know [{selector}]"
    return ""


def _brackets(key: str) -> tuple[list[str], str, bool]:
    """What stands in the outermost brackets, the rest with `[]` for them, and if one is last."""
    inside, outside, depth = [], "", 0
    for sign in key:
        depth += sign == "["
        if depth == 1 and sign == "[":
            inside.append("")
            outside += "[]"
        elif depth == 0:
            outside += sign
        elif not (depth == 1 and sign == "]"):
            inside[-1] += sign
        depth -= sign == "]" and depth > 0
    return inside, outside, outside.endswith("[]")


def _parts(value: Any, count: int, key: str) -> list[Any]:
    """The values of tied keys, one for each."""
    if count == 1:
        return [value]
    parts = [part.strip() for part in value.split(";")] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != count:
        raise ValueMismatchError(
            f"{key}: {count} tied keys need {count} values, and {value!r} has not",
            hint="write 'v1;v2' or [v1, v2]",
        )
    return list(parts)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(k))}: {_json(item)}" for k, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float) and math.isfinite(value):
        if value.is_integer() and abs(value) < EXACT:  # EasyRec refuses 16.0 for an integer field
            return str(int(value))
        digits = repr(value)
        return digits if "." in digits else digits.replace("e", ".0e")
    raise ValueMismatchError(f"{value!r} cannot be a value in -D{PARAMETER}")


def _text(value: str) -> str:
    """A JSON string; characters beyond 16 bits stand for themselves, for YAML knows no pairs."""
    plain = "".join(
        char if ord(char) > 0xFFFF else json.dumps(char)[1:-1].replace("'", "\\u0027")
        for char in value
    )
    return f'"{plain}"'
