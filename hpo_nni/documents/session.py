"""Edits under way: where each goes, whether it fits, and what it does to the text."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.documents import easyrec
from hpo_nni.documents.base import ConfigDocument, Kind, Lines, ListNode, Node, Splice, splice
from hpo_nni.documents.fitting import Spot, check_oneofs, fit
from hpo_nni.documents.keypath import Every, JsonPath, KeyPath, Slice
from hpo_nni.documents.keypath_parser import parse_key
from hpo_nni.documents.lists import assign
from hpo_nni.documents.points import plain, untie
from hpo_nni.documents.select import Target, select
from hpo_nni.errors import HpoNniError, KeyPathError, Problem, SettingsError, ValueMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


_CONTAINERS = (dict, list)
_Pending = dict[Node, tuple[str, Any]]
_Saved = tuple[ConfigDocument, _Pending, int, "Lines | None"]


class _Change(NamedTuple):
    """An edit of one place that is ready to be made."""

    touched: Touched
    splices: list[Splice]
    scalar: tuple[Node, Any] | None  # the node and its new value, where nothing else changes


class Session:
    """Edits under way.

    Scalars that replace scalars leave the tree as it is: their new texts are kept aside
    (`pending`) and read instead of the old ones. Everything else is written into the text at
    once, which is then parsed again.
    """

    def __init__(self, document: ConfigDocument, schema: Schema | None) -> None:
        self.document = document
        self.pending: _Pending = {}
        self.touched: list[Touched] = []
        self._lines: Lines | None = None
        is_proto = document.repeats_are_lists
        if schema is None and is_proto and easyrec.looks_like_easyrec(document.root()):
            schema = easyrec.schema()
        self.schema = schema if is_proto else None

    def save(self) -> _Saved:
        """What `restore` needs to undo everything since."""
        return self.document, dict(self.pending), len(self.touched), self._lines

    def restore(self, saved: _Saved) -> None:
        """Undo."""
        self.document, self.pending, touched, self._lines = saved
        del self.touched[touched:]

    def finish(self) -> str:
        """The edited text."""
        return splice(self.document.text, self._pending_splices())

    def apply(self, key: str, value: Any) -> None:
        """Apply one key; raise and leave things half done if it fails: `restore` undoes them."""
        value = plain(value)
        if isinstance(value, dict):
            self._apply_group(key, value)
            return
        parsed = parse_key(key)
        values = untie(value, len(parsed.paths))
        for path, part in zip(parsed.paths, values, strict=True):
            self._apply_path(key, path, part)

    def _apply_group(self, key: str, value: Mapping[str, Any]) -> None:
        """A dict: the fields of what `key` selects, or edits of their own if that is nothing."""
        fields = {name: item for name, item in value.items() if name != "_name"}
        try:
            (path,) = parse_key(key).paths
            targets = self.find(path)[0]
        except (KeyPathError, ValueError) as error:
            if not fields:
                raise ValueMismatchError(f"{value!r} sets nothing, and {error}") from error
            reason = error.message if isinstance(error, KeyPathError) else "it names several keys"
            self._apply_inner(key, fields, f"{key!r} itself selects nothing: {reason}")
            return
        if "_name" not in value or all(target.is_group for target in targets):
            self._apply_path(key, path, fields)
        else:
            self._apply_path(key, path, value["_name"])
            self._apply_inner(key, fields, "")

    def _apply_inner(self, key: str, fields: Mapping[str, Any], reason: str) -> None:
        """Inner keys as key paths."""
        problems: list[Problem] = []
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

    def _apply_path(self, key: str, path: KeyPath | JsonPath, value: Any) -> None:
        changes = self._plan(key, path, value)
        if self.pending and any(change.scalar is None for change in changes):
            self._flush()
            changes = self._plan(key, path, value)
        splices = []
        for change in changes:
            splices += change.splices
            if change.scalar is not None:
                self.pending[change.scalar[0]] = change.touched.new, change.scalar[1]
        if splices:
            splices += self._pending_splices()
            self._rewrite(splice(self.document.text, dict.fromkeys(splices)))
        self.touched += [change.touched for change in changes]

    def _plan(self, key: str, path: KeyPath | JsonPath, value: Any) -> list[_Change]:
        """Every change that a path means, each of which fits; nothing is changed yet."""
        if isinstance(value, list) and isinstance(path, KeyPath) and _is_range(path):
            return self._plan_range(key, path, value)
        targets, note = self.find(path)
        return [self._plan_one(key, target, value, note) for target in targets]

    def _plan_one(self, key: str, target: Target, value: Any, note: str) -> _Change:
        node, document = target.node, self.document
        try:
            data = fit(document, value, node, Spot(target.field, target.is_item, target.adds))
            if node is None:
                return self._plan_added(key, target, data, note)
        except ValueMismatchError as error:
            where = "" if target.path == key else f"{target.path}: "
            raise ValueMismatchError(f"{where}{error.message}", hint=error.hint) from error
        if isinstance(data, list) and len(data) == 1 and node.kind is not Kind.LIST:
            data = data[0]  # a repeated field that stands once stays so
        owner = document.owner_note(node)
        old = self._text_of(node)
        if isinstance(data, list):
            splices, new = self._plan_list(node, data)
            scalar = None
            if isinstance(node, ListNode) and node.entries is not None:
                old = f"[{', '.join(self._text_of(item) for item in node.content)}]"
        else:
            new = document.write(data, node)
            is_scalar = type(data) is not dict and type(node.content) not in _CONTAINERS
            scalar = (node, data) if is_scalar and not owner else None
            splices = [] if scalar else [Splice(node.start, node.end, new)]
        notes = f"{note}; {owner}" if note and owner else note or owner
        touched = Touched(key, target.path, self._line(node.start), old, new, notes)
        return _Change(touched, splices, scalar)

    def _plan_list(self, node: Node, data: list[Any]) -> tuple[list[Splice], str]:
        document = self.document
        if isinstance(node, ListNode):
            items = node.content
            likes = [items[min(i, len(items) - 1)] if items else None for i in range(len(data))]
            texts = [document.write(item, like) for item, like in zip(data, likes, strict=True)]
            return assign(document, node, texts), f"[{', '.join(texts)}]"
        if document.repeats_are_lists and any(
            isinstance(item, dict) for item in data
        ):  # several groups
            group = ListNode(Kind.LIST, node.start, node.end, node.outer_start, node.end, [node])
            group.entries = [node]
            texts = [document.write(item, node) for item in data]
            return assign(document, group, texts), f"[{', '.join(texts)}]"
        new = document.write(data, node)
        return [Splice(node.start, node.end, new)], new

    def _plan_added(self, key: str, target: Target, data: Any, note: str) -> _Change:
        assert target.parent is not None
        document, parent = self.document, target.parent
        for name in target.names:
            if not document.is_name(name):
                raise ValueMismatchError(f"{name!r} cannot be the name of a field")
        check_oneofs(dict.fromkeys([*parent.content, target.names[0]]), target.parent_type)
        splices = document.add(parent, target.names, data)
        new = document.write(data, None)
        touched = Touched(key, target.path, self._line(splices[0].start), "", new, note)
        return _Change(touched, splices, None)

    def _plan_range(self, key: str, path: KeyPath, values: list[Any]) -> list[_Change]:
        """A list for a range of items at the end of a path takes their place, as in Python."""
        chosen = path.parts[-1]
        assert isinstance(chosen, (Slice, Every))
        targets, note = self.find(KeyPath(path.parts[:-1], adds=path.adds))
        return [self._plan_slice(key, target, chosen, values, note) for target in targets]

    def _plan_slice(
        self, key: str, target: Target, chosen: Slice | Every, values: list[Any], note: str
    ) -> _Change:
        node = target.node
        if not isinstance(node, ListNode):
            is_list = node is not None and node.kind is Kind.LIST  # an alias for one
            if chosen in {Every(), Slice()} and (is_list or self.document.repeats_are_lists):
                return self._plan_one(key, target, values, note)
            if node is not None:
                self.document.owner_note(node)
            what = node.kind.value if node is not None else "absent"
            raise KeyPathError(f"{target.path} is {what}, not a list: {chosen} cannot choose")
        document, items = self.document, node.content
        bounds = (None, None, None)
        if isinstance(chosen, Slice):
            bounds = chosen.start, chosen.stop, chosen.step  # type: ignore[assignment]
        present = [self._text_of(item) for item in items]
        first = next(iter(present[slice(*bounds)]), None)
        if first is None and bounds != (None, None, None):
            raise KeyPathError(f"{chosen} selects nothing: {target.path} has {len(items)} entries")
        likes = items[slice(*bounds)] or items
        texts = []
        for position, value in enumerate(values):
            like = likes[min(position, len(likes) - 1)] if likes else None
            try:
                data = fit(
                    document, value, like, Spot(target.field, is_item=True, adds=target.adds)
                )
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
            self._line(node.start),
            f"[{', '.join(self._text_of(item) for item in likes)}]",
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
            return find(self.document, path, self._read), ""
        note = ""
        if self.document.repeats_are_lists:
            other = easyrec.respell(path, self.document.root())
            if other is not None:
                note, path = f"{path} is written {other} in this file", other
        targets = select(self.document, path, schema=self.schema, read=self._read)
        for target in targets:
            target.adds = path.adds
        return targets, note

    def _read(self, node: Node) -> Any:
        pending = self.pending.get(node)
        return pending[1] if pending is not None else self.document.value(node)

    def _text_of(self, node: Node) -> str:
        pending = self.pending.get(node)
        return pending[0] if pending is not None else self.document.text[node.start : node.end]

    def _line(self, offset: int) -> int:
        if self._lines is None:
            self._lines = Lines(self.document.text)
        return self._lines.line(offset)

    def _flush(self) -> None:
        """Write what is pending into the text."""
        if self.pending:
            self._rewrite(splice(self.document.text, self._pending_splices()))

    def _pending_splices(self) -> list[Splice]:
        return [Splice(node.start, node.end, new) for node, (new, _) in self.pending.items()]

    def _rewrite(self, text: str) -> None:
        self.document = type(self.document).parse(text)
        self.pending = {}
        self._lines = None


def _is_range(path: KeyPath) -> bool:
    return len(path.parts) > 1 and isinstance(path.parts[-1], (Slice, Every))
