from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from hpo_nni.errors import StoreError, TransientStoreError
from hpo_nni.stores.base import open_store
from hpo_nni.stores.local import LocalStore
from hpo_nni.stores.oss import CHUNK_BYTES
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.oss_server import OssServer

SECRET_WORDS = ("s3cr3t", "wrong-secret", "LTAI")


@pytest.fixture(params=["oss", "local"])
def place(request, tmp_path, connect):
    """A store and a folder in it that does not exist yet."""
    if request.param == "oss":
        return connect(), "oss://bkt/folder 数据/a+b%"
    return LocalStore(), str(tmp_path / "folder 数据" / "a+b%")


def test_text_is_what_was_written(place):
    store, folder = place
    text = "# 注释\r\nlearning_rate: 0.1\r\n"

    store.write_text(f"{folder}/a.config", "x" * 100)
    store.write_text(f"{folder}/a.config", text)

    assert store.read_text(f"{folder}/a.config") == text


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 4, b"0123"),
        (4, None, b"456789"),
        (4, 100, b"456789"),
        (9, 10, b"9"),
        (10, None, b""),
        (100, 200, b""),
        (5, 5, b""),
        (5, 3, b""),
    ],
)
def test_ranges_end_where_the_file_does(place, start, end, expected):
    store, folder = place
    store.write_bytes(f"{folder}/x", b"0123456789")

    assert store.read_range(f"{folder}/x", start, end) == expected


def test_empty_files_are_read(place):
    store, folder = place
    store.write_bytes(f"{folder}/x", b"")

    assert store.read_range(f"{folder}/x", 0) == b""
    assert store.read_range(f"{folder}/x", 0, 10) == b""


def test_listing_has_the_files_of_one_folder_by_name(place):
    store, folder = place
    for name, size in (("b", 2), ("a 数", 1), ("sub/c", 3)):
        store.write_bytes(f"{folder}/{name}", b"x" * size)

    found = store.list_files(folder)

    assert [(file.name, file.size) for file in found] == [("a 数", 1), ("b", 2)]
    assert store.list_files(f"{folder}/") == found
    assert store.list_files(f"{folder}/nothing") == []


def test_a_tree_is_all_below_a_folder_or_one_file(place):
    store, folder = place
    for name, size in (("m/b", 2), ("m/a 数", 1), ("m/sub/c", 3), ("m_other/d", 4), ("file", 5)):
        store.write_bytes(f"{folder}/{name}", b"x" * size)

    found = store.list_tree(f"{folder}/m")

    assert [(file.name, file.size) for file in found] == [("a 数", 1), ("b", 2), ("sub/c", 3)]
    assert [(file.name, file.size) for file in store.list_tree(f"{folder}/file")] == [("file", 5)]
    assert store.list_tree(f"{folder}/fil") == []
    with pytest.raises(StoreError, match="holds more than 2 files"):
        store.list_tree(f"{folder}/m", limit=2)


def test_deleting_a_tree_leaves_what_lies_beside_it(place):
    store, folder = place
    for name in ("m/b", "m/sub/c", "m_other/d", "file", "file2"):
        store.write_bytes(f"{folder}/{name}", b"x")

    for name in ("m", "m", "file", "nothing"):
        store.delete_tree(f"{folder}/{name}")

    assert [file.name for file in store.list_tree(folder)] == ["file2", "m_other/d"]


def test_version_changes_with_the_content(place):
    store, folder = place
    store.write_bytes(f"{folder}/x", b"1")
    first = store.list_files(folder)
    again = store.list_files(folder)

    store.write_bytes(f"{folder}/x", b"2")

    assert first == again
    assert store.list_files(folder) != first


def test_missing_file_is_named(place):
    store, folder = place

    with pytest.raises(StoreError) as caught:
        store.read_text(f"{folder}/missing")

    assert f"{folder}/missing" in caught.value.message
    assert caught.value.uri == f"{folder}/missing"


def test_text_that_is_not_utf_8_is_named(place):
    store, folder = place
    store.write_bytes(f"{folder}/x", b"ab\xff")

    with pytest.raises(StoreError, match="byte 2 is 0xff"):
        store.read_text(f"{folder}/x")


def test_listing_of_several_pages_is_whole(connect, server):
    for number in range(1100):
        server.write("bkt", f"many/{number:04}", b"")

    assert [file.name for file in connect().list_files("oss://bkt/many")] == [
        f"{number:04}" for number in range(1100)
    ]


def test_marker_of_a_folder_is_not_a_file(connect, server):
    server.write("bkt", "f/", b"")
    server.write("bkt", "f/x", b"1")

    assert [file.name for file in connect().list_files("oss://bkt/f/")] == ["x"]


def test_an_object_is_there_and_a_folder_with_something_in_it(connect, server):
    for key in ("day/dt=1/part", "day.csv", "marker/", "one"):
        server.write("bkt", key, b"")
    store = connect()

    names = ["one", "day.csv", "day", "day/", "day/dt=1", "on", "da", "marker", "marker/", "x/"]
    assert [store.exists(f"oss://bkt/{name}") for name in names] == [True] * 5 + [False] * 5


