from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.util.tensor_util import make_tensor_proto

from hpo_nni.metrics.damage import Damage
from hpo_nni.metrics.scalars import MAX_SEEN, ScalarDecoder


def decoder(*wanted: str) -> ScalarDecoder:
    return ScalarDecoder(wanted or ("auc",), Damage("events"))


STEPS = [0, 1, 127, 128, 16383, 16384, 2097151, 2097152, 2**28, 2**35, 2**63 - 1, -1, -(2**63)]


@pytest.mark.parametrize("step", STEPS)
def test_a_simple_value_has_its_step_and_time(event, step):
    """Twice: at its first record a tag is met, from then on it is looked up."""
    scalars = decoder()
    record = event(step, time=1.7e9, auc=0.5)
    points = scalars.points([record, record])
    assert points == [(step, {"auc": 0.5}, 1.7e9)] * 2


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(STEPS),
            st.sampled_from(["auc", "loss", "x" * 200, "漢字"]),
            st.floats(width=32),
            st.floats(allow_nan=False),
        ),
        max_size=20,
    )
)
def test_every_simple_value_is_what_tensorboard_reads(rows):
    wanted = ("auc", "x" * 200, "漢字")
    records = [
        Event(
            wall_time=time, step=step, summary=Summary(value=[{"tag": tag, "simple_value": value}])
        ).SerializeToString()
        for step, tag, value, time in rows
    ]
    expected = []
    for record in records:
        message = Event.FromString(record)
        [value] = message.summary.value
        if value.tag in wanted:
            time = None if repr(message.wall_time) == "0.0" else message.wall_time  # is not written
            expected.append((message.step, value.tag, value.simple_value, time))
    scalars = decoder(*wanted)
    found = [
        (point.step, *next(iter(point.values.items())), point.time)
        for point in scalars.points(records)
    ]
    assert list(map(repr, found)) == list(map(repr, expected))
    assert set(scalars.seen) == {row[1] for row in rows}


def test_another_tensor_of_a_wanted_tag_is_damage_not_a_number(event, caplog):
    damage = Damage("events")
    scalars = ScalarDecoder(["auc"], damage)
    histogram = make_tensor_proto([0.25, 0.5], dtype="float32")
    assert scalars.points([event(1, auc=histogram), event(2, auc=0.5)]) == [(2, {"auc": 0.5}, 1.5)]
    assert damage.count == 1
    assert "'auc' holds something else than one number" in caplog.text


def test_tensors_of_the_scalars_plugin_have_metadata_beside_them():
    metadata = SummaryMetadata(plugin_data={"plugin_name": "scalars", "content": b"\0"})
    summary = Summary()
    summary.value.add(tag="auc", metadata=metadata, tensor=make_tensor_proto(0.75))
    record = Event(wall_time=2.0, step=9, summary=summary).SerializeToString()
    assert decoder().points([record, record]) == [(9, {"auc": 0.75}, 2.0)] * 2


def test_several_values_of_one_event_are_one_point(event):
    scalars = decoder("auc", "loss")
    record = event(4, auc=0.5, lr=0.1, loss=make_tensor_proto(0.25))
    assert scalars.points([record, record]) == [(4, {"auc": 0.5, "loss": 0.25}, 1.5)] * 2
    assert list(scalars.seen) == ["auc", "lr", "loss"]


def test_fields_may_come_in_any_order():
    summary = Summary(value=[{"tag": "auc", "simple_value": 0.5}]).SerializeToString()
    time = b"\x09" + struct.pack("<d", 2.0)
    body = b"\x2a" + bytes([len(summary)]) + summary
    records = [body + b"\x10\x05" + time, time + body + b"\x10\x05", b"\x10\x05" + body + time]
    scalars = decoder()
    assert scalars.points(records * 2) == [(5, {"auc": 0.5}, 2.0)] * 6


def test_other_events_are_no_scalars():
    records = [
        Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString(),
        Event(wall_time=1.0, step=3, graph_def=b"x" * 100).SerializeToString(),
        Event(wall_time=1.0, step=3, summary=Summary()).SerializeToString(),
        b"",
    ]
    damage = Damage("events")
    assert ScalarDecoder(["auc"], damage).points(records) == []
    assert damage.count == 0


def test_a_record_that_is_no_event_is_reported_and_skipped(event, caplog):
    damage = Damage("events")
    scalars = ScalarDecoder(["auc"], damage)
    bad = event(1, auc=0.5)[:-2]
    assert scalars.points([bad, event(2, auc=0.5)]) == [(2, {"auc": 0.5}, 1.5)]
    assert damage.count == 1
    assert "is no event" in caplog.text


def test_a_tag_that_is_no_utf8_is_damage(event):
    damage = Damage("events")
    record = event(1, auc=0.5).replace(b"auc", b"a\xffc")
    assert ScalarDecoder(["auc"], damage).points([record]) == []
    assert damage.count == 1


def test_tags_without_number_are_remembered_only_so_far(event):
    scalars = decoder()
    scalars.points([event(1, **{f"tag{n}": 1.0}) for n in range(MAX_SEEN + 50)])
    assert scalars.points([event(1, auc=0.5)]) == [(1, {"auc": 0.5}, 1.5)]
    assert len(scalars.seen) == MAX_SEEN + 1


@settings(max_examples=150)
@given(st.data())
def test_any_change_of_a_record_raises_nothing(event, data):
    record = bytearray(event(data.draw(st.sampled_from(STEPS)), auc=0.5, loss=0.25))
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    scalars = decoder("auc", "loss")
    scalars.points([event(1, auc=0.5), bytes(record), bytes(record[: len(record) // 2])])


@settings(max_examples=150)
@given(st.data())
def test_looking_a_record_up_gives_what_taking_it_apart_gives(event, data):
    tensor = make_tensor_proto(0.75, "float32")
    records = [event(step, auc=0.5) for step in STEPS] + [
        event(step, loss=tensor) for step in STEPS
    ]
    for _ in range(data.draw(st.integers(1, 8))):
        record = bytearray(data.draw(st.sampled_from(records[: 2 * len(STEPS)])))
        for _ in range(data.draw(st.integers(0, 3))):
            record[data.draw(st.integers(0, len(record) - 1))] = data.draw(
                st.sampled_from([0, 1, 5, 0x08, 0x0A, 0x10, 0x18, 0x2A, 0x30, 0x80, 0xFF])
            )
        records.append(bytes(record))
    scalars = decoder("auc", "loss")
    at_once = scalars.points(records)
    one_by_one = [point for record in records for point in decoder("auc", "loss").points([record])]
    assert list(map(repr, at_once)) == list(map(repr, one_by_one))
