"""Applying a point of the search space to a config: only the spans of the named values change."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.documents import easyrec
from hpo_nni.documents.base import ConfigDocument, Kind, Lines, ListNode, Node, Splice, splice
from hpo_nni.documents.fitting import check_oneofs, fit
from hpo_nni.documents.keypath import (
    Every,
    Field,
    JsonPath,
    KeyPath,
    Slice,
    parse_key,
    split_outside,
)
from hpo_nni.documents.lists import assign
from hpo_nni.documents.select import Target, select
from hpo_nni.errors import HpoNniError, KeyPathError, Problem, SettingsError, ValueMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.documents.schema import Schema


class Touched(NamedTuple):
    """One place that an edit set.

    Attributes:
        key: the key of the search space.
        place: the concrete path, such as `feature_configs[3].embedding_dim`.
        line: where it stood, from 1, when the key's turn came.
        old: the text that stood there; empty for an added field.
        new: the text that stands there now.
        note: what else there is to know: another spelling of the path, other users of an anchor.
    """

    key: str
    place: str
    line: int
    old: str
    new: str
    note: str = ""


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
    session = _Session(document, schema)
    problems = []
    for key, value in edits.items():
        saved = session.save()
        try:
            session.apply(key, _plain(value))
        except SettingsError as error:
            session.restore(saved)
            problems += error.problems
        except HpoNniError as error:
            session.restore(saved)
            problems.append(Problem(key, error.message, error.hint))
    if problems:
        raise SettingsError(problems)
    return session.result()


def find_values(
    document: ConfigDocument, key: str, *, schema: Schema | None = None
) -> list[Any]:
    """The present values of every place that a key selects; for tied keys one after the other.

    A field that is absent but may be set counts as a place; its value is the schema's default,
    None where the schema says nothing.

    Raises:
        KeyPathError: the key cannot be parsed or selects nothing.

    >>> from hpo_nni.documents.prototext import PrototextDocument
    >>> find_values(PrototextDocument.parse("f { n: 1 } f { n: 2 }"), "f[:].n")
    [1, 2]
    """
    session = _Session(document, schema)
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
    """Lines that end at `\\n` only, as everyone but Python's splitlines sees them."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _plain(value: Any) -> Any:
    """Python's own types instead of numpy's, which samplers hand out."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)
    if callable(item):
        return item()
    raise ValueMismatchError(f"{value!r} is no value that a config can hold")


class _Change(NamedTuple):
    """An edit of one place that is ready to be made."""

    touched: Touched
    splices: list[Splice]
    scalar: tuple[Node, Any] | None  # the node and its new value, where nothing else changes


class _Session:
    """Edits under way.

    Scalars that replace scalars leave the tree as it is: their new texts are kept aside
    (`pending`) and read instead of the old ones. Everything else is written into the text at
    once, which is then parsed again.
    """

    def __init__(self, document: ConfigDocument, schema: Schema | None) -> None:
        self.document = document
        self.given = schema
        self.pending: dict[Node, tuple[str, Any]] = {}
        self.touched: list[Touched] = []
        self._lines: Lines | None = None
        is_proto = document.repeats_are_lists
        if schema is None and is_proto and easyrec.looks_like_easyrec(document.root()):
            schema = easyrec.schema()
        self.schema = schema if is_proto else None

    def save(self) -> tuple[ConfigDocument, dict[Node, tuple[str, Any]], int, Lines | None]:
        return self.document, dict(self.pending), len(self.touched), self._lines

    def restore(
        self, saved: tuple[ConfigDocument, dict[Node, tuple[str, Any]], int, Lines | None]
    ) -> None:
        self.document, self.pending, touched, self._lines = saved
        del self.touched[touched:]

    def result(self) -> EditResult:
        self.flush()
        return EditResult(self.document.dump(), tuple(self.touched))

    def apply(self, key: str, value: Any) -> None:
        if isinstance(value, Mapping):
            self.apply_group(key, value)
            return
        parsed = parse_key(key)
        values = _untie(value, len(parsed.paths))
        for path, part in zip(parsed.paths, values, strict=True):
            self.apply_path(key, path, part)

    def apply_group(self, key: str, value: Mapping[str, Any]) -> None:
        """A dict: the fields of what `key` selects, or edits of their own if that is nothing."""
        fields = {name: item for name, item in value.items() if name != "_name"}
        try:
            (path,) = parse_key(key).paths
            targets = self.find(path)[0]
        except (KeyPathError, ValueError) as error:
            if not fields:
                raise
            reason = error.message if isinstance(error, KeyPathError) else "it names several keys"
            self.apply_inner(key, fields, f"{key!r} itself selects nothing: {reason}")
            return
        if "_name" not in value or all(target.is_group for target in targets):
            self.apply_path(key, path, fields)
        else:
            self.apply_path(key, path, value["_name"])
            self.apply_inner(key, fields, "")

    def apply_inner(self, key: str, fields: Mapping[str, Any], reason: str) -> None:
        """Inner keys as key paths."""
        problems = []
        for inner, part in fields.items():
            try:
                self.apply(inner, part)
            except SettingsError as error:
                problems += error.problems
            except HpoNniError as error:
                hint = "; ".join(filter(None, (error.hint, reason)))
                problems.append(Problem(f"{key} > {inner}", error.message, hint))
        if problems:
            raise SettingsError(problems)

    def apply_path(self, key: str, path: KeyPath | JsonPath, value: Any) -> None:
        changes = self.plan(key, path, value)
        if any(change.scalar is None for change in changes):
            if self.pending:
                self.flush()
                changes = self.plan(key, path, value)
            splices = [piece for change in changes for piece in change.splices]
            self.rewrite(splice(self.document.text, _merged(splices)))
        else:
            for change in changes:
                assert change.scalar is not None
                self.pending[change.scalar[0]] = change.touched.new, change.scalar[1]
        self.touched += [change.touched for change in changes]

    def plan(self, key: str, path: KeyPath | JsonPath, value: Any) -> list[_Change]:
        """Every change that a path means, each of which fits; nothing is changed yet."""
        if isinstance(value, list) and isinstance(path, KeyPath) and _is_range(path):
            return self.plan_range(key, path, value)
        targets, note = self.find(path)
        return [self.plan_one(key, target, value, note) for target in targets]

    def plan_one(self, key: str, target: Target, value: Any, note: str) -> _Change:
        node, document = target.node, self.document
        is_item = target.is_item
        try:
            data = fit(document, value, node, target.field, is_item=is_item)
            if node is None:
                return self.plan_added(key, target, data, note)
        except ValueMismatchError as error:
            raise ValueMismatchError(f"{target.path}: {error.message}", hint=error.hint) from error
        owner = document.owner_note(node)
        old = self.text_of(node)
        if isinstance(data, list):
            splices, new = self.plan_list(node, data)
            scalar = None
            if isinstance(node, ListNode) and node.entries is not None:
                old = f"[{', '.join(self.text_of(item) for item in node.content)}]"
        else:
            new = document.write(data, node)
            splices = [Splice(node.start, node.end, new)]
            is_scalar = not isinstance(data, Mapping) and node.kind not in {Kind.MAP, Kind.LIST}
            scalar = (node, data) if is_scalar and not owner else None
        line = self.line(node.start)
        notes = "; ".join(filter(None, (note, owner)))
        return _Change(Touched(key, target.path, line, old, new, notes), splices, scalar)

    def plan_list(self, node: Node, data: list[Any]) -> tuple[list[Splice], str]:
        document = self.document
        if isinstance(node, ListNode):
            items = node.content
            likes = [items[min(i, len(items) - 1)] if items else None for i in range(len(data))]
            texts = [document.write(item, like) for item, like in zip(data, likes, strict=True)]
            return assign(document, node, texts), f"[{', '.join(texts)}]"
        if any(isinstance(item, Mapping) for item in data):  # one group becomes several, or none
            group = ListNode(Kind.LIST, node.start, node.end, node.outer_start, node.end, [node])
            group.entries = [node]
            texts = [document.write(item, node) for item in data]
            return assign(document, group, texts), f"[{', '.join(texts)}]"
        new = document.write(data, node)
        return [Splice(node.start, node.end, new)], new

    def plan_added(self, key: str, target: Target, data: Any, note: str) -> _Change:
        assert target.parent is not None
        document, parent = self.document, target.parent
        for name in target.names:
            if not document.is_name(name):
                raise ValueMismatchError(f"{name!r} cannot be the name of a field")
        check_oneofs(dict.fromkeys([*parent.content, target.names[0]]), target.parent_type)
        splices = document.add(parent, target.names, data)
        new = document.write(data, None)
        touched = Touched(key, target.path, self.line(splices[0].start), "", new, note)
        return _Change(touched, splices, None)

    def plan_range(self, key: str, path: KeyPath, values: list[Any]) -> list[_Change]:
        """A list for a range of items at the end of a path takes their place, as in Python."""
        chosen = path.parts[-1]
        assert isinstance(chosen, (Slice, Every))
        targets, note = self.find(KeyPath(path.parts[:-1], adds=path.adds))
        return [self.plan_slice(key, target, chosen, values, note) for target in targets]

    def plan_slice(
        self, key: str, target: Target, chosen: Slice | Every, values: list[Any], note: str
    ) -> _Change:
        node = target.node
        if not isinstance(node, ListNode):
            if chosen in {Every(), Slice()} and self.document.repeats_are_lists:
                return self.plan_one(key, target, values, note)
            what = node.kind.value if node is not None else "absent"
            raise KeyPathError(f"{target.path} is {what}, not a list: {chosen} cannot choose")
        document, items = self.document, node.content
        bounds = (None, None, None)
        if isinstance(chosen, Slice):
            bounds = chosen.start, chosen.stop, chosen.step  # type: ignore[assignment]
        present = [self.text_of(item) for item in items]
        first = next(iter(present[slice(*bounds)]), None)
        if first is None and bounds != (None, None, None):
            raise KeyPathError(f"{chosen} selects nothing: {target.path} has {len(items)} entries")
        likes = items[slice(*bounds)] or items
        texts = []
        for position, value in enumerate(values):
            like = likes[min(position, len(likes) - 1)] if likes else None
            try:
                data = fit(document, value, like, target.field, is_item=True)
            except ValueMismatchError as error:
                message = f"{target.path}{chosen}: {error.message}"
                raise ValueMismatchError(message, hint=error.hint) from error
            texts.append(document.write(data, like))
        try:
            present[slice(*bounds)] = texts
        except ValueError:
            raise ValueMismatchError(
                f"{target.path}{chosen}: {len(texts)} values for {len(likes)} places"
            ) from None
        notes = "; ".join(filter(None, (note, document.owner_note(node))))
        touched = Touched(
            key,
            f"{target.path}{chosen}",
            self.line(node.start),
            f"[{', '.join(self.text_of(item) for item in likes)}]",
            f"[{', '.join(texts)}]",
            notes,
        )
        return _Change(touched, assign(document, node, present), None)

    def find(self, path: KeyPath | JsonPath) -> tuple[list[Target], str]:
        """The places that a path means, and a note if it was read in another spelling."""
        if isinstance(path, JsonPath):
            find: Callable[..., list[Target]] = importlib.import_module(
                "hpo_nni.documents.jsonpath"
            ).find
            return find(self.document, path, self.read), ""
        note = ""
        if self.document.repeats_are_lists:
            other = easyrec.respell(path, self.document.root())
            if other is not None:
                note, path = f"{path} is written {other} in this file", other
        return select(self.document, path, schema=self.schema, read=self.read), note

    def read(self, node: Node) -> Any:
        pending = self.pending.get(node)
        return pending[1] if pending is not None else self.document.value(node)

    def text_of(self, node: Node) -> str:
        pending = self.pending.get(node)
        return pending[0] if pending is not None else self.document.text[node.start : node.end]

    def line(self, offset: int) -> int:
        if self._lines is None:
            self._lines = Lines(self.document.text)
        return self._lines.line(offset)

    def flush(self) -> None:
        """Write what is pending into the text."""
        if self.pending:
            pieces = [Splice(node.start, node.end, new) for node, (new, _) in self.pending.items()]
            self.rewrite(splice(self.document.text, pieces))

    def rewrite(self, text: str) -> None:
        self.document = type(self.document).parse(text)
        self.pending = {}
        self._lines = None


def _merged(splices: Sequence[Splice]) -> list[Splice]:
    """Each splice once: overlapping selections may name a place twice."""
    return list(dict.fromkeys(splices))


def _is_range(path: KeyPath) -> bool:
    return len(path.parts) > 1 and isinstance(path.parts[-1], (Slice, Every))


def _untie(value: Any, count: int) -> list[Any]:
    """The values of tied keys, one for each."""
    if count == 1:
        return [value]
    parts: list[Any] = list(value) if isinstance(value, list) else []
    if isinstance(value, str):
        parts = split_outside(value, ";")
        parts = [part.strip() for part in (parts if len(parts) == count else value.split(";"))]
    if len(parts) != count:
        raise ValueMismatchError(
            f"{count} tied keys need {count} values, and {value!r} is not a list of {count}",
            hint="write 'v1;v2' or [v1, v2]",
        )
    return parts
