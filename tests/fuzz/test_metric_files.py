"""Damaged files of metrics, read while they are written and at their end."""

from __future__ import annotations

import contextlib
import itertools
import math
import struct

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.metrics.event_message import parse_event
from hpo_nni.metrics.sources import open_source
from hpo_nni.metrics.wire import WireError
from hpo_nni.testing.fuzzing import damaged, damaged_bytes, examples, survives

KEYS = {
    "summary": (["auc", "loss"], {}),
    "csv": (["auc", "loss"], {"step_key": "step"}),
    "json": (["auc", "a.b", "$.results[*].loss"], {"step_key": "step"}),
    "stdout": (["auc", r"loss[=:] *([0-9.eE+-]+|nan|inf)"], {"step_regex": r"step (\d+)"}),
}


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def event(step, **values):
    """An Event in protobuf's wire format, by hand: wall_time 1, step 2, summary 5."""
    summary = b""
    for tag, value in values.items():
        one = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
        summary += b"\x0a" + bytes([len(one)]) + one
    return (
        b"\x09" + struct.pack("<d", 1.5) + b"\x10" + bytes([step]) + b"\x2a"
        + bytes([len(summary)]) + summary
    )  # fmt: skip


MESSAGES = [event(step, auc=0.5, loss=math.nan) for step in range(4)]
HUGE = [struct.pack("<Q", size) for size in (2**63, 2**62, 2**40, 2**31, 0)]
EVENTS = [
    b"".join(map(frame, MESSAGES)),
    b"".join(frame(message) for message in [b"", b"\x0a\x04", *MESSAGES]),
    *(length + masked(length) + b"x" * 64 for length in HUGE),
    frame(MESSAGES[0]) + HUGE[2] + masked(HUGE[2]) + b"".join(map(frame, MESSAGES)),
]
CSV = [
    'step,auc,loss\n1,0.5,"0,1"\n2,nan,inf\n\n3,0.7,-1e-3\n',
    "auc\tloss\n0.1\t0.2\n",
    'auc,loss\n"0.5\n,1\n',
]
JSON = [
    '{"step": 1, "auc": 0.5, "a": {"b": [1, 2]}}\n{"step": 2, "auc": NaN}\n',
    '{"results": [{"loss": 1}, {"loss": 2e400}], "step": 3, "auc": "0.5"}',
    "[1, 2]\n",
]
PRINTED = [
    "step 1 auc = 0.5, loss: 0.25\nstep 2\rauc: 1e-3 loss=nan\n",
    "\x1b[31mauc\x1b[0m 0.5%\n",
]
NUMBERS = [
    "9" * 5000,
    "1e999",
    "-inf",
    "0x1p-1",
    "1_000",
    "١٢",
    "[" * 3000,
    '{"a": ' * 1500,
    '"' * 50,
    "\0",
    "\r",
    "," * 3000,
    "step ",
    "auc",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("metrics")


_files = itertools.count()


def follow(folder, kind, data, cuts):
    """Write the data in pieces, and read after each."""
    here = folder / str(next(_files))
    here.mkdir()
    path = here / "events.out.tfevents.1.host" if kind == "summary" else here / "metrics"
    metrics, options = KEYS[kind]
    source = open_source(kind, [here if kind == "summary" else path], metrics, options)
    points = list(source.poll())
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        with path.open("ab") as file:
            file.write(data[start:end])
        points += source.poll()
    points += source.finish()
    assert len(source.account()) < 3000
    for point in points:
        assert all(isinstance(value, float) for value in point.values.values())
    return points


CUTS = st.lists(st.integers(0, 4000), max_size=3)


@given(data=damaged_bytes(EVENTS), cuts=CUTS)
@examples(2)
def test_damaged_event_files_give_what_is_whole(folder, data, cuts):
    survives(lambda: follow(folder, "summary", data, cuts))


@given(data=damaged_bytes(MESSAGES))
@examples(3)
def test_a_damaged_event_is_read_or_refused(data):
    with contextlib.suppress(WireError, IndexError, struct.error, UnicodeDecodeError):
        survives(lambda: parse_event(data))  # its caller counts these as damage


TEXTS = {"csv": CSV, "json": JSON, "stdout": PRINTED}


@pytest.mark.parametrize("kind", sorted(TEXTS))
@given(data=st.data(), cuts=CUTS)
@examples(2)
def test_damaged_texts_give_what_can_be_read(folder, kind, data, cuts):
    text = data.draw(damaged(TEXTS[kind], NUMBERS))

    survives(lambda: follow(folder, kind, text.encode("utf-8", "surrogatepass"), cuts))


@pytest.mark.parametrize("kind", sorted(KEYS))
@given(data=st.binary(max_size=200), cuts=CUTS)
@examples()
def test_any_bytes_do_no_harm(folder, kind, data, cuts):
    survives(lambda: follow(folder, kind, data, cuts))


@pytest.mark.parametrize("kind", sorted(KEYS))
@pytest.mark.parametrize(
    "data",
    [
        b"x" * 3_000_000,
        b"\0" * 3_000_000,
        b"\n" * 1_000_000,
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'"' * 1_000_001,
        b"," * 1_000_000,
        b"auc=" * 300_000,
        b"auc = " + b" " * 1_000_000,
        b"auc = " + b"9" * 1_000_000,
        b"auc = " + b"1." * 500_000,
        b"loss=" + b"-" * 1_000_000,
        b"step " + b"1" * 1_000_000,
        b"step,auc,loss\n" + b"1,2,3\n" * 20_000,
        b'{"auc": ' + b"9" * 1_000_000 + b"}\n",
        frame(b"\x2a" + b"\xff" * 9 + b"\x01"),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_data_that_is_made_to_hurt_does_not(folder, kind, data):
    survives(lambda: follow(folder, kind, data, [len(data) // 2]))


@given(
    key=damaged(
        ["auc=([0-9.]+)", r"(?P<x>\d+)", "loss"], ["(" * 500, "a{999999}", "(a+)+$", "[", "\\", "*"]
    )
)
@examples(2)
def test_a_damaged_key_of_a_metric_is_used_or_refused(folder, key):
    def follow_key():
        path = folder / "printed"
        path.write_text(PRINTED[0], encoding="utf-8")
        source = open_source("stdout", [path], [key], {})
        return [*source.poll(), *source.finish()]

    survives(follow_key)
