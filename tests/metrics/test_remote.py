from __future__ import annotations

import oss2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo_nni.errors import StoreError, TransientStoreError
from hpo_nni.metrics.events import EventSource
from hpo_nni.metrics.remote import RemoteFolder
from hpo_nni.metrics.sources import open_source
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.stores.local import LocalStore
from hpo_nni.stores.oss import OssConnection, OssStore
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.oss_server import OssServer

NAME = "events.out.tfevents.1655424000.worker"
EVAL_VAL, EVAL = "oss://bkt/model/exp_trial/eval_val/", "oss://bkt/model/exp_trial/eval"


@pytest.fixture
def server(tmp_path):
    with OssServer(tmp_path / "oss", {"id-123456": "secret-123"}, buckets=["bkt"]) as server:
        yield server


@pytest.fixture
def store(server):
    pair = Credentials(Secret("id-123456"), Secret("secret-123"))
    return OssStore(OssConnection(server.endpoint, pair))


@pytest.fixture
def put(server):
    """Replace an event file by one with these records, as trainers do."""

    def put(records, folder="eval_val", name=NAME):
        server.write("bkt", f"model/exp_trial/{folder}/{name}", b"".join(records))

    return put


@pytest.fixture
def traffic(server):
    """The requests since the last call: method, listing or not, and bytes that came back."""
    seen = 0

    def traffic():
        nonlocal seen
        new = server.exchanges[seen:]
        seen += len(new)
        listings = [one for one in new if "list-type" in one.query]
        read = sum(one.bytes_out for one in new if one not in listings)
        return len(listings), len(new) - len(listings), read

    return traffic


def steps(points):
    return [(point.step, dict(point.values)) for point in points]


def test_poll_costs_one_listing_and_the_new_bytes(store, put, traffic, frame, event):
    records = [frame(event(step, auc=step / 100)) for step in range(1, 60)]
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])

    assert source.poll() == []
    assert traffic() == (1, 0, 0)

    put(records[:50])
    assert [step for step, _ in steps(source.poll())] == list(range(1, 51))
    assert traffic() == (1, 1, sum(map(len, records[:50])))

    assert source.poll() == []
    assert traffic() == (1, 0, 0)

    put(records[:52])
    assert [step for step, _ in steps(source.poll())] == [51, 52]
    assert traffic() == (1, 1, sum(map(len, records[50:52])))


def test_half_a_record_waits_for_its_end(store, put, frame, event):
    record = frame(event(1, auc=0.5))
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])

    put([record[:10]])
    assert source.poll() == []
    put([record])
    assert steps(source.poll()) == [(1, {"auc": 0.5})]
    put([record, record[:10]])
    assert source.finish() == []
    assert source.damaged == 1


def test_old_folder_is_followed_where_the_new_one_has_nothing(store, put, traffic, frame, event):
    source = EventSource(RemoteFolder(store, [EVAL_VAL, EVAL]), ["auc"])
    put([frame(event(1, auc=0.5))], folder="eval")

    assert steps(source.poll()) == [(1, {"auc": 0.5})]
    assert traffic()[0] == 2
    source.poll()
    assert traffic()[0] == 1
    assert source.account() == f"{EVAL}/ has 1 event file(s)"


def test_new_folder_comes_first(store, put, frame, event):
    put([frame(event(1, auc=0.25))], folder="eval")
    put([frame(event(1, auc=0.75))])

    source = EventSource(RemoteFolder(store, [EVAL_VAL, EVAL]), ["auc"])

    assert steps(source.poll()) == [(1, {"auc": 0.75})]


def test_file_that_is_shorter_begins_anew(store, put, frame, event):
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])
    put([frame(event(step, auc=0.5)) for step in (1, 2)])
    source.poll()

    put([frame(event(1, auc=0.75))])

    assert steps(source.poll()) == [(1, {"auc": 0.75})]
    assert source.damaged == 0


def test_files_are_read_in_the_order_of_names(store, put, frame, event):
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])
    put([frame(event(2, auc=0.5))], name="events.out.tfevents.2")
    put([frame(event(1, auc=0.25))], name="events.out.tfevents.1")
    put([b"no events"], name="graph.pbtxt")

    assert [step for step, _ in steps(source.poll())] == [1, 2]


def test_large_file_comes_in_parts_and_whole_at_the_end(store, put, traffic, frame, event):
    filler = frame(b"\x1a" + b"\xff\xff\x03" + bytes(0xFFFF))
    records = [filler] * 40 + [frame(event(1, auc=0.5))]
    put(records)
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])

    assert source.poll() == []
    assert traffic()[2] <= 1 << 20
    assert steps(source.finish()) == [(1, {"auc": 0.5})]
    assert traffic()[2] == sum(map(len, records)) - (1 << 20)


def test_store_that_is_out_of_order_is_said_once_and_asked_again(store, server, caplog):
    server.faults.add(RequestFault(Action.REFUSE, status=503, times=4))
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])

    assert [source.poll() for _ in range(4)] == [[]] * 4
    assert "cannot be read" in source.account()
    assert len(caplog.records) == 1
    source.poll()
    assert "has no event files" in source.account()


def test_range_that_cannot_be_read_is_read_later(store, server, put, frame, event):
    put([frame(event(1, auc=0.5))])
    server.faults.add(RequestFault(Action.DROP_AFTER, path="tfevents", times=2))
    source = EventSource(RemoteFolder(store, [EVAL_VAL]), ["auc"])

    assert [source.poll() for _ in range(2)] == [[]] * 2
    assert steps(source.poll()) == [(1, {"auc": 0.5})]


def test_missing_bucket_is_named_in_the_account(store):
    source = EventSource(RemoteFolder(store, ["oss://nowhere/eval_val"]), ["auc"])

    assert source.poll() == []
    assert "NoSuchBucket" in source.account()


