"""Whether an item meets a condition in brackets, and what to say when none does.

Numbers are compared as numbers, enum names by name or number, everything else as text. A
condition on a list holds if it holds for any of its items. `!=` is the opposite of `=`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import ConfigDocument, EnumName, Kind, Node
from hpo_nni.documents.keypath import Field, Index, Predicate, join
from hpo_nni.documents.values import as_number
from hpo_nni.errors import KeyPathError, NoMatchError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.documents.schema import FieldType, MessageType

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_NULLS = {"null", "none", "~"}


class Condition:
    """A predicate, ready to be asked of many items; remembers what it saw for its messages."""

    def __init__(
        self, predicate: Predicate, document: ConfigDocument, read: Callable[[Node], Any]
    ) -> None:
        self.predicate = predicate
        self.document = document
        self.read = read
        self.number = as_number(predicate.value)
        self.compare: Callable[[Any, Any], bool] = _COMPARE.get(predicate.operator, operator.eq)
        self.seen: dict[str, None] = {}
        self.names: dict[str, None] = {}
        self.is_known = not predicate.path
        self.incomparable = ""

    def holds(self, item: Node, type_: MessageType | None) -> bool:
        """Whether the item meets the condition."""
        values, field = self._follow(item, type_)
        if not self.predicate.operator:
            return bool(values)
        if not values and field is not None and field.default is not None:
            values = [field.default]
        found = any(self._matches(value, field) for value in values)
        return not found if self.predicate.operator == "!=" else found

    def _follow(self, item: Node, type_: MessageType | None) -> tuple[list[Any], FieldType | None]:
        """The values at the predicate's path (several for a list), and its type if known."""
        node: Node | None = item
        field: FieldType | None = None
        for step in self.predicate.path:
            if node is not None and node.kind is Kind.LIST and isinstance(step, Field):
                node = node.content[0] if len(node.content) == 1 else None
            if isinstance(step, Field):
                if node is not None and node.kind is Kind.MAP:
                    self.names.update(dict.fromkeys(node.content))
                    child = node.content.get(step.name)
                else:
                    child = None
                field = type_.fields.get(step.name) if type_ is not None else None
                type_ = field.message if field is not None else None
                is_last = step is self.predicate.path[-1]
                if child is None and not (is_last and node is not None):
                    return [], None
                node = child
            else:
                node = self._item_of(node, step)
                if node is None:
                    self.is_known = self.is_known or field is not None
                    return [], None
        self.is_known = self.is_known or node is not None or field is not None
        return self._values_of(node), field

    def _item_of(self, node: Node | None, step: Index) -> Node | None:
        index = step.positions[0]
        if node is None:
            return None
        self.is_known = True
        if node.kind is not Kind.LIST:  # a repeated field that stands once
            return node if self.document.repeats_are_lists and index in {0, -1} else None
        inside = -len(node.content) <= index < len(node.content)
        return node.content[index] if inside else None

    def _values_of(self, node: Node | None) -> list[Any]:
        if node is None:
            return []
        if node.kind is Kind.LIST:
            return [value for item in node.content for value in self._values_of(item)]
        if node.kind is Kind.MAP:
            if self.predicate.operator:
                raise KeyPathError(
                    f"{self.predicate} compares a group of fields with a value",
                    hint=f"compare one of its fields: {', '.join(list(node.content)[:5])}",
                )
            return [node]
        return [self.read(node)]

    def _matches(self, value: Any, field: FieldType | None) -> bool:
        text = self.predicate.value
        self.seen[_shown(value)] = None
        if isinstance(value, bool):
            wanted: Any = _BOOLEANS.get(text.lower())
        elif isinstance(value, (int, float)):
            wanted = self.number
        elif field is not None and field.numbers is not None:
            return self._matches_enum(str(value), field)
        elif value is None:
            wanted, value = text.lower() in _NULLS, True
        else:
            wanted = text
            value = str(value)
        if wanted is None:
            self.incomparable = (
                self.incomparable or f"{text!r} cannot be compared with {_shown(value)}"
            )
            return False
        return bool(self.compare(value, wanted))

    def _matches_enum(self, name: str, field: FieldType) -> bool:
        numbers = field.numbers or {}
        number = numbers.get(name)
        wanted = self.number if self.number is not None else numbers.get(self.predicate.value)
        if number is None or wanted is None:
            self.seen.update(dict.fromkeys(numbers))
            return bool(self.compare(name, self.predicate.value))
        return bool(self.compare(number, wanted))

    def check(self, *, found: bool, where: str) -> None:
        """Raise NoMatchError if nothing was found, or if the path exists nowhere at all."""
        path = join(self.predicate.path)
        if not self.is_known:
            first = self.predicate.path[0]
            name = first.name if isinstance(first, Field) else ""
            raise NoMatchError(
                f"no entry of {where or 'the config'} has {path!r}",
                hint=did_you_mean(name, self.names),
            )
        if found:
            return
        shown = self.incomparable or f"no entry of {where or 'the config'} meets {self.predicate}"
        raise NoMatchError(shown, hint=did_you_mean(self.predicate.value, self.seen))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, EnumName)) else repr(value)
