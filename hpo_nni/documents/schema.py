"""What a config may hold: names and types of fields, from wherever they are known.

A schema makes three things possible that the text alone does not allow: fields that are absent
can be set, misspelt ones are named, and a value is checked against its field and not against
the literal that happens to stand there.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import Kind
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

INTEGER_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_KINDS = {
    **dict.fromkeys(INTEGER_RANGES, Kind.INTEGER),
    "float": Kind.FLOAT,
    "double": Kind.FLOAT,
    "bool": Kind.BOOLEAN,
    "string": Kind.STRING,
    "bytes": Kind.STRING,
    "enum": Kind.ENUM,
    "message": Kind.MAP,
}


@dataclass(frozen=True)
class FieldType:
    """The type of a field.

    Attributes:
        type: `int32`, `int64`, `uint32`, `uint64`, `float`, `double`, `bool`, `string`, `bytes`,
            `enum` or `message`.
        repeated: whether it is a list.
        default: what an absent field means; None where nothing is said.
        oneof: the name of the group of which only one member may be set; empty for none.
        message: the type of a message field.
        numbers: the numbers of an enum's names.
    """

    name: str
    type: str
    repeated: bool = False
    default: Any = None
    oneof: str = ""
    message: MessageType | None = None
    numbers: Mapping[str, int] | None = None

    @property
    def kind(self) -> Kind:
        """What a single value of it is."""
        return _KINDS[self.type]


class MessageType:
    """The fields of a group; they are looked up when first asked for, since types may nest.

    Attributes:
        is_complete: whether a name that is not among them is wrong, or just not known here.
    """

    def __init__(
        self, name: str, fields: Callable[[], Mapping[str, FieldType]], *, is_complete: bool
    ) -> None:
        self.name = name
        self.is_complete = is_complete
        self._make = fields
        self._fields: Mapping[str, FieldType] | None = None

    @property
    def fields(self) -> Mapping[str, FieldType]:
        """All known fields by name."""
        if self._fields is None:
            self._fields = self._make()
        return self._fields


@dataclass(frozen=True)
class Schema:
    """The types of a whole config.

    Attributes:
        root: the outermost group.
        source: where the schema comes from, for messages.
    """

    root: MessageType
    source: str


def load_schema(spec: str, base: Path) -> Schema:
    """Load a schema.

    Args:
        spec: `WHERE` or `WHERE:Message`. WHERE is a `.proto` file, a directory of them, a file
            that holds a serialized FileDescriptorSet, or an importable module or package of
            generated code; `easyrec` is the table that comes with us. Message is the type of
            the whole config; it may be left out where only one message is used by no other.
        base: where relative paths start.

    Raises:
        SettingsError: nothing is there, it cannot be read, or the message is not in it.
    """
    where, colon, message = spec.partition(":")
    if where.lower() == "easyrec" and not colon:
        return importlib.import_module("hpo_nni.documents.easyrec").schema()  # type: ignore[no-any-return]
    descriptors = importlib.import_module("hpo_nni.documents.descriptors")  # imports protobuf
    messages: Mapping[str, MessageType] = descriptors.load_messages(where, base)
    return Schema(_root(messages, message, descriptors.outermost(messages), where), spec)


def _root(
    messages: Mapping[str, MessageType], wanted: str, outermost: Sequence[str], where: str
) -> MessageType:
    if wanted:
        found = [name for name in messages if name == wanted or name.endswith(f".{wanted}")]
        if wanted in messages or len(found) == 1:
            return messages[wanted if wanted in messages else found[0]]
        raise SettingsError(
            [Problem(where, f"has no message {wanted!r}", did_you_mean(wanted, messages))]
        )
    if len(outermost) == 1:
        return messages[outermost[0]]
    choice = ", ".join(outermost[:8] or list(messages)[:8])
    raise SettingsError(
        [
            Problem(
                where,
                f"it is not clear which of {len(outermost)} messages is the config's",
                f"name it, as in {where}:{outermost[0] if outermost else 'Message'}; "
                f"there are: {choice}",
            )
        ]
    )
