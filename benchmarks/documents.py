"""Parse, edit and dump a config of 1,000 features, beside protobuf on the same text.

Run by `make bench`, or alone: `python benchmarks/documents.py [--runs N]`. The runs of both sides
take turns, so that what else the machine does hits both. The ratio is the median of the ratios of
the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from google.protobuf import message_factory, text_format

from hpo_nni.documents import apply_edits, parse_document
from hpo_nni.documents.descriptors import proto_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

PROTO = Path(__file__).resolve().parent.parent / "tests/documents/easyrec.proto"
FEATURE = """feature_configs {{
  input_names: "feature_{index}"
  feature_type: {kind}
  embedding_dim: {dim}
  hash_bucket_size: {buckets}
  separator: "|"
  combiner: "mean"  # of several values
  shared_names: ["feature_{index}_a", "feature_{index}_b"]
  max_val: {dim}.5
}}
"""
TARGET = 1 / 3


def generate(features: int) -> str:
    """A config of that many features, about 221 bytes each."""
    head = 'model_dir: "runs/bench"\nmodel_config { model_class: "DeepFM" }\n'
    return head + "".join(
        FEATURE.format(
            index=index,
            kind=("IdFeature", "TagFeature")[index % 2],
            dim=4 + index % 29,
            buckets=1000 + 997 * index,
        )
        for index in range(features)
    )


def ours(text: str) -> str:
    """One slice over all features, and one leaf."""
    edits = {"feature_configs[:].embedding_dim": 16, "model_dir": "runs/new"}
    return apply_edits(parse_document(text, format="prototext"), edits).text


def protobufs(text: str, message_class: Callable[[], object]) -> str:
    """The same edit, with protobuf's own reader and writer; comments are lost."""
    message = message_class()
    text_format.Parse(text, message)
    for feature in message.feature_configs:
        feature.embedding_dim = 16
    message.model_dir = "runs/new"
    return text_format.MessageToString(message)


def measure(runs: int, features: int) -> float:
    """Print the table; return the median ratio."""
    text = generate(features)
    (file,) = proto_descriptors(PROTO)
    message_class = message_factory.GetMessageClass(file.message_types_by_name["Config"])
    same = text_format.Parse(ours(text), message_class())
    assert same == text_format.Parse(protobufs(text, message_class), message_class())
    times: list[tuple[float, float]] = []
    for _ in range(runs):
        start = time.perf_counter()
        ours(text)
        middle = time.perf_counter()
        protobufs(text, message_class)
        times.append((middle - start, time.perf_counter() - middle))
    ratio = statistics.median(mine / theirs for mine, theirs in times)
    print(f"{features} features, {len(text) / 1000:.0f} kB, {runs} pairs of runs")
    print(f"{'parse + edit + dump':<34}{'median':>10}{'fastest':>10}")
    for name, column in (("hpo_nni.documents", 0), ("protobuf text_format", 1)):
        values = [pair[column] * 1000 for pair in times]
        print(f"{name:<34}{statistics.median(values):>7.1f} ms{min(values):>7.1f} ms")
    print(f"ratio {ratio:.3f}, wanted below {TARGET:.3f}: {'yes' if ratio < TARGET else 'NO'}")
    return ratio


def main() -> int:
    """Measure; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--features", type=int, default=1000)
    arguments = parser.parse_args()
    return 0 if measure(arguments.runs, arguments.features) < TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
