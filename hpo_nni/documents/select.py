"""From a key path to the places in a document that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import ConfigDocument, Kind, Node
from hpo_nni.documents.conditions import Condition
from hpo_nni.documents.keypath import Every, Field, Index, KeyPath, Part, Predicate, Slice, join
from hpo_nni.errors import KeyPathError, NoMatchError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.documents.schema import FieldType, MessageType, Schema


class Target:
    """One place: a value that is there, or a field that may be added.

    Attributes:
        path: the concrete path: positions instead of slices and conditions.
        node: the value; None where it is absent.
        parent, names: for an absent one the group that will hold it, and the names to add there.
        parent_type: the type of that group, where a schema knows it.
        field: its type, where a schema knows it.
        type: the type of the group it is, where a schema knows it.
        is_item: whether it is an item of a list rather than a field as a whole.
        adds: whether the user wrote `+`.
    """

    __slots__ = (
        "adds",
        "field",
        "is_item",
        "names",
        "node",
        "parent",
        "parent_type",
        "path",
        "type",
    )

    def __init__(
        self,
        path: str,
        node: Node | None,
        field: FieldType | None = None,
        type_: MessageType | None = None,
        is_item: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        self.path = path
        self.node = node
        self.field = field
        self.type = type_
        self.is_item = is_item
        self.adds = False
        self.parent: Node | None = None
        self.names: tuple[str, ...] = ()
        self.parent_type: MessageType | None = None

    @property
    def is_group(self) -> bool:
        """Whether it holds fields."""
        if self.field is not None:
            return self.field.kind is Kind.MAP
        return self.node is not None and self.node.kind is Kind.MAP


def select(
    document: ConfigDocument,
    path: KeyPath,
    *,
    schema: Schema | None,
    read: Callable[[Node], Any],
) -> list[Target]:
    """Every place that `path` means, in the order of the document.

    Args:
        document: what is searched.
        path: what for.
        schema: allows absent fields and names misspelt ones.
        read: the present value of a scalar, edits that are not yet in the text included.

    Raises:
        NoMatchError: nothing is there; the hint names what is.
        KeyPathError: the path and the document do not go together.
    """
    return _Selection(document, path, schema, read).run()


class _Selection:
    def __init__(
        self,
        document: ConfigDocument,
        path: KeyPath,
        schema: Schema | None,
        read: Callable[[Node], Any],
    ) -> None:
        self.document = document
        self.path = path
        self.read = read
        self.targets = [
            Target("", document.root(), type_=schema.root if schema else None, is_item=True)
        ]

    def run(self) -> list[Target]:
        parts = self.path.parts
        for position, part in enumerate(parts):
            rest = parts[position + 1 :]
            if isinstance(part, Field):
                self.targets = self.children(part.name, rest)
            elif isinstance(part, Predicate):
                self.targets = self.filtered(part)
            else:
                self.targets = self.items(part, position)
        return self.targets

    def children(self, name: str, rest: Sequence[Part]) -> list[Target]:
        """The child of each target; strict: all have it, or it may be added to all."""
        found, missing = [], []
        step = str(Field(name))
        for target in self.targets:
            group = self.group(target, step)
            path = f"{group.path}.{step}" if group.path else step
            child = group.node.content.get(name) if group.node is not None else None
            field = group.type.fields.get(name) if group.type is not None else None
            type_ = field.message if field is not None else None
            if child is not None:
                found.append(Target(path, child, field, type_))
            elif group.type is not None and group.type.is_complete and field is None:
                missing.append(group)
            elif field is not None or self.path.adds:
                absent = Target(path, None, field, type_)
                absent.parent = group.node or group.parent
                absent.parent_type = group.type if group.node else group.parent_type
                absent.names = (*group.names, name)
                if self.may_be_added(absent, rest):
                    found.append(absent)
            else:
                missing.append(group)
        if not missing:
            return found
        if found and rest and self.document.repeats_are_lists and _narrows(rest[0]):
            return found  # an absent repeated field is an empty list
        raise self.absent(name, missing)

    def group(self, target: Target, step: str) -> Target:
        """The target as something that has fields."""
        node = target.node
        if node is None or node.kind is Kind.MAP:
            return target
        where = target.path or "the config"
        if node.kind is Kind.LIST:
            items = node.content
            if self.document.repeats_are_lists and len(items) == 1 and items[0].kind is Kind.MAP:
                return Target(f"{where}[0]", items[0], target.field, target.type, is_item=True)
            raise KeyPathError(
                f"{where} is a list of {len(items)}, and {step!r} is asked of it",
                hint=f"choose by {where}[0], {where}[:] or {where}[name=value]",
            )
        raise KeyPathError(f"{where} is {node.kind.value}; it has no field {step!r}")

    def may_be_added(self, absent: Target, rest: Sequence[Part]) -> bool:
        """Whether an absent field can be made; selectors find nothing in it."""
        if not rest:
            return True
        if _narrows(rest[0]):
            return False
        if isinstance(rest[0], Index) or (absent.field is not None and absent.field.repeated):
            raise NoMatchError(
                f"{absent.path} has no entries yet",
                hint=f"add one as a whole: '{absent.path}={{ ... }}'",
            )
        return True

    def absent(self, name: str, missing: Sequence[Target]) -> NoMatchError:
        group = missing[0]
        where = group.path or "the config"
        known = list(group.node.content) if group.node is not None else []
        allowed = list(group.type.fields) if group.type is not None else []
        hint = did_you_mean(name, [*known, *(other for other in allowed if other not in known)])
        if len(missing) < len(self.targets):
            selected = join(self.path.parts[: self.depth(name)])
            message = f"{len(missing)} of {len(self.targets)} places have no {name!r}: {where}"
            hint = f"'{selected}[{name}]' selects those that have it, '+' before the key adds it"
        else:
            message = f"{where} has no {name!r}"
            if "<<" in known:
                hint = f"if it comes in by '<<', '+{group.path}.{name}' overrides it here"
            elif group.type is not None and group.type.is_complete:
                pass
            elif not self.path.adds and not hint.startswith("did you mean"):
                hint += "; '+' before the key adds a field"
        if group.type is not None and group.type.is_complete:
            message += f" ({group.type.name} knows no such field)"
        return NoMatchError(message, hint=hint.removeprefix("; "))

    def depth(self, name: str) -> int:
        return self.path.parts.index(Field(name))

    def listed(self, target: Target, part: Part) -> list[tuple[str, Node]] | None:
        """The items of a target with their paths; None where it is not a list."""
        node, path = target.node, target.path
        if node is None:
            return []
        if node.kind is Kind.LIST:
            return [(f"{path}[{i}]", item) for i, item in enumerate(node.content)]
        field = target.field
        single = not target.is_item and (field is None or field.repeated)
        if self.document.repeats_are_lists and single:
            return [(f"{path}[0]", node)]
        if node.kind is Kind.MAP and isinstance(part, Every):
            prefix = f"{path}." if path else ""
            return [(f"{prefix}{Field(name)}", child) for name, child in node.content.items()]
        return None

    def items(self, part: Part, position: int) -> list[Target]:
        found: list[Target] = []
        for target in self.targets:
            items = self.listed(target, part)
            if items is None:
                raise self.no_list(target, part)
            if isinstance(part, Index):
                for index in part.positions:
                    if not -len(items) <= index < len(items):
                        raise _out_of_range(target, index, len(items))
                items = [items[index] for index in part.positions]
            elif isinstance(part, Slice):
                items = items[slice(part.start, part.stop, part.step)]
            found += [Target(p, node, target.field, target.type, True) for p, node in items]
        if not found:
            sizes = {len(self.listed(target, part) or ()) for target in self.targets}
            have = " or ".join(str(size) for size in sorted(sizes)) or "0"
            where = join(self.path.parts[:position]) or "the config"
            raise NoMatchError(f"{part} selects nothing: {where} has {have} entries")
        return found

    def no_list(self, target: Target, part: Part) -> KeyPathError:
        where = target.path or "the config"
        what = target.node.kind.value if target.node is not None else "absent"
        hint = ""
        if target.node is not None and target.node.kind is Kind.MAP:
            hint = did_you_mean(str(part), target.node.content).replace("did you mean", "there is")
        return KeyPathError(f"{where} is {what}, not a list: {part} cannot choose", hint=hint)

    def filtered(self, part: Predicate) -> list[Target]:
        condition = Condition(part, self.document, self.read)
        found: list[Target] = []
        candidates: list[Target] = []
        for target in self.targets:
            items = self.listed(target, part)
            if items is not None:
                candidates += [
                    Target(p, node, target.field, target.type, True) for p, node in items
                ]
            elif target.is_item and target.path and target.node.kind is Kind.MAP:  # type: ignore[union-attr]
                candidates.append(target)  # a second condition on what the first one chose
            else:
                raise self.no_list(target, part)
        for target in candidates:
            assert target.node is not None
            if condition.holds(target.node, target.type):
                found.append(target)
        condition.check(found=bool(found), where=self.targets[0].path if self.targets else "")
        return found


def _narrows(part: Part) -> bool:
    """Whether a part may select nothing of one list without being wrong."""
    return isinstance(part, (Slice, Every, Predicate))


def _out_of_range(target: Target, index: int, size: int) -> NoMatchError:
    where = target.path or "the config"
    have = f"entries 0 to {size - 1}" if size else "no entries"
    return NoMatchError(f"{where} has no entry {index}: it has {have}")
