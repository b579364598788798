"""The fields that people tune, by their names, and the range around a value that is there.

The ranges are where a first search looks: a factor of ten for rates and penalties, a factor of two
for sizes. Rows stand in the order of what usually matters most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hpo_nni.documents.values import as_number

if TYPE_CHECKING:
    from collections.abc import Callable

Entry: TypeAlias = "dict[str, Any]"

_ZERO_PENALTY = (1e-7, 1e-3)  # where a penalty of 0 begins to be one
_USUAL_DROPOUT = 0.5
_SMALLEST_WIDTH = 4  # smaller numbers count something else, such as colours


@dataclass(frozen=True)
class UsualField:
    """A row of the table.

    Attributes:
        names: a pattern for the field's whole name in lower case, without `_`, `-` and dots.
        entry: what to search around a number, or a list of them; None where nothing is sensible.
            It gets the value and the floor that stands beside it, such as a smallest rate.
        takes_items: whether in a list each item is such a value; else the list is one.
        levels: whether items that differ may all be set to one value.
    """

    names: str
    entry: Callable[[Any, float], Entry | None]
    takes_items: bool = True
    levels: bool = False

    def is_called(self, name: str) -> bool:
        """Whether a field of this name is meant."""
        return re.fullmatch(self.names, re.sub(r"[_.\-]", "", name.lower())) is not None


def _rate(value: Any, floor: float) -> Entry | None:
    if not 0 < value < 100:
        return None
    return {
        "_type": "loguniform",
        "_value": [max(_rounded(value / 10), floor), _rounded(value * 10)],
    }


def _penalty(value: Any, _: float) -> Entry | None:
    if not 0 <= value < 1:
        return None
    low, high = (value / 10, value * 10) if value else _ZERO_PENALTY
    return {"_type": "loguniform", "_value": [_rounded(low), _rounded(high)]}


def _dropout(value: Any, _: float) -> Entry | None:
    if not 0 <= value < 1:
        return None
    most = _USUAL_DROPOUT if value <= _USUAL_DROPOUT - 0.1 else (1 + value) / 2
    return {"_type": "uniform", "_value": [0.0, _rounded(most)]}


def _part(value: Any, _: float) -> Entry | None:
    return {"_type": "uniform", "_value": [0.5, 1.0]} if 0 < value <= 1 else None


def _smoothing(value: Any, _: float) -> Entry | None:
    return {"_type": "uniform", "_value": [0.0, 0.2]} if 0 <= value < 1 else None


def _momentum(value: Any, _: float) -> Entry | None:
    return {"_type": "uniform", "_value": [0.8, 0.99]} if 0 < value < 1 else None


def _size(value: Any, _: float) -> Entry | None:
    if not isinstance(value, int) or value < _SMALLEST_WIDTH:
        return None
    return {"_type": "choice", "_value": [value // 2, value, value * 2]}


def _widths(value: Any, _: float) -> Entry | None:
    """Layers half as wide, as they are, and twice as wide; their number belongs to other fields."""
    widths = value if isinstance(value, list) else [value]
    if any(not isinstance(one, int) or one < _SMALLEST_WIDTH for one in widths):
        return None
    if not isinstance(value, list):
        return _size(value, 0.0)
    return {
        "_type": "choice",
        "_value": [[w // 2 for w in widths], widths, [w * 2 for w in widths]],
    }


def _count(value: Any, _: float) -> Entry | None:
    if not isinstance(value, int) or not 1 <= value <= 64:
        return None
    return {"_type": "randint", "_value": [max(1, value - 1), value + 2]}


USUAL_FIELDS = (
    UsualField("(initial|base|max|peak|init)?(lr|learningrate)(base|init|max)?|eta0?", _rate),
    UsualField("(embedding|embed|emb|factor|latent)(dims?|size|dimension)", _size, levels=True),
    UsualField(
        "(\\w*hidden|dnn\\w*|mlp|layer|fc)(units|sizes?|dims?|layersizes|channels)"
        "|numunits|widths?|dmodel|ffndim|channels",
        _widths,
        takes_items=False,
    ),
    UsualField("\\w*dropout\\w*|drop(rate|path|pathrate|prob)|pdrop", _dropout),
    UsualField(
        "\\w*(l1|l2)(reg|regularization|regularizer|penalty|lambda)?|lambda(l1|l2)|weightdecay|wd"
        "|reg(lambda|alpha)|\\w*regularization",
        _penalty,
    ),
    UsualField("(train|perdevicetrain)?batchsize", _size),
    UsualField("(num|n)?(experts?|leaves)|numheads|nheads", _size),
    UsualField("(num|n)(hidden)?layers|maxdepth|depth", _count),
    UsualField("labelsmoothing", _smoothing),
    UsualField("momentum", _momentum),
    UsualField("subsample|colsamplebytree|(feature|bagging)fraction", _part),
)
FLOORS = ("min_learning_rate", "end_learning_rate", "min_lr", "eta_min")


def number(value: Any) -> int | float | None:
    """The number that a config's value is, or spells as YAML's `1e-3` does; None for others.

    >>> number(3), number("1e-3"), number(True), number("relu")
    (3, 0.001, None, None)
    """
    if isinstance(value, str):
        return as_number(value)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _rounded(value: float) -> float:
    """Three digits say enough of a bound.

    >>> _rounded(0.001 / 10), _rounded(2 / 3)
    (0.0001, 0.667)
    """
    return float(f"{value:.3g}")