def test_copies_for_tensorboard_are_the_same_bytes(store, put, tmp_path, frame, event):
    mirror = tmp_path / "exp" / "exp_trial"
    source = EventSource(RemoteFolder(store, [EVAL_VAL], mirror), ["auc"])
    records = [frame(event(step, auc=0.5)) for step in range(5)]

    for count in (2, 5, 1):
        put(records[:count])
        source.poll()
        assert (mirror / NAME).read_bytes() == b"".join(records[:count])


def test_copies_that_cannot_be_written_do_not_stop_metrics(store, put, tmp_path, frame, event):
    (tmp_path / "exp").write_text("a file", encoding="utf-8")
    source = EventSource(RemoteFolder(store, [EVAL_VAL], tmp_path / "exp" / "t"), ["auc"])
    put([frame(event(1, auc=0.5))])

    assert steps(source.poll()) == [(1, {"auc": 0.5})]


class Flaky:
    """A local store, some of whose calls fail."""

    def __init__(self, fails):
        self._store = LocalStore()
        self._fails = fails

    def list_files(self, uri):
        self._stumble(uri)
        return self._store.list_files(uri)

    def read_range(self, uri, start, end=None):
        self._stumble(uri)
        return self._store.read_range(uri, start, end)

    def _stumble(self, uri):
        if next(self._fails, False):
            message = "busy"
            raise StoreError(message, uri=uri)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 2000), max_size=8), st.lists(st.booleans(), max_size=30))
def test_points_are_whole_and_once_however_the_file_grows_and_the_store_fails(
    tmp_path_factory, frame, event, lengths, fails
):
    folder = tmp_path_factory.mktemp("model")
    whole = b"".join(frame(event(step, auc=step / 64)) for step in range(20))
    source = EventSource(RemoteFolder(Flaky(iter(fails)), [str(folder)], folder / "copy"), ["auc"])
    found = []

    for length in [*sorted(lengths), len(whole)]:
        LocalStore().write_bytes(str(folder / NAME), whole[:length])
        found += source.poll()
    for _ in fails:
        found += source.poll()
    found += source.finish()

    assert [point.step for point in found] == list(range(20))
    assert (folder / "copy" / NAME).read_bytes() == whole
    assert source.damaged == 0


def test_any_store_will_do(tmp_path, frame, event):
    (tmp_path / NAME).write_bytes(frame(event(1, auc=0.5)))

    source = open_source("summary", [RemoteFolder(LocalStore(), [str(tmp_path)])], ["auc"], {})

    assert steps(source.poll()) == [(1, {"auc": 0.5})]


def refusal(**where):
    return RequestFault(Action.REFUSE, "GET", status=403, code="AccessDenied", times=0, **where)


@pytest.fixture
def half_read(store, put, frame, event):
    """A folder of which the first of two records has been read; and its source."""
    folder = RemoteFolder(store, [EVAL_VAL])
    source = EventSource(folder, ["auc"])
    put([frame(event(1, auc=0.5))])
    assert steps(source.poll()) == [(1, {"auc": 0.5})]
    put([frame(event(1, auc=0.5)), frame(event(2, auc=0.25))])
    return folder, source


@pytest.mark.parametrize("fault", [{"query": "list-type"}, {"path": "tfevents"}])
def test_that_more_cannot_be_read_is_an_error_where_some_could(half_read, server, fault):
    """A key that expired, a right that was taken away: the score may be in what is missing."""
    folder, source = half_read
    folder.raise_if_partial()
    server.faults.add(refusal(**fault))

    assert source.poll() == []

    folder.raise_fault()  # trying again does not help
    with pytest.raises(StoreError, match="AccessDenied"):
        folder.raise_if_partial()


def test_what_could_never_be_read_is_for_the_account(store, server, put, frame, event):
    folder = RemoteFolder(store, [EVAL_VAL])
    source = EventSource(folder, ["auc"])
    put([frame(event(1, auc=0.5))])
    server.faults.add(refusal())

    assert source.poll() == []

    folder.raise_if_partial()
    assert "AccessDenied" in source.account()


def test_a_file_that_was_deleted_before_it_was_read_is_not_missed(store, server, put, frame, event):
    folder = RemoteFolder(store, [EVAL_VAL])
    source = EventSource(folder, ["auc"])
    put([frame(event(1, auc=0.5))])
    source.poll()
    put([frame(event(2, auc=0.25))], name=f"{NAME}2")
    server.faults.add(
        RequestFault(Action.REFUSE, "GET", path="worker2", status=404, code="NoSuchKey")
    )
    assert source.poll() == []
    auth = oss2.Auth("id-123456", "secret-123")
    oss2.Bucket(auth, server.endpoint, "bkt").delete_object(f"model/exp_trial/eval_val/{NAME}2")

    assert source.poll() == []
    folder.raise_if_partial()


def test_what_could_not_be_read_for_now_is_raised_until_it_is_read(
    store, server, put, frame, event
):
    folder = RemoteFolder(store, [EVAL_VAL])
    source = EventSource(folder, ["auc"])
    put([frame(event(1, auc=0.5))])
    server.faults.add(RequestFault(Action.REFUSE, "GET", query="list-type"))
    server.faults.add(RequestFault(Action.REFUSE, "GET", path="tfevents"))

    assert source.poll() == []
    with pytest.raises(TransientStoreError, match="cannot list"):
        folder.raise_fault()
    assert source.poll() == []
    with pytest.raises(TransientStoreError, match="cannot read"):
        folder.raise_fault()
    assert folder.behind > 0
    assert steps(source.poll()) == [(1, {"auc": 0.5})]
    folder.raise_fault()
    assert folder.behind == 0
