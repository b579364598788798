"""Files through fsspec: in memory, and on a WebHDFS that speaks the protocol on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from hpo_nni.errors import MissingExtraError, StoreError, TransientStoreError
from hpo_nni.metrics.events import EventSource
from hpo_nni.stores.base import find_scheme_problem, open_store
from hpo_nni.stores.fsspec_store import FsspecStore
from hpo_nni.trial.accounts import Accounts
from hpo_nni.trial.remote_places import RemotePlaces


class WebHdfs:
    """A name node and its data node: the operations that files need, on real paths in memory.

    As HDFS, it refuses to move over an existing file by answering `false` (WebHDFS REST API,
    "Rename a File/Directory"), and sends writers to the data node by a redirection.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.broken = False
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                parts = urlsplit(self.path)
                path = unquote(parts.path).removeprefix("/webhdfs/v1")
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                world.requests.append((query["op"], path))
                status, answer, headers = world.answer(self.path, path, query, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - its names

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, url, path, query, body):
        if self.broken:
            return 503, {}, {}
        if query["op"] in {"CREATE", "APPEND"} and "datanode" not in query:
            return 307, {}, {"Location": f"http://127.0.0.1:{self.port}{url}&datanode=1"}
        try:
            found = getattr(self, query["op"].lower())(path, query, body)
        except KeyError:
            words = {"exception": "FileNotFoundException", "message": f"{path} does not exist"}
            return 404, {"RemoteException": words}, {}
        return 200, b"" if found is None else found, {}

    def create(self, path, _, body):
        self.files[path] = body

    def append(self, path, _, body):
        self.files[path] += body

    def rename(self, path, query, _):
        is_free = query["destination"] not in self.files
        if is_free:
            self.files[query["destination"]] = self.files.pop(path)
        return {"boolean": is_free}

    def delete(self, path, *_):
        return {"boolean": bool(self.files.pop(path))}

    def mkdirs(self, *_):
        return {"boolean": True}

    def liststatus(self, path, *_):
        folder = path.rstrip("/") + "/"
        names = [name for name in self.files if name.startswith(folder)]
        if not names:
            raise KeyError(path)
        found = [self.status(name, name.removeprefix(folder)) for name in names]
        return {"FileStatuses": {"FileStatus": found}}

    def getfilestatus(self, path, *_):
        if any(name.startswith(path.rstrip("/") + "/") for name in self.files):
            folder = {"pathSuffix": "", "type": "DIRECTORY", "length": 0, "modificationTime": 1}
            return {"FileStatus": folder}
        return {"FileStatus": self.status(path, "")}

    def open(self, path, query, _):
        start = int(query.get("offset", 0))
        return self.files[path][start : start + int(query.get("length", 1 << 30))]

    def status(self, path, suffix):
        kind = "DIRECTORY" if "/" in suffix else "FILE"
        size = len(self.files[path])
        return {
            "pathSuffix": suffix.partition("/")[0],
            "type": kind,
            "length": size,
            "modificationTime": size,
        }

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hdfs():
    server = WebHdfs()
    yield server
    server.close()


