from __future__ import annotations

import pytest

from hpo_nni.ledger.filesystem import filesystem_type, is_network


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "lustre",
        "beegfs",
        "ceph",
        "9p",
        "glusterfs",
        "fuse",
        "fuse.sshfs",
        "fuse.ossfs",
    ],
)
def test_network_types_are_known(kind):
    assert is_network(kind)


@pytest.mark.parametrize(
    "kind",
    ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", "fuse.fuse-overlayfs", ""],
)
def test_local_types_are_let_through(kind):
    assert not is_network(kind)


@pytest.fixture
def mounts(tmp_path):
    """A table of mounts: a share with a space in its name below the root, and a disk below it."""
    share = str(tmp_path / "my share").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"30 22 0:40 / {share} rw - xfs /dev/vdb rw\n"
        f"31 22 0:41 / {share} rw shared:2 master:3 - nfs4 server:/x rw\n"
        f"32 31 0:42 / {share}/disk rw - ext4 /dev/vdc rw\n"
        "half a line\n"
    )
    for name in ("my share/disk/a", "my share/b", "my shared"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "my share" / "b")
    return table


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("my share", "nfs4"),
        ("my share/b", "nfs4"),
        ("my share/disk/a", "ext4"),
        ("my shared", "ext4"),
        ("link", "nfs4"),
    ],
)
def test_directory_has_the_type_of_the_innermost_and_latest_mount(
    mounts, tmp_path, directory, kind
):
    assert filesystem_type(tmp_path / directory, mounts) == kind


def test_machine_without_a_table_of_mounts_says_nothing(tmp_path):
    assert filesystem_type(tmp_path, tmp_path / "missing") == ""


def test_this_machine_is_understood(tmp_path):
    assert filesystem_type(tmp_path) != ""
