"""Whole values (groups, lists, scalars) as the place they go to wants them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.documents.base import ConfigDocument, Kind, Node
from hpo_nni.documents.values import Want, fit_scalar
from hpo_nni.errors import DocumentError, ValueMismatchError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.documents.schema import FieldType, MessageType


class Spot(NamedTuple):
    """What is known of a place besides what stands there.

    Attributes:
        field: its type, where a schema knows it.
        is_item: whether a single item of a list is meant.
        adds: whether fields may be new that an incomplete schema does not know.
    """

    field: FieldType | None = None
    is_item: bool = False
    adds: bool = False


def fit(document: ConfigDocument, value: Any, old: Node | None, spot: Spot) -> Any:
    """Data that can be written in the place of `old`.

    Args:
        document: what is edited.
        value: as the search space gives it: a scalar, a list, a dict, or text that spells one.
        old: what stands there; None for a field that is added.
        spot: what else is known of the place.

    Raises:
        ValueMismatchError: it does not fit.
    """
    field = spot.field
    if value is None and not document.repeats_are_lists:
        return None
    if _is_list(document, value, old, spot):
        return _fit_list(document, value, old, spot)
    if field.kind is Kind.MAP if field is not None else old is not None and old.kind is Kind.MAP:
        type_ = field.message if field is not None else None
        return _fit_group(document, value, old, type_, adds=spot.adds)
    if old is None and field is None:
        return _natural(document, value)
    if field is not None:
        want = Want.of_field(field)
    else:
        assert old is not None
        want = Want(old.kind, has_null=not document.repeats_are_lists)
        if old.kind in {Kind.NULL, Kind.OTHER} and isinstance(value, (dict, list)):
            return _natural(document, value)
    return fit_scalar(value, want)


def _is_list(document: ConfigDocument, value: Any, old: Node | None, spot: Spot) -> bool:
    if spot.field is not None:
        return spot.field.repeated and not spot.is_item
    if old is not None and old.kind is Kind.LIST:
        return True
    # without a schema a repeated field that stands once looks like any other
    return (
        isinstance(value, list)
        and old is not None
        and document.repeats_are_lists
        and not spot.is_item
    )


def _fit_list(document: ConfigDocument, value: Any, old: Node | None, spot: Spot) -> list[Any]:
    if isinstance(value, str) and value.strip().startswith("["):
        value = _parse(document, value, is_list=True)
    if not isinstance(value, list):
        if not document.repeats_are_lists:
            shown = json.dumps(value, ensure_ascii=False, default=str)
            raise ValueMismatchError(
                f"{value!r} is a single value, and a list stands here", hint=f"write [{shown}]"
            )
        value = [value]
    olds = list(old.content) if old is not None and old.kind is Kind.LIST else [old] if old else []
    fitted = []
    for position, item in enumerate(value):
        like = olds[min(position, len(olds) - 1)] if olds else None
        fitted.append(fit(document, item, like, spot._replace(is_item=True)))
    return fitted


def _fit_group(
    document: ConfigDocument,
    value: Any,
    old: Node | None,
    type_: MessageType | None,
    *,
    adds: bool,
) -> dict[str, Any]:
    if isinstance(value, str):
        value = _parse(document, value, is_list=False)
    if not isinstance(value, dict):
        raise ValueMismatchError(f"{value!r} is no group of fields, and one stands here")
    fitted = {}
    for raw_name, item in value.items():
        name = str(raw_name)
        field = type_.fields.get(name) if type_ is not None else None
        is_new = old is None or old.kind is not Kind.MAP or name not in old.content
        if field is None and type_ is not None and is_new and (type_.is_complete or not adds):
            hint = did_you_mean(name, type_.fields)
            if not type_.is_complete:
                hint += "; '+' before the key allows fields that are not in the table"
            raise ValueMismatchError(f"{type_.name} has no field {name!r}", hint=hint)
        _check_name(document, name)
        like = old.content.get(name) if old is not None and old.kind is Kind.MAP else None
        try:
            fitted[name] = fit(document, item, like, Spot(field, adds=adds))
        except ValueMismatchError as error:
            raise ValueMismatchError(f"{name}: {error.message}", hint=error.hint) from error
    check_oneofs(fitted, type_)
    return fitted


def check_oneofs(names: Mapping[str, Any], type_: MessageType | None) -> None:
    """Raise ValueMismatchError where two fields are set that exclude each other."""
    if type_ is None:
        return
    members: dict[str, str] = {}
    for name in names:
        field = type_.fields.get(name)
        if field is not None and field.oneof:
            other = members.setdefault(field.oneof, name)
            if other != name:
                raise ValueMismatchError(
                    f"{other!r} and {name!r} exclude each other",
                    hint="replace the group that holds them as a whole",
                )


def _parse(document: ConfigDocument, text: str, *, is_list: bool) -> Any:
    what = "a list" if is_list else "a group of fields"
    try:
        return document.parse_fragment(text, is_list=is_list)
    except DocumentError as error:
        hint = "lists are written [1, 2, 3]" if is_list else ""
        raise ValueMismatchError(f"{text!r} is not {what}: {error.message}", hint=hint) from error


def _natural(document: ConfigDocument, value: Any, *, is_item: bool = False) -> Any:
    """A value for a place of which nothing is known."""
    is_proto = document.repeats_are_lists
    if isinstance(value, dict):
        for name in value:
            _check_name(document, name)
        return {str(name): _natural(document, item) for name, item in value.items()}
    if isinstance(value, list):
        if is_proto and (is_item or len({isinstance(item, dict) for item in value}) > 1):
            raise ValueMismatchError(f"{value!r} is no list that protobuf text can hold")
        return [_natural(document, item, is_item=True) for item in value]
    if value is None and is_proto:
        raise ValueMismatchError("null is no value in protobuf text")
    if isinstance(value, str) and is_proto and value.strip()[:1] == "{":
        return _parse(document, value, is_list=False)
    return value


def _check_name(document: ConfigDocument, name: str) -> None:
    if not document.is_name(name):
        raise ValueMismatchError(f"{name!r} cannot be the name of a field")
