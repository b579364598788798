"""A search space around a config: fields that are usually tuned, and really are in it.

Every key is tried out with the engine that trials use, with the values at the ends of its range: it
must select the values that were seen, and what it writes must read back.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import Kind, apply_edits, find_values, to_data
from hpo_nni.documents.keypath import Field, Index, KeyPath, Predicate, Slice
from hpo_nni.drafts.usual_fields import FLOORS, USUAL_FIELDS, number
from hpo_nni.errors import HpoNniError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hpo_nni.documents import ConfigDocument, Node
    from hpo_nni.documents.keypath import Part
    from hpo_nni.drafts.usual_fields import Entry, UsualField

MOST_KEYS = 12  # more dimensions than a first search of some dozens of trials can use
_MOST_ALIKE = 4  # lists in the items of one list that get keys of their own


@dataclass(frozen=True)
class Proposal:
    """One key of the search space.

    Attributes:
        entry: as it stands in `search_space.json`.
        present: the values that the key selects now.
    """

    key: str
    entry: Entry
    present: tuple[Any, ...]


@dataclass(frozen=True)
class _Place:
    """A value, or the same field of several items of a list.

    Attributes:
        values: of each; a list stands as a whole.
        beside: the plain values of the group that the (first) field is in.
    """

    parts: tuple[Part, ...]
    values: tuple[Any, ...]
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        last = self.parts[-1] if self.parts else None
        return last.name if isinstance(last, Field) else ""


def propose_space(
    document: ConfigDocument, parse: Callable[[str], ConfigDocument], most: int = MOST_KEYS
) -> list[Proposal]:
    """What to search, the fields that usually matter most first; empty where none is known.

    Args:
        document: the config.
        parse: reads a text of the same format.
        most: keys.

    >>> from hpo_nni.documents.prototext import PrototextDocument as P
    >>> [(p.key, p.entry) for p in propose_space(P.parse("lr: 0.01 name: 'x'"), P.parse)]
    [('lr', {'_type': 'loguniform', '_value': [0.001, 0.1]})]
    """
    places = list(_walk(document, document.root(), ()))
    found: list[Proposal] = []
    for row in USUAL_FIELDS:
        for place in places:
            if row.is_called(place.name):
                proposal = _proposal(row, place)
                if proposal is not None and _works(document, parse, proposal):
                    found.append(proposal)
    return found[:most]


def _walk(document: ConfigDocument, node: Node, parts: tuple[Part, ...]) -> Iterator[_Place]:
    if node.kind is Kind.MAP:
        scalars = {
            name: to_data(document, child)
            for name, child in node.content.items()
            if child.kind not in {Kind.MAP, Kind.LIST}
        }
        for name, child in node.content.items():
            if not isinstance(name, str) or name == "<<":
                continue
            inner = (*parts, Field(name))
            if child.kind in {Kind.MAP, Kind.LIST}:
                yield from _walk(document, child, inner)
            else:
                yield _Place(inner, (scalars[name],), scalars)
    elif node.kind is Kind.LIST and any(item.kind is Kind.MAP for item in node.content):
        yield from _walk_items(document, node.content, parts)
    elif node.kind is Kind.LIST and parts:
        yield _Place(parts, (to_data(document, node),))


def _walk_items(
    document: ConfigDocument, items: Sequence[Node], parts: tuple[Part, ...]
) -> Iterator[_Place]:
    """The fields of all items: a number has one key for all of them, each list has its own."""
    alike: dict[tuple[Part, ...], list[tuple[int, _Place]]] = {}
    for position, item in enumerate(items):
        for place in _walk(document, item, ()):
            alike.setdefault(place.parts, []).append((position, place))
    for inner, found in alike.items():
        if isinstance(found[0][1].values[0], list):
            for position, place in found[:_MOST_ALIKE]:
                yield _Place((*parts, Index((position,)), *inner), place.values)
            continue
        path = tuple(part for part in inner if isinstance(part, Field))
        if len(found) == len(items):
            yield _together((*parts, Slice(), *inner), found)
        elif path == inner:
            yield _together((*parts, Predicate(path), *inner), found)


def _together(parts: tuple[Part, ...], found: Sequence[tuple[int, _Place]]) -> _Place:
    values = tuple(value for _, place in found for value in place.values)
    return _Place(parts, values, found[0][1].beside)


def _proposal(row: UsualField, place: _Place) -> Proposal | None:
    parts, values = place.parts, place.values
    if row.takes_items and isinstance(values[0], list):
        parts, values = (*parts, Slice()), tuple(values[0])
    present = [_numeric(value) for value in values]
    if not present or any(value is None for value in present):
        return None
    if any(value != present[0] for value in present) and not row.levels:
        return None  # that they differ is somebody's design
    floors = [number(place.beside.get(name)) or 0.0 for name in FLOORS]
    middle = present[0] if isinstance(present[0], list) else statistics.median_low(present)
    entry = row.entry(middle, max(floors))
    return None if entry is None else Proposal(str(KeyPath(parts)), entry, values)


def _numeric(value: Any) -> Any:
    """A number, or a list of numbers; None for anything else."""
    if not isinstance(value, list):
        return number(value)
    numbers = [number(item) for item in value]
    return numbers if numbers and None not in numbers else None


def _works(
    document: ConfigDocument, parse: Callable[[str], ConfigDocument], proposal: Proposal
) -> bool:
    """Whether trials can do with the key what it is proposed for."""
    try:
        if find_values(document, proposal.key) != list(proposal.present):
            return False
        for value in _ends(proposal.entry):
            edited = parse(apply_edits(document, {proposal.key: value}).text)
            read = find_values(edited, proposal.key)
            if any(_numeric(one) != value for one in read):
                return False
    except HpoNniError:
        return False
    return True


def _ends(entry: Entry) -> list[Any]:
    values = entry["_value"]
    if entry["_type"] == "choice":
        return list(values)
    return [values[0], values[1] - 1 if entry["_type"] == "randint" else values[1]]