def test_whole_bucket_can_be_listed(connect, server):
    server.write("bkt", "x", b"1")

    assert [file.name for file in connect().list_files("oss://bkt")] == ["x"]


def test_object_of_many_chunks_is_whole(connect):
    store, data = connect(), bytes(range(256)) * (CHUNK_BYTES // 100)

    store.write_bytes("oss://bkt/big", data)

    assert store.read_range("oss://bkt/big", 0) == data
    assert store.read_range("oss://bkt/big", 1000) == data[1000:]


def test_region_means_signatures_of_version_4(connect, server):
    store = connect(region="cn-beijing")

    store.write_text("oss://bkt/x 数", "1")

    assert store.read_text("oss://bkt/x 数") == "1"
    assert [file.name for file in store.list_files("oss://bkt/")] == ["x 数"]
    assert server.keyring.versions == {"V4"}


@pytest.mark.parametrize("region", ["", "cn-beijing"])
def test_sts_token_goes_with_the_key(tmp_path, connect, region):
    with OssServer(tmp_path / "sts", {"STS.id": "sts-secret"}, buckets=["bkt"]) as server:
        server.keyring.tokens["STS.id"] = "token-1"
        pair = {"key_id": "STS.id", "key_secret": "sts-secret", "endpoint": server.endpoint}

        connect(**pair, token="token-1", region=region).write_text("oss://bkt/x", "1")

        with pytest.raises(StoreError):
            connect(**pair, token="token-2", region=region).read_text("oss://bkt/x")


@pytest.mark.parametrize("region", ["", "cn-beijing"])
@pytest.mark.parametrize(
    ("wrong", "uri", "said"),
    [
        ({"key_id": "LTAIother"}, "oss://bkt/x", ("InvalidAccessKeyId", "is accessKeyID right")),
        (
            {"key_secret": "wrong-secret"},
            "oss://bkt/x",
            ("SignatureDoesNotMatch", "accessKeySecret does not belong"),
        ),
        ({}, "oss://nobucket/x", ("NoSuchBucket", "endpoint belong to its region")),
        ({}, "oss://bkt/missing", ("there is no oss://bkt/missing", "upper case from lower")),
        ({}, "oss://bkt", ("names no object", "as in oss://bucket/folder/name")),
        ({}, "oss:///x", ("names no object", "as in oss://bucket/folder/name")),
        ({}, "oss://B_/x", ("cannot be used", "")),
    ],
)
def test_refusals_have_the_services_words_and_a_hint(connect, region, wrong, uri, said):
    with pytest.raises(StoreError) as caught:
        connect(**wrong, region=region).read_text(uri)

    assert said[0] in caught.value.message
    assert said[1] in caught.value.hint
    assert caught.value.uri == uri
    assert not isinstance(caught.value, TransientStoreError)
    assert not any(word in str(caught.value) for word in SECRET_WORDS)


def test_clock_that_is_wrong_is_named(connect, server):
    server.clock_offset = 3600.0

    with pytest.raises(StoreError) as caught:
        connect().read_text("oss://bkt/x")

    assert "clock" in caught.value.hint


@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.read_text("oss://bkt/x"),
        lambda store: store.read_range("oss://bkt/x", 1, 2),
        lambda store: store.write_text("oss://bkt/x", "2"),
        lambda store: store.list_files("oss://bkt/"),
    ],
    ids=["read", "range", "write", "list"],
)
@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.REFUSE, status=503, times=0),
        RequestFault(Action.REFUSE, status=500, times=0),
        RequestFault(Action.REFUSE, status=429, times=0),
        RequestFault(Action.DROP_BEFORE, times=0),
        RequestFault(Action.DROP_AFTER, times=0),
        RequestFault(Action.DELAY, seconds=1.0),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.status}",
)
def test_transient_faults_are_raised_at_once_and_can_be_told(connect, server, fault, action):
    server.write("bkt", "x", b"123")
    server.faults.add(fault)

    with pytest.raises(TransientStoreError):
        action(connect(read_seconds=0.2))


def test_unreachable_endpoint_is_transient_and_named(connect):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(TransientStoreError, match="does not answer") as caught:
        connect(endpoint=endpoint).read_text("oss://bkt/x")

    assert endpoint in caught.value.hint


def test_answers_that_drip_meet_the_deadline_of_the_call(connect, server):
    server.write("bkt", "x", bytes(CHUNK_BYTES * 3))

    with pytest.raises(TransientStoreError, match="too slowly"):
        connect(deadline_seconds=-1.0).read_range("oss://bkt/x", 0)


def test_scheme_leads_to_the_store(server, connect):
    connection = connect()._connection
    server.write("bkt", "x", b"1")

    assert open_store("oss://bkt/x", {"oss": connection}).read_text("oss://bkt/x") == "1"
    with pytest.raises(StoreError, match="without an account") as caught:
        open_store("oss://bkt/x")
    assert "[oss_config]" in caught.value.hint


def test_connection_shows_no_secret(connect):
    shown = repr(connect()._connection)

    assert not any(word in shown for word in SECRET_WORDS)


def test_local_files_do_not_import_the_sdk():
    code = (
        "import sys; from hpo_nni.stores.base import open_store; open_store('x');"
        "print('oss2' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
