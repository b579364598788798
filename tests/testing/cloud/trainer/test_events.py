"""Event files of the trainer, read by TensorBoard itself."""

from __future__ import annotations

import pytest
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from hpo_nni.testing.cloud.trainer import events


def test_tensorboard_reads_what_was_written(tmp_path):
    path = tmp_path / "events.out.tfevents.1.x"
    path.write_bytes(
        events.header()
        + events.scalars(300, {"auc": 0.75, "loss/loss": 0.5})
        + events.scalars(70_000, {"auc": 0.8})
    )

    first, second, third = LegacyEventFileLoader(str(path)).Load()

    assert first.file_version == "brain.Event:2"
    assert [(v.tag, v.simple_value) for v in second.summary.value] == [
        ("auc", 0.75),
        ("loss/loss", 0.5),
    ]
    assert (second.step, third.step) == (300, 70_000)
    assert third.summary.value[0].simple_value == pytest.approx(0.8)
    assert third.wall_time >= second.wall_time > 1.6e9
