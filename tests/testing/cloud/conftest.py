"""Servers of one test, and the real clients that point at them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from odps import ODPS

from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.tables import Column, Table
from hpo_nni.testing.cloud.xflow import Cluster, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREDENTIALS = {"id": "secret", "other": "secret too"}
CONFIG = Path(__file__).parents[3] / "samples" / "pipeline.config"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """pyodps logs the XML of what it could not submit."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def oss(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "oss", CREDENTIALS, buckets=["bkt"]) as server:
        yield server


@pytest.fixture
def bucket(oss: OssServer) -> oss2.Bucket:
    return oss2.Bucket(oss2.AuthV4("id", "secret"), oss.endpoint, "bkt", region="cn-x")


@pytest.fixture
def cluster() -> Cluster:
    """Override in a class or with `parametrize` for other jobs."""
    return Cluster(Training(evaluations=3, seconds_per_evaluation=0.0, rows=300))


@pytest.fixture
def mc(oss: OssServer, cluster: Cluster) -> Iterator[MaxComputeServer]:
    oss.write("bkt", "pipeline.config", CONFIG.read_bytes())
    with MaxComputeServer(oss, CREDENTIALS, "demo", cluster=cluster) as server:
        server.add_click_table("train", 300, ["dt=20220617", "dt=20220618"])
        server.add_click_table("test", 200)
        server.add_table(
            Table(
                "metrics",
                (Column("step", "bigint"), Column("auc", "double"), Column("note", "string")),
                ("dt",),
                {"dt=1": [(1, 0.5, 'é, "x"'), (-2, 0.6, None)], "dt=2": [(3, 0.75, "")]},
            )
        )
        yield server


@pytest.fixture
def o(mc: MaxComputeServer) -> ODPS:
    return ODPS("id", "secret", project="demo", endpoint=mc.endpoint, region_name="cn-x")


@pytest.fixture
def submit(o: ODPS) -> Callable[..., Any]:
    """Submit the example's XFlow; arguments replace its parameters, None takes them out."""

    def submit(edits: dict[str, Any] | None = None, **changes: str | None) -> Any:
        parameters: dict[str, str | None] = {
            "version": "0.4.2",
            "config": "oss://bkt/pipeline.config",
            "cmd": "train",
            "train_tables": "odps://demo/tables/train/dt=20220617",
            "eval_tables": "odps://demo/tables/test",
            "cluster": '{"ps":{"count":1,"cpu":1000}}',
            "model_dir": "oss://bkt/model/",
            "eval_method": "separate",
            "edit_config_json": json.dumps(edits or {}),
            **changes,
        }
        kept = {key: value for key, value in parameters.items() if value is not None}
        return o.run_xflow("easy_rec_ext", "algo_public", kept)

    return submit
