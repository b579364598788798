"""Applying a point of the search space to a config: only the spans of the named values change."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import ConfigDocument, Kind, Node
from hpo_nni.documents.keypath_parser import parse_key
from hpo_nni.documents.session import Session, Touched
from hpo_nni.errors import HpoNniError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.documents.schema import Schema


@dataclass(frozen=True)
class EditResult:
    """An edited text and what was touched, in the order of the edits."""

    text: str
    touched: tuple[Touched, ...]


def apply_edits(
    document: ConfigDocument, edits: Mapping[str, Any], *, schema: Schema | None = None
) -> EditResult:
    """Apply edits in their order; a later key sees what earlier ones did.

    A dict is a group of fields if its key selects something, and otherwise a set of edits of
    its own, whose keys are key paths; `_name` in it is NNI's label of a nested choice.

    Raises:
        SettingsError: every fault of every key; `where` of each problem is the key.

    >>> from hpo_nni.documents.prototext import PrototextDocument
    >>> config = PrototextDocument.parse("dim: 8  # small")
    >>> apply_edits(config, {"dim": 16.0}).text
    'dim: 16  # small'
    """
    session = Session(document, schema)
    problems: list[Problem] = []
    for key, value in edits.items():
        saved = session.save()
        try:
            session.apply(key, value)
        except SettingsError as error:
            session.restore(saved)
            problems += error.problems
        except HpoNniError as error:
            session.restore(saved)
            problems.append(Problem(key, error.message, error.hint))
    if problems:
        raise SettingsError(problems)
    return EditResult(session.finish(), tuple(session.touched))


def find_values(document: ConfigDocument, key: str, *, schema: Schema | None = None) -> list[Any]:
    """The present values of every place that a key selects; for tied keys one after the other.

    A field that is absent but may be set counts as a place; its value is the schema's default,
    None where the schema says nothing.

    Raises:
        KeyPathError: the key cannot be parsed or selects nothing.

    >>> from hpo_nni.documents.prototext import PrototextDocument
    >>> find_values(PrototextDocument.parse("f { n: 1 } f { n: 2 }"), "f[:].n")
    [1, 2]
    """
    session = Session(document, schema)
    values = []
    for path in parse_key(key).paths:
        for target in session.find(path)[0]:
            if target.node is not None:
                values.append(to_data(document, target.node))
            else:
                values.append(target.field.default if target.field is not None else None)
    return values


def to_data(document: ConfigDocument, node: Node | None = None) -> Any:
    """Plain Python data, as the format's reference parser reads it.

    Protobuf text read without its schema: enum names are strings, and a repeated field that
    stands once is not a list.
    """
    node = document.root() if node is None else node
    if node.kind is Kind.MAP:
        return document.plain_map(node, lambda child: to_data(document, child))
    if node.kind is Kind.LIST:
        return [to_data(document, child) for child in node.content]
    value = document.value(node)
    return str(value) if isinstance(value, str) else value


def unified_diff(old: str, new: str, path: str) -> str:
    r"""What changed, as `diff -u` shows it; empty if nothing did.

    >>> print(unified_diff("a: 1\n", "a: 2\n", "x"), end="")
    --- x
    +++ x (edited)
    @@ -1 +1 @@
    -a: 1
    +a: 2
    """
    lines = difflib.unified_diff(_lines(old), _lines(new), path, f"{path} (edited)")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    r"""Lines that end at `\n` only, as everyone but Python's splitlines sees them."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
