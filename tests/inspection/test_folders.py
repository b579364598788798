from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.inspection.finding import Level
from hpo_nni.inspection.folders import locks, room, working_directory, writable

MOUNTS = "1 0 0:1 / / rw - {kind} server:/x rw\n"


def test_a_directory_that_is_missing_is_not_made(tmp_path):
    found = list(working_directory(tmp_path / "a" / "b"))

    assert all(one.level is not Level.FAIL for one in found)
    assert "which will be made" in found[0].message
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_the_try_with_locks(tmp_path):
    assert locks(tmp_path, "ext4").level is Level.OK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.ossfs"])
def test_a_network_file_system_is_refused_by_name(tmp_path, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(kind=kind))

    found = {one.subject: one for one in working_directory(tmp_path, mounts)}

    assert found["file locks"].level is Level.FAIL
    assert kind in found["file locks"].message
    assert "local disk" in found["file locks"].hint


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").touch()

    (found,) = working_directory(tmp_path / "file" / "expdir")

    assert found.level is Level.FAIL
    assert f"{tmp_path / 'file'} is not a directory" in found.message


def test_a_place_where_nothing_may_be_written_is_told():
    found = writable("here", Path("/proc/nowhere"))

    assert found.level is Level.FAIL
    assert "/proc cannot be written to" in found.message


@pytest.mark.parametrize(
    ("free", "level"),
    [(100 << 30, Level.OK), (1 << 30, Level.WARN), (10 << 20, Level.FAIL)],
)
def test_a_full_disk_is_told(free, level):
    assert room(free).level is level