@pytest.fixture(params=["memory", "webhdfs"])
def folder(request, hdfs):
    """The URI of a folder that is not there yet."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    return f"webhdfs://127.0.0.1:{hdfs.port}/data/models"


@pytest.fixture
def store():
    return open_store("memory://x")


def test_other_schemes_are_fsspecs(store):
    assert isinstance(store, FsspecStore)
    assert find_scheme_problem("memory://x/y") is None


def test_what_is_written_is_read(store, folder):
    text = "名字: 1\r\nb: 2\n"
    store.write_text(f"{folder}/a.config", text)

    assert store.read_text(f"{folder}/a.config") == text


def test_a_second_write_replaces_the_first_and_leaves_nothing_beside(store, folder):
    store.write_text(f"{folder}/a.config", "a long first version\n")
    store.write_text(f"{folder}/a.config", "short\n")

    assert store.read_text(f"{folder}/a.config") == "short\n"
    assert [file.name for file in store.list_files(folder)] == ["a.config"]


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [(0, None, b"0123456789"), (3, 7, b"3456"), (8, 100, b"89"), (10, None, b""), (99, 120, b"")],
)
def test_ranges(store, folder, start, end, part):
    store.write_bytes(f"{folder}/x", b"0123456789")

    assert store.read_range(f"{folder}/x", start, end) == part


def test_a_folder_shows_its_own_files_in_order(store, folder):
    for name in ("b", "a", "inner/c"):
        store.write_bytes(f"{folder}/{name}", name.encode())

    found = store.list_files(f"{folder}/")
    assert [(file.name, file.size) for file in found] == [("a", 1), ("b", 1)]
    assert store.list_files(f"{folder}/nowhere") == []


def test_a_file_is_there_and_a_folder_with_something_in_it(store, folder):
    store.write_text(f"{folder}/day/part", "x")

    names = ["day/part", "day", "nothing", "da"]
    assert [store.exists(f"{folder}/{name}") for name in names] == [True, True, False, False]


def test_a_tree_is_listed_and_deleted(store):
    folder = f"memory://{uuid.uuid4().hex}"
    for name in ("m/b", "m/sub/c", "m_other/d"):
        store.write_bytes(f"{folder}/{name}", b"x")

    assert [file.name for file in store.list_tree(f"{folder}/m")] == ["b", "sub/c"]
    assert [file.name for file in store.list_tree(f"{folder}/m/b")] == ["b"]
    for name in ("m", "nothing"):
        store.delete_tree(f"{folder}/{name}")
    assert [file.name for file in store.list_tree(folder)] == ["m_other/d"]


def test_a_version_changes_with_the_content(store, folder):
    store.write_bytes(f"{folder}/a", b"1")
    (before,) = store.list_files(folder)
    store.write_bytes(f"{folder}/a", b"22")
    (after,) = store.list_files(folder)

    assert before.version != after.version


def test_a_missing_file_and_bytes_that_are_no_text_are_named(store, folder):
    with pytest.raises(StoreError, match=f"there is no {folder}/no"):
        store.read_text(f"{folder}/no")
    store.write_bytes(f"{folder}/x", b"\xff")
    with pytest.raises(StoreError, match="is not UTF-8 text: byte 0 is 0xff"):
        store.read_text(f"{folder}/x")


def test_a_service_that_is_busy_or_away_may_be_tried_again(store, hdfs):
    hdfs.broken = True
    with pytest.raises(TransientStoreError, match="503"):
        store.list_files(f"webhdfs://127.0.0.1:{hdfs.port}/data")
    with pytest.raises(TransientStoreError, match=r"cannot read webhdfs://127\.0\.0\.1:9/a"):
        store.read_text("webhdfs://127.0.0.1:9/a")


def test_a_service_that_never_answers_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"webhdfs://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(TransientStoreError, match="cannot read"):
            FsspecStore(read_seconds=0.2).read_text(uri)


def events(values):
    """The bytes of an event file with these values of `auc`."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    class Bytes:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += data

    file = Bytes()
    writer = RecordWriter(file)
    for step, value in values:
        event = Event(step=step)
        event.summary.value.add(tag="auc", simple_value=value)
        writer.write(event.SerializeToString())
    return file.data


def test_event_files_are_followed_and_only_their_new_bytes_are_read(hdfs):
    folder = f"webhdfs://127.0.0.1:{hdfs.port}/m/eval_val"
    name = "events.out.tfevents.1.host"
    source = EventSource(RemotePlaces(Accounts(), "").folder(folder), ["auc"])
    whole = events([(step, step / 8) for step in range(1, 5)])

    assert source.poll() == []
    hdfs.files[f"/m/eval_val/{name}"] = whole[:-20]
    first = source.poll()
    hdfs.files[f"/m/eval_val/{name}"] = whole
    hdfs.requests.clear()
    rest = source.poll()
    asked = [operation for operation, _ in hdfs.requests]
    quiet = source.poll()

    assert [(point.step, point.values["auc"]) for point in first + rest] == [
        (step, step / 8) for step in range(1, 5)
    ]
    assert asked.count("LISTSTATUS") == asked.count("OPEN") == 1
    assert quiet == []


def test_a_scheme_that_nobody_knows_is_named():
    with pytest.raises(StoreError, match="nobody knows how to reach nosuch://a/b"):
        open_store("nosuch://a/b")


def test_a_scheme_whose_own_package_is_missing_names_it():
    scheme = next(name for name in ("hdfs", "s3", "gs", "dropbox") if not _is_installed(name))
    with pytest.raises(MissingExtraError) as caught:
        open_store(f"{scheme}://a/b")

    assert f"{scheme}://a/b: {scheme}:// needs a package that is not installed" in str(caught.value)


def test_without_fsspec_the_letter_names_the_extra():
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from hpo_nni.errors import describe, HpoNniError\n"
        "from hpo_nni.stores.base import find_scheme_problem, open_store\n"
        "print(find_scheme_problem('hdfs://n/a'))\n"
        "try:\n    open_store('hdfs://n/a')\n"
        "except HpoNniError as error:\n    print(describe(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.count("hdfs:// is reached through fsspec, which is not installed") == 2
    assert "pip install 'hpo-nni[fsspec]'" in done.stdout


def _is_installed(scheme):
    try:
        FsspecStore.check(f"{scheme}://a/b")
    except MissingExtraError:
        return False
    return True
