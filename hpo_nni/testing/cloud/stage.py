"""A cloud that has what an experiment's files name, and nothing else."""

from __future__ import annotations

import contextlib
import io
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hpo_nni.testing.cloud.demands import Demands

ROWS = 500
CLUSTER = Cluster(
    Training(evaluations=5, rows=ROWS, seconds_per_evaluation=0.3), skips_statements=True
)


@dataclass(frozen=True)
class Stage:
    """Both servers, and the one key pair that they accept."""

    oss: OssServer
    jobs: MaxComputeServer
    key_id: str
    key_secret: str


@contextlib.contextmanager
def open_stage(
    demands: Demands, project: str, configs: Mapping[str, str], directory: Path
) -> Iterator[Stage]:
    """Serve what is demanded, from `directory`, until the block ends.

    Args:
        demands: buckets, tables and partitions that shall be there.
        project: the account's.
        configs: URI -> text of the pipeline configs.
        directory: where the objects are.
    """
    key_id, key_secret = f"rehearsal-{secrets.token_hex(4)}", secrets.token_hex(16)
    pair = {key_id: key_secret}
    with (
        OssServer(directory, pair, buckets=sorted(demands.buckets)) as oss,
        MaxComputeServer(oss, pair, project, cluster=CLUSTER) as jobs,
    ):
        for uri, text in configs.items():
            _put(oss, uri, text.encode("utf-8"))
        for uri in demands.checkpoints:
            put_checkpoint(oss, uri)
        for table, partitions in demands.tables.items():
            where = table.project or project
            jobs.add_project(where)
            jobs.add_click_table(table.name, ROWS, sorted(partitions) or [""], where)
        yield Stage(oss, jobs, key_id, key_secret)


def _put(oss: OssServer, uri: str, data: bytes) -> None:
    bucket, _, key = uri.removeprefix("oss://").partition("/")
    oss.write(bucket.partition(".")[0], key, data)


def put_checkpoint(oss: OssServer, uri: str) -> None:
    """A checkpoint without weights: what is trained from it begins as if from nothing."""
    import numpy as np  # noqa: PLC0415 - few need it, and it takes a while

    folder = uri.rstrip("/")
    if "/model.ckpt" in folder:
        folder = folder.rpartition("/")[0]
    stream = io.BytesIO()
    np.savez(stream)
    _put(oss, f"{folder}/checkpoint", b"model.ckpt-0.npz")
    _put(oss, f"{folder}/model.ckpt-0.npz", stream.getvalue())
