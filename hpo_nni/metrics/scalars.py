"""Points out of the records of event files: the wanted scalars, as fast as Python can."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.event_message import EVENT_STEP, EVENT_SUMMARY, EVENT_TIME, parse_event
from hpo_nni.metrics.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hpo_nni.metrics.damage import Damage

MAX_SEEN = 1000
_MAX_LAYOUTS = 8  # one per kind of writer: they differ in how much stands behind the number

_AFTER_TIME = frozenset({EVENT_STEP, EVENT_SUMMARY})
_HEAD_BYTES = 11  # a key, the time, a key, the first byte of the step
_STEP_BITS = 28  # longer steps are taken apart

_head = struct.Struct("<BdBB").unpack_from
_float = struct.Struct("<f").unpack_from


class ScalarDecoder:
    """Turns the data of records into points of the wanted tags.

    A scalar is a `simple_value` (TensorFlow 1, tensorboardX, PyTorch) or a tensor of exactly one
    number (TensorFlow 2, PyTorch's new style), whatever plugin it was written for.

    Nearly all records are a time, a step, and a summary of one float, and what stands before and
    behind the float is the same for all records of a tag. So the first record of each such layout
    is taken apart, and the others are looked up, which is several times as fast.

    Attributes:
        seen: the tags of all scalars, wanted or not; the first thousand.
    """

    def __init__(self, wanted: Collection[str], damage: Damage) -> None:
        self._wanted = frozenset(wanted)
        self._damage = damage
        # how many bytes stand behind the float -> all bytes around it -> tag, "" if not wanted
        self._layouts: dict[int, dict[bytes, str]] = {}
        self.seen: dict[str, None] = {}

    def points(self, records: Iterable[bytes]) -> list[MetricPoint]:
        """Decode records in their order; what cannot be decoded is reported and left out."""
        found: list[MetricPoint] = []
        layouts = tuple(self._layouts.items())
        for record in records:
            name, at, place, step, time = None, 0, 0, 0, 0.0
            end = len(record)
            if end >= _HEAD_BYTES + 4:
                first, time, second, step = _head(record)
                place, bits = _HEAD_BYTES, 7
                if second == EVENT_SUMMARY:  # step 0 is not written
                    step, place = 0, _HEAD_BYTES - 2
                while step >> bits and bits < _STEP_BITS:
                    step = step ^ 1 << bits | record[place] << bits
                    bits += 7
                    place += 1
                if first == EVENT_TIME and second in _AFTER_TIME and not step >> bits:
                    for behind, names in layouts:
                        at = end - behind - 4
                        name = names.get(record[place:at] + record[at + 4 :])
                        if name is not None:
                            break
                else:
                    place = 0
            if name:
                found.append(MetricPoint(step, {name: _float(record, at)[0]}, time))
            elif name is None:
                self._take_apart(record, place, found)
                layouts = tuple(self._layouts.items())
        return found

    def _take_apart(self, record: bytes, after_step: int, found: list[MetricPoint]) -> None:
        """Decode a record of any layout, and remember it if others can be looked up by it.

        Args:
            record: the record.
            after_step: where what follows its step begins; 0 if its head is an unusual one.
            found: where its point goes.
        """
        try:
            event = parse_event(record)
            names = [value.tag.decode() for value in event.values]
        except (WireError, IndexError, struct.error, UnicodeDecodeError) as error:
            self._damage.report(
                f"a record of {len(record)} bytes with a right checksum is no event ({error});"
                " it is skipped"
            )
            return
        values: dict[str, float] = {}
        for name, value in zip(names, event.values, strict=True):
            if value.number is not None:
                self._meet(name)
                if name in self._wanted:
                    values[name] = value.number
            elif name in self._wanted:
                self._damage.report(f"a record of {name!r} holds something else than one number")
        if after_step and event.is_plain and event.values[0].place:
            self._remember(record, after_step, event.values[0].place, names[0])
        if values:
            found.append(MetricPoint(event.step, values, event.time))

    def _meet(self, name: str) -> None:
        if name in self._wanted or len(self.seen) < MAX_SEEN:
            self.seen[name] = None

    def _remember(self, record: bytes, after_step: int, at: int, name: str) -> None:
        behind = len(record) - at - 4
        if name in self.seen and (behind in self._layouts or len(self._layouts) < _MAX_LAYOUTS):
            around = record[after_step:at] + record[at + 4 :]
            self._layouts.setdefault(behind, {})[around] = name if name in self._wanted else ""
