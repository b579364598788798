"""What differs between two experiments, under the heads that people ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import parse_document, to_data
from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import InputKind
from hpo_nni.reports.days import ranges
from hpo_nni.reports.values import ABSENT, Difference, differences, labelled_differences
from hpo_nni.space import parse_space
from hpo_nni.space.parameters import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hpo_nni.ledger.records import InputRecord
    from hpo_nni.reports.made_of import MadeOf
    from hpo_nni.space.parameters import Scalar

_NO_TRIAL = "not recorded: no trial has edited its configs and begun its work"
_NO_NNI = "not recorded: no trial ran under NNI and could ask it"


@dataclass(frozen=True)
class Section:
    """What differs under one head.

    Attributes:
        name: of the head.
        differences: the places.
        remarks: what could not be compared and why, and what is odd, a sentence each.
        subject: what was compared, for a person: a file's name; may be empty.
    """

    name: str
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    subject: str = ""

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "section": self.name,
            "subject": self.subject,
            "differences": [one.facts() for one in self.differences],
            "remarks": list(self.remarks),
        }


def compare(a: MadeOf, b: MadeOf) -> list[Section]:
    """All sections, in the order in which they are read."""
    return [
        *_configs(a, b),
        _space(a, b),
        _data(a, b),
        _settings(a, b),
        _of_maps("command", [a.command, b.command]),
        _of_maps("code", [a.code, b.code]),
    ]


def _of_maps(name: str, found: Sequence[Mapping[str, Any] | None]) -> Section:
    remarks = _missing(name, found, _NO_TRIAL)
    return Section(name, () if remarks else _labelled(found), remarks)


def _labelled(found: Sequence[Mapping[str, Any] | None]) -> tuple[Difference, ...]:
    return tuple(labelled_differences(*(one or {} for one in found)))


def _missing(what: str, found: Sequence[object], why: str) -> tuple[str, ...]:
    sides = [side for side, one in zip("AB", found, strict=True) if one is None]
    return (f"{' and '.join(sides)}: {what} {why}",) if sides else ()


def _configs(a: MadeOf, b: MadeOf) -> Iterator[Section]:
    pairs = list(_pair_configs(a.configs, b.configs))
    if not pairs:
        yield Section("config", (), _no_configs(a, b))
    for one, other in pairs:
        yield _config(a, b, one, other)


def _no_configs(a: MadeOf, b: MadeOf) -> tuple[str, ...]:
    remarks = _missing("config", [a.sections, b.sections], _NO_TRIAL)
    hands_over = "none: trials hand their points over with the job, or take them as arguments"
    return remarks or (hands_over,)


def _pair_configs(
    a: Mapping[str, InputRecord], b: Mapping[str, InputRecord]
) -> Iterator[tuple[InputRecord | None, InputRecord | None]]:
    """Files of the same name belong together; one on each side does whatever it is called."""
    if len(a) == len(b) == 1:
        yield next(iter(a.values())), next(iter(b.values()))
        return
    names, others = ({PurePath(path).name: one for path, one in side.items()} for side in (a, b))
    for name in dict.fromkeys([*names, *others]):
        yield names.get(name), others.get(name)


def _config(a: MadeOf, b: MadeOf, one: InputRecord | None, other: InputRecord | None) -> Section:
    pair = [one, other]
    names = list(dict.fromkeys(PurePath(side.name).name for side in pair if side))
    subject = " and ".join(names)
    if one is None or other is None:
        only = "A" if other is None else "B"
        return Section("config", (), (f"only {only} has {subject}",), subject)
    remarks = list(_changed(subject, a, b, one, other))
    if one.digest == other.digest:
        return Section("config", (), tuple(remarks), subject)
    found, more = _of_texts(one, other)
    return Section("config", tuple(found), (*remarks, *more), subject)


def _changed(
    what: str, a: MadeOf, b: MadeOf, one: InputRecord, other: InputRecord
) -> Iterator[str]:
    for side, made, record in (("A", a, one), ("B", b, other)):
        count = made.versions(record.kind, record.name)
        if count > 1:
            yield (
                f"{side}: {what} changed while the experiment ran: there were {count} versions, "
                "and the last one is compared"
            )


def _of_texts(one: InputRecord, other: InputRecord) -> tuple[list[Difference], list[str]]:
    """The differences of two texts that differ, and what else is to be said."""
    if one.text is None or other.text is None:
        sizes = f"{one.size:,} and {other.size:,} bytes"
        return [], [f"the texts differ; they are too long to be kept: {sizes}"]
    try:
        documents = [parse_document(side.text or "", path=side.name) for side in (one, other)]
    except HpoNniError:
        lines, others = one.text.splitlines(), other.text.splitlines()
        placed = [dict(enumerate(side, 1)) for side in (lines, others)]
        found = [
            Difference(f"line {number}", *(side.get(number, ABSENT) for side in placed))
            for number in range(1, max(len(lines), len(others)) + 1)
            if placed[0].get(number) != placed[1].get(number)
        ]
        return found, ["the texts are compared by lines: they cannot be parsed as they are"]
    data = [to_data(document) for document in documents]
    repeats = any(document.repeats_are_lists for document in documents)
    found = list(differences(*data, repeats_are_lists=repeats))
    same = "all values are the same; the texts differ in comments, order or spelling"
    return found, [] if found else [same]


def _space(a: MadeOf, b: MadeOf) -> Section:
    records = [made.newest(InputKind.SPACE) for made in (a, b)]
    one, other = records
    if one is None or other is None:
        return Section("space", (), _missing("search space", records, _NO_NNI))
    remarks = tuple(_changed("the search space", a, b, one, other))
    spaces = [_dimensions(side.text or "{}") for side in (one, other)]
    return Section("space", tuple(labelled_differences(*spaces)), remarks)


def _dimensions(text: str) -> dict[str, str]:
    """Each dimension in a line; those inside nested choices by their path."""
    space = parse_space(json.loads(text))
    return {" / ".join(one.path): _described(one.parameter) for one in space.flatten()}


def _described(parameter: Scalar) -> str:
    """As NNI spells it: `loguniform 0.01, 2`."""
    values = [getattr(parameter, one.name) for one in fields(parameter)]  # type: ignore[arg-type]
    options = values[0] if isinstance(parameter, Choice) else values
    shown = [f"{one:g}" if isinstance(one, float) else json.dumps(one) for one in options]
    return f"{type(parameter).__name__.lower()} {', '.join(shown)}"


def _settings(a: MadeOf, b: MadeOf) -> Section:
    """What the settings file says, and NNI's config; each where both were recorded."""
    own, nni = [a.settings, b.settings], [a.nni, b.nni]
    what = "NNI's config (tuner, assessor, limits)"
    remarks = (*_missing("settings", own, _NO_TRIAL), *_missing(what, nni, _NO_NNI))
    both = [pair for pair in (own, nni) if None not in pair]
    return Section("settings", tuple(one for pair in both for one in _labelled(pair)), remarks)


def _data(a: MadeOf, b: MadeOf) -> Section:
    found = [a.data, b.data]
    remarks = _missing("data", found, _NO_TRIAL)
    if remarks:
        return Section("data", (), remarks)
    days = [{"days": ranges(one.days)} if one.days else {} for one in (a, b)]
    both = [one | (two or {}) for one, two in zip(days, found, strict=True)]
    common = sorted({*a.days} & {*b.days})
    overlap = (f"days in common: {ranges(common)}",) if a.days != b.days else ()
    return Section("data", _labelled(both), overlap)
