from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import tensorboardX
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

from hpo_nni.metrics import events
from hpo_nni.metrics.events import EventSource

TAGS = ("auc", "loss", "eval/auc_is_like")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "eval_val"


def name(number: int) -> str:
    return f"events.out.tfevents.{number}.host"


def write_tensors(directory: Path, rows: list[tuple[int, str, float]]) -> None:
    """As TensorFlow 2 does it."""
    writer = EventFileWriter(str(directory))
    metadata = SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    for step, tag, value in rows:
        summary = Summary()
        summary.value.add(tag=tag, tensor=make_tensor_proto(value, "float32"), metadata=metadata)
        writer.add_event(Event(wall_time=step + 0.5, step=step, summary=summary))
    writer.close()


def test_simple_values_are_what_tensorboard_reads(directory):
    with tensorboardX.SummaryWriter(str(directory)) as writer:
        for step in range(300):
            for number, tag in enumerate(TAGS):
                writer.add_scalar(tag, step / (number + 3), step, walltime=1e9 + step)
            writer.add_text("note", "text", step)
    source = EventSource(directory, TAGS)
    points = source.poll() + source.finish()
    peer = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    peer.Reload()
    for tag in TAGS:
        ours = [(p.time, p.step, p.values[tag]) for p in points if tag in p.values]
        assert ours == [(s.wall_time, s.step, s.value) for s in peer.Scalars(tag)]
    assert (set(source.seen), source.damaged) == (set(TAGS), 0)


def test_tensors_are_what_tensorboard_reads(directory):
    rows = [(step, tag, step / 7) for step in range(200) for tag in TAGS]
    write_tensors(directory, rows)
    source = EventSource(directory, TAGS)
    points = source.poll()
    peer = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    peer.Reload()
    for tag in TAGS:
        ours = [(p.time, p.step, p.values[tag]) for p in points if tag in p.values]
        assert ours == [
            (e.wall_time, e.step, float(make_ndarray(e.tensor_proto))) for e in peer.Tensors(tag)
        ]


def test_events_of_one_step_in_separate_records_are_separate_points(directory):
    with tensorboardX.SummaryWriter(str(directory)) as writer:
        writer.add_scalar("auc", 0.5, 1)
        writer.add_scalar("loss", 0.25, 1)
    points = EventSource(directory, TAGS).poll()
    assert [(point.step, point.values) for point in points] == [
        (1, {"auc": 0.5}),
        (1, {"loss": 0.25}),
    ]


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(st.integers(0, 10_000), max_size=12),
    rows=st.lists(st.tuples(st.integers(0, 300), st.sampled_from(TAGS)), max_size=15),
)
def test_however_polls_fall_each_point_comes_once(frame, event, append, pieces, *, places, rows):
    data = b"".join(frame(event(step, **{tag: step / 8})) for step, tag in rows)
    with tempfile.TemporaryDirectory() as folder:
        source = EventSource(Path(folder), TAGS)
        found = []
        for piece in pieces(data, places):
            append(Path(folder) / name(1), piece)
            found += source.poll()
        found += source.finish()
    assert [(point.step, point.values) for point in found] == [
        (step, {tag: step / 8}) for step, tag in rows
    ]
    assert source.damaged == 0


