"""JSONPath, by jsonpath-ng, on any format: it searches the plain data, we find the nodes again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from jsonpath_ng.ext.parser import parse
from jsonpath_ng.jsonpath import Child, Fields, Index, JSONPath, Root, This

from hpo_nni.documents.base import ConfigDocument, Kind, ListNode, Node
from hpo_nni.documents.keypath import Field, JsonPath
from hpo_nni.documents.select import Target
from hpo_nni.errors import KeyPathError, KeyPathSyntaxError, NoMatchError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable


def find(document: ConfigDocument, path: JsonPath, read: Callable[[Node], Any]) -> list[Target]:
    """Every place that a JSONPath finds.

    Raises:
        KeyPathSyntaxError: jsonpath-ng cannot parse it.
        NoMatchError: it finds nothing.
        KeyPathError: it finds a group and something inside of it.
    """
    try:
        parsed = parse(path.text)
    except Exception as error:  # jsonpath-ng raises bare Exception
        raise KeyPathSyntaxError(
            path.text, column=0, expected="a JSONPath", hint=str(error).splitlines()[0]
        ) from error
    root = document.root()
    try:
        found = parsed.find(_data(document, root, read))
    except Exception as error:  # filters compare whatever they meet
        raise KeyPathError(f"{path} cannot be searched for: {error}") from error
    targets = {}
    for match in found:
        target = _walk(document, root, match.full_path)
        assert target.node is not None
        targets[target.node] = target
    if not targets:
        raise NoMatchError(
            f"{path} finds nothing",
            hint=did_you_mean("", root.content) if root.kind is Kind.MAP else "",
        )
    spans = sorted((node.start, -_end(node)) for node in targets)
    for (_, end), (start, _) in itertools.pairwise(spans):
        if start < -end:
            raise KeyPathError(
                f"{path} finds a value and something inside of it",
                hint="one key can set only one of them",
            )
    return list(targets.values())


def _data(document: ConfigDocument, node: Node, read: Callable[[Node], Any]) -> Any:
    """What is searched: names as text, and scalars as they are now."""
    if node.kind is Kind.MAP:
        return {name: _data(document, child, read) for name, child in node.content.items()}
    if node.kind is Kind.LIST:
        return [_data(document, child, read) for child in node.content]
    value = read(node)
    return str(value) if isinstance(value, str) else value


def _walk(document: ConfigDocument, root: Node, path: JSONPath) -> Target:
    target = Target("", root, is_item=True)
    for step in _steps(path):
        node = target.node
        assert node is not None
        if isinstance(step, int):
            if node.kind is Kind.LIST:
                node = node.content[step]
            elif not document.repeats_are_lists:
                raise KeyPathError(f"{target.path or 'the config'} is {node.kind.value}, no list")
            target = Target(f"{target.path}[{step}]", node, is_item=True)
        else:
            name = str(Field(step))
            path_text = f"{target.path}.{name}" if target.path else name
            target = Target(path_text, node.content[step])
    return target


def _steps(path: JSONPath) -> list[str | int]:
    if isinstance(path, Child):
        return _steps(path.left) + _steps(path.right)
    if isinstance(path, Fields):
        return [path.fields[0]]
    if isinstance(path, Index):
        # releases differ in whether an index may stand for several
        return list(getattr(path, "indices", None) or [getattr(path, "index")])[:1]  # noqa: B009
    assert isinstance(path, (Root, This)), path
    return []


def _end(node: Node) -> int:
    """Where a value ends; a repeated field ends with its last entry."""
    entries = node.entries if isinstance(node, ListNode) else None
    return entries[-1].end if entries else node.end
