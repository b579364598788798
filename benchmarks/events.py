"""How fast TensorBoard event files are read, and in how much memory: ours beside TensorBoard's.

    python benchmarks/events.py [--records 200000] [--rounds 3]

The files are written by the libraries that trainers use: simple values by tensorboardX, tensors by
TensorBoard's own writer, as TensorFlow 2 does it. Each measurement is a process of its own, ours
and the peer's in turn; the clock starts after the imports. Ours decodes all tags; the line below it
only two of five, as a trial does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent.parent))

TAGS = ("auc", "loss", "eval/auc_is_like", "eval/auc_is_comment", "learning_rate")
POLLS = 2000


def main() -> None:
    """Write the files, measure in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("READER", "DIRECTORY"))
    arguments = parser.parse_args()
    if arguments.measure:
        reader, directory = arguments.measure
        print(json.dumps(measure(READERS[reader], Path(directory))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for title, write, records in (
            ("simple values", write_simple_values, arguments.records),
            ("tensors", write_tensors, arguments.records // 4),
        ):
            directory = Path(folder) / title.replace(" ", "_")
            write(directory, records)
            size = sum(path.stat().st_size for path in directory.iterdir())
            print(f"{title}: {records} records, {size / 1e6:.1f} MB, {arguments.rounds} rounds")
            show(run(directory, arguments.rounds), records)


def write_simple_values(directory: Path, records: int) -> None:
    """As tensorboardX, PyTorch and TensorFlow 1 write scalars."""
    import tensorboardX  # noqa: PLC0415 - only the process that writes needs it

    with tensorboardX.SummaryWriter(str(directory), max_queue=1000, flush_secs=600) as writer:
        for record in range(records):
            step, tag = divmod(record, len(TAGS))
            writer.add_scalar(TAGS[tag], record * 1e-6, step)


def write_tensors(directory: Path, records: int) -> None:
    """As TensorFlow 2 writes scalars."""
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # noqa: PLC0415
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415
    from tensorboard.util.tensor_util import make_tensor_proto  # noqa: PLC0415

    writer = EventFileWriter(str(directory), max_queue_size=1000, flush_secs=600)
    metadata = SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    for record in range(records):
        step, tag = divmod(record, len(TAGS))
        summary = Summary()
        tensor = make_tensor_proto(record * 1e-6, "float32")
        summary.value.add(tag=TAGS[tag], tensor=tensor, metadata=metadata)
        writer.add_event(Event(wall_time=float(step), step=step, summary=summary))
    writer.close()


def read_ours(directory: Path, tags: tuple[str, ...] = TAGS) -> int:
    """Poll to the end, as a trial does; the points are counted and let go."""
    from hpo_nni.metrics.events import EventSource  # noqa: PLC0415

    source = EventSource(directory, tags)
    count = 0
    while points := source.poll():
        count += len(points)
    return count


def read_two_tags(directory: Path) -> int:
    """Only the metrics of a score."""
    return read_ours(directory, TAGS[:2])


def read_tensorboard(directory: Path) -> int:
    """TensorBoard's reader, told to keep everything."""
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415

    guidance = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    accumulator = event_accumulator.EventAccumulator(str(directory), size_guidance=guidance)
    accumulator.Reload()
    tags = accumulator.Tags()
    return sum(len(accumulator.Scalars(tag)) for tag in tags["scalars"]) + sum(
        len(accumulator.Tensors(tag)) for tag in tags["tensors"]
    )


READERS: dict[str, Callable[[Path], int]] = {
    "EventAccumulator": read_tensorboard,
    "ours, all tags": read_ours,
    "ours, 2 of 5 tags": read_two_tags,
}


def measure(read: Callable[[Path], int], directory: Path) -> dict[str, float]:
    """One reading in this process, its imports paid before; memory is the peak above them."""
    with tempfile.TemporaryDirectory() as empty:
        read(Path(empty))
    before = memory("VmRSS")
    start = time.perf_counter()
    points = read(directory)
    seconds = time.perf_counter() - start
    found = {"points": points, "seconds": seconds, "peak": memory("VmHWM") - before}
    if read is not read_tensorboard:
        found["poll"] = unchanged_poll(directory)
    return found


def unchanged_poll(directory: Path) -> float:
    """Seconds that one look at files costs which have not grown."""
    from hpo_nni.metrics.events import EventSource  # noqa: PLC0415

    source = EventSource(directory, TAGS)
    while source.poll():
        pass
    start = time.perf_counter()
    for _ in range(POLLS):
        source.poll()
    return (time.perf_counter() - start) / POLLS


def memory(key: str) -> float:
    """Megabytes, out of Linux's account of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if key in line)


def run(directory: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """All readers in turn, several times."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
    for _ in range(rounds):
        for name, results in found.items():
            command = [sys.executable, __file__, "--measure", name, str(directory)]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def show(found: dict[str, list[dict[str, float]]], records: int) -> None:
    """Medians, one line per reader; the rate is that of records read, wanted or not."""
    print(f"{'reader':20}{'points':>9}{'records/s':>11}{'ratio':>7}{'peak MB':>9}{'poll ms':>9}")
    peer = 0.0
    for name, results in found.items():
        rate = records / statistics.median(result["seconds"] for result in results)
        peer = peer or rate
        peak = statistics.median(result["peak"] for result in results)
        polls = [1e3 * result["poll"] for result in results if "poll" in result]
        poll = f"{statistics.median(polls):9.4f}" if polls else ""
        points = int(results[0]["points"])
        print(f"{name:20}{points:9}{rate:11.0f}{rate / peer:7.1f}{peak:9.1f}{poll}")
    print()


if __name__ == "__main__":
    main()