@settings(max_examples=40, deadline=None)
@given(byte=st.integers(0, 10_000), bit=st.integers(0, 7), place=st.integers(0, 10_000))
def test_a_flipped_bit_raises_nothing_and_is_counted(frame, event, append, *, byte, bit, place):
    data = bytearray(b"".join(frame(event(step, auc=0.5)) for step in range(5)))
    data[byte % len(data)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        source = EventSource(Path(folder), TAGS)
        append(Path(folder) / name(1), data[: place % len(data)])
        found = source.poll()
        append(Path(folder) / name(1), data[place % len(data) :])
        found += source.finish()
    assert source.damaged == 1
    assert len(found) < 5


def test_a_directory_that_does_not_exist_yet_has_no_points(directory, frame, event, append):
    source = EventSource(directory, TAGS)
    assert source.poll() == []
    assert source.account() == f"{directory} does not exist"
    directory.mkdir()
    assert source.poll() == []
    assert source.account() == f"{directory} has no event files"
    append(directory / "checkpoint", b"not ours")
    append(directory / name(1), frame(event(1, auc=0.5)))
    assert [point.step for point in source.poll()] == [1]
    assert source.account() == f"{directory} has 1 event file(s)"


def test_a_directory_that_cannot_be_read_is_logged_once(directory, monkeypatch, caplog):
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    source = EventSource(directory, TAGS)
    assert source.poll() + source.poll() == []
    assert source.account() == f"{directory} cannot be read: Permission denied"
    assert len(caplog.records) == 1


def test_files_are_read_in_the_order_of_their_names_and_new_ones_beside_old_ones(
    directory, frame, event, append
):
    directory.mkdir()
    source = EventSource(directory, TAGS)
    append(directory / name(3), frame(event(5, auc=0.5)))
    append(directory / name(1), frame(event(1, auc=0.5)))
    assert [point.step for point in source.poll()] == [1, 5]
    append(directory / name(4), frame(event(2, auc=0.25)))
    append(directory / name(1), frame(event(9, auc=0.5)))
    assert [point.step for point in source.poll()] == [9, 2]
    assert source.poll() == []


def test_one_event_file_is_a_source_too(tmp_path, frame, event, append):
    path = tmp_path / name(1)
    append(path, frame(event(1, auc=0.5)))
    append(tmp_path / name(2), frame(event(2, auc=0.5)))
    assert [point.step for point in EventSource(path, TAGS).poll()] == [1]


def test_a_half_written_last_record_is_damage_only_in_the_end(directory, frame, event, append):
    directory.mkdir()
    source = EventSource(directory, TAGS)
    append(directory / name(1), frame(event(1, auc=0.5)) + frame(event(2, auc=0.5))[:-3])
    assert [point.step for point in source.poll()] == [1]
    assert source.damaged == 0
    assert source.finish() == []
    assert source.damaged == 1


def test_a_file_whose_length_is_damaged_ends_and_others_go_on(
    directory, frame, event, append, caplog
):
    directory.mkdir()
    broken = bytearray(frame(event(2, auc=0.5)))
    broken[8] ^= 1
    append(directory / name(1), frame(event(1, auc=0.5)) + broken + frame(event(3, auc=0.5)))
    append(directory / name(2), frame(event(4, auc=0.5)))
    source = EventSource(directory, TAGS)
    assert [point.step for point in source.poll()] == [1, 4]
    append(directory / name(1), frame(event(5, auc=0.5)))
    append(directory / name(2), frame(event(6, auc=0.5)))
    assert [point.step for point in source.poll()] == [6]
    assert source.damaged == 1
    assert len(caplog.records) == 1


def test_a_file_that_is_written_anew_begins_anew(directory, frame, event, append):
    directory.mkdir()
    source = EventSource(directory, TAGS)
    append(directory / name(1), b"".join(frame(event(step, auc=0.5)) for step in range(5)) + b"??")
    assert len(source.poll()) == 5
    (directory / name(1)).write_bytes(frame(event(7, auc=0.25)))
    assert [point.step for point in source.poll()] == [7]
    assert source.damaged == 0


def test_many_old_files_do_not_stay_open(directory, frame, event, append, monkeypatch):
    monkeypatch.setattr(events, "_OPEN_FILES", 2)
    directory.mkdir()
    for number in range(6):
        append(directory / name(number), frame(event(number, auc=0.5)))
    source = EventSource(directory, TAGS)
    assert len(source.poll()) == 6
    assert sum(file.growing._handle is not None for file in source._files.values()) == 2
    append(directory / name(0), frame(event(9, auc=0.5)))
    assert [point.step for point in source.poll()] == [9]


def test_no_byte_is_read_twice(directory, frame, event, append, reads):
    directory.mkdir()
    source = EventSource(directory, TAGS)
    for step in range(20):
        append(directory / name(1), frame(event(step, auc=0.5)))
        source.poll()
        source.poll()
    source.finish()
    assert sum(end - start for start, end in reads) == (directory / name(1)).stat().st_size


def test_reading_imports_neither_tensorflow_nor_tensorboard(directory, frame, event, append):
    import subprocess
    import sys

    directory.mkdir()
    append(directory / name(1), frame(event(1, auc=0.5)))
    script = (
        "import sys, pathlib; from hpo_nni.metrics import open_source;"
        f"source = open_source('summary', [pathlib.Path({str(directory)!r})], ['auc'], {{}});"
        "assert len(source.poll()) == 1;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " {'tensorflow', 'tensorboard', 'google.protobuf', 'numpy', 'jsonpath_ng', 'nni'}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split() == [b"[]"]
