from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.metrics import tfrecord
from hpo_nni.metrics.damage import Damage
from hpo_nni.metrics.tfrecord import RecordReader

DATA = st.lists(st.binary(max_size=300), max_size=12)


def reader() -> tuple[RecordReader, Damage]:
    damage = Damage("events")
    return RecordReader(damage), damage


@settings(max_examples=60)
@given(DATA, st.lists(st.integers(0, 5000), max_size=30))
def test_any_cuts_give_the_same_records(frame, pieces, data, places):
    whole = b"".join(map(frame, data))
    records, damage = reader()
    found = [record for piece in pieces(whole, places) for record in records.feed(piece)]
    assert found == data
    assert (damage.count, records.half_written) == (0, 0)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.data())
def test_any_flipped_bit_costs_one_record_or_the_rest_and_is_counted(frame, pieces, data, draw):
    framed = [bytearray(frame(item)) for item in data]
    victim = draw.draw(st.integers(0, len(data) - 1))
    byte = draw.draw(st.integers(0, len(framed[victim]) - 1))
    framed[victim][byte] ^= 1 << draw.draw(st.integers(0, 7))
    places = draw.draw(st.lists(st.integers(0, 5000), max_size=5))
    records, damage = reader()
    whole = b"".join(map(bytes, framed))
    found = [record for piece in pieces(whole, places) for record in records.feed(piece)]
    in_header = byte < tfrecord.HEADER_BYTES
    assert damage.count == 1
    assert records.is_lost == in_header
    assert found == data[:victim] + ([] if in_header else data[victim + 1 :])


def test_a_half_written_record_waits(frame):
    records, damage = reader()
    whole = frame(b"metric")
    assert records.feed(whole[:-1]) == []
    assert records.half_written == len(whole) - 1
    assert records.feed(whole[-1:]) == [b"metric"]
    assert damage.count == 0


def test_nothing_behind_a_damaged_length_is_trusted(frame, caplog):
    records, damage = reader()
    broken = bytearray(frame(b"second"))
    broken[0] ^= 1
    assert records.feed(frame(b"first") + broken + frame(b"third")) == [b"first"]
    assert records.feed(frame(b"appended later")) == []
    assert damage.count == 1
    [message] = [record.message for record in caplog.records]
    assert "the length of the record at byte 21" in message
    assert "given up" in message


def test_a_damaged_record_is_named_by_its_place_in_the_file(frame, caplog):
    records, _ = reader()
    broken = bytearray(frame(b"second"))
    broken[-1] ^= 1
    for byte in frame(b"first") + broken + frame(b"third"):
        records.feed(bytes([byte]))
    [message] = [record.message for record in caplog.records]
    assert "the record at byte 21 does not match its checksum" in message


def test_a_giant_record_is_skipped_unread(frame, monkeypatch):
    monkeypatch.setattr(tfrecord, "MAX_RECORD_BYTES", 100)
    records, damage = reader()
    whole = frame(b"x") + frame(b"y" * 5000) + frame(b"z")
    found = []
    for start in range(0, len(whole), 64):
        found += records.feed(whole[start : start + 64])
        assert records.half_written <= 200
    assert found == [b"x", b"z"]
    assert damage.count == 1


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_garbage_raises_nothing(data):
    records, _ = reader()
    records.feed(data)


@pytest.mark.parametrize("size", [1 << 12, 1 << 20])
def test_a_long_record_in_many_pieces_is_put_together_once(frame, size):
    records, _ = reader()
    whole = frame(bytes(size))
    found = [
        record
        for start in range(0, len(whole), 1000)
        for record in records.feed(whole[start : start + 1000])
    ]
    assert found == [bytes(size)]
