"""The OSS server, driven by the real oss2 and alibabacloud-oss-v2."""

from __future__ import annotations

import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import alibabacloud_oss_v2 as v2
import oss2
import pytest
import requests

from hpo_nni.testing.cloud.oss_server import OssServer

KEYS = ["plain", "a/b/c.txt", "a b+c&d=e%2F", "中文/é", "trailing/"]
AUTHS = {
    "V1": lambda secret="secret", key="id": oss2.Auth(key, secret),
    "V2": lambda secret="secret", key="id": oss2.AuthV2(key, secret),
    "V4": lambda secret="secret", key="id": oss2.AuthV4(key, secret),
}


@pytest.fixture(params=list(AUTHS))
def signed(request, oss):
    """A bucket for each version of signatures."""
    return oss2.Bucket(AUTHS[request.param](), oss.endpoint, "bkt", region="cn-x")


@pytest.mark.parametrize("key", KEYS)
def test_object_comes_back_under_any_key(signed, key):
    signed.put_object(key, b"data", headers={"x-oss-meta-who": "me", "Content-Type": "text/x"})

    found = signed.get_object(key)

    assert found.read() == b"data"
    assert found.headers["x-oss-meta-who"] == "me"
    assert found.headers["Content-Type"] == "text/x"
    assert [one.key for one in oss2.ObjectIterator(signed)] == [key]
    assert [one.key for one in oss2.ObjectIteratorV2(signed)] == [key]


@pytest.mark.parametrize("key", KEYS)
def test_presigned_url_needs_no_header(signed, key):
    signed.put_object(key, b"data")

    response = requests.get(signed.sign_url("GET", key, 60), timeout=10)

    assert response.content == b"data"


def test_presigned_url_expires(signed, oss):
    signed.put_object("key", b"data")
    url = signed.sign_url("GET", "key", 60)
    oss.clock_offset = 120.0

    response = requests.get(url, timeout=10)

    assert (response.status_code, "expired" in response.text) == (403, True)


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(
    "key, secret, code",
    [
        ("id", "wrong", "SignatureDoesNotMatch"),
        ("nobody", "secret", "InvalidAccessKeyId"),
        ("id", "secret too", "SignatureDoesNotMatch"),
    ],
)
def test_wrong_keys_are_refused(oss, auth, key, secret, code):
    bucket = oss2.Bucket(AUTHS[auth](secret, key), oss.endpoint, "bkt", region="cn-x")
    for call in (lambda: bucket.get_object("x"), lambda: bucket.put_object("x", b"")):
        with pytest.raises(oss2.exceptions.ServerError) as raised:
            call()
        assert (raised.value.status, raised.value.code) == (403, code)
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.head_object("x")
    assert raised.value.status == 403
    assert oss.objects("bkt") == []


def test_request_without_signature_is_refused(oss):
    oss.write("bkt", "key", b"data")

    assert requests.get(f"{oss.endpoint}/bkt/key", timeout=10).status_code == 403


@pytest.mark.parametrize(
    "header", ["OSS2 garbage", "OSS4-HMAC-SHA256 garbage", "OSS garbage", "Basic aWQ6c2VjcmV0"]
)
def test_garbage_for_a_signature_is_refused(oss, header):
    response = requests.get(
        f"{oss.endpoint}/bkt/key", headers={"Authorization": header}, timeout=10
    )

    assert response.status_code in {400, 403}


def test_request_cannot_be_changed_after_it_was_signed(signed, oss):
    url = signed.sign_url("GET", "key", 60)
    oss.write("bkt", "kez", b"data")

    response = requests.get(url.replace("/key", "/kez"), timeout=10)

    assert response.status_code == 403


def test_skewed_clock_is_refused_by_name(signed, oss):
    oss.clock_offset = 3600.0

    with pytest.raises(oss2.exceptions.ServerError) as raised:
        signed.get_object("x")

    assert raised.value.code == "RequestTimeTooSkewed"
    told = parsedate_to_datetime(raised.value.headers["Date"]).timestamp()
    assert abs(told - time.time() - 3600.0) < 60.0


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_security_token_is_checked(oss, version):
    oss.keyring.tokens["id"] = "token"
    good = oss2.StsAuth("id", "secret", "token", auth_version=version)
    bad = oss2.StsAuth("id", "secret", "nekot", auth_version=version)

    oss2.Bucket(good, oss.endpoint, "bkt", region="cn-x").put_object("key", b"data")
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        oss2.Bucket(bad, oss.endpoint, "bkt", region="cn-x").get_object("key")

    assert raised.value.code == "InvalidSecurityToken"


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda b: b.get_object("no"), oss2.exceptions.NoSuchKey),
        (lambda b: b.head_object("no"), oss2.exceptions.NotFound),
        (lambda b: b.get_object_meta("no"), oss2.exceptions.NotFound),
        (lambda b: b.upload_part("no", "id", 1, b"x"), oss2.exceptions.NoSuchUpload),
    ],
)
def test_missing_things_have_their_errors(bucket, call, error):
    with pytest.raises(error):
        call(bucket)


def test_missing_bucket_is_named(oss):
    bucket = oss2.Bucket(oss2.Auth("id", "secret"), oss.endpoint, "nowhere")
    for call in (
        lambda: bucket.get_object("x"),
        lambda: bucket.put_object("x", b""),
        bucket.list_objects,
        lambda: bucket.init_multipart_upload("x"),
        bucket.get_bucket_info,
    ):
        with pytest.raises(oss2.exceptions.NoSuchBucket):
            call()


def ranged(bucket, span, *, standard):
    headers = {"x-oss-range-behavior": "standard"} if standard else {}
    result = bucket.get_object("key", byte_range=span, headers=headers)
    return result.status, result.read()


@pytest.mark.parametrize(
    "span, standard, answer",
    [
        ((2, 4), False, (206, b"234")),
        ((2, None), False, (206, b"23456789")),
        ((None, 3), False, (206, b"789")),
        ((5, 20), False, (200, b"0123456789")),
        ((5, 20), True, (206, b"56789")),
        ((10, None), False, (200, b"0123456789")),
        ((None, 20), True, (206, b"0123456789")),
    ],
)
def test_range_is_what_the_behaviour_asks_for(bucket, span, standard, answer):
    bucket.put_object("key", b"0123456789")

    assert ranged(bucket, span, standard=standard) == answer


def test_range_behind_the_end_is_refused_by_the_standard(bucket):
    bucket.put_object("key", b"0123456789")

    with pytest.raises(oss2.exceptions.ServerError) as raised:
        ranged(bucket, (10, None), standard=True)

    assert (raised.value.status, raised.value.code) == (416, "InvalidRange")


def listed(iterator):
    return [(one.key, one.is_prefix()) for one in iterator]


@pytest.mark.parametrize("iterator", [oss2.ObjectIterator, oss2.ObjectIteratorV2])
@pytest.mark.parametrize("page", [1, 2, 100])
def test_listing_pages_through_keys_and_prefixes(bucket, iterator, page):
    for key in ("a", "a/1", "a/2", "b/é", "b/中/x", "c"):
        bucket.put_object(key, b"")

    assert listed(iterator(bucket, max_keys=page)) == [
        (key, False) for key in ("a", "a/1", "a/2", "b/é", "b/中/x", "c")
    ]
    assert listed(iterator(bucket, delimiter="/", max_keys=page)) == [
        ("a", False),
        ("a/", True),
        ("b/", True),
        ("c", False),
    ]
    assert listed(iterator(bucket, prefix="b/", delimiter="/", max_keys=page)) == [
        ("b/é", False),
        ("b/中/", True),
    ]


def test_listing_tells_size_time_and_etag(bucket):
    stored = bucket.put_object("key", b"data")

    (entry,) = bucket.list_objects().object_list

    assert (entry.size, entry.etag, entry.type) == (4, stored.etag, "Normal")
    assert abs(entry.last_modified - time.time()) < 60


def test_append_grows_an_object_at_its_end_only(bucket):
    first = bucket.append_object("key", 0, b"abc", init_crc=0)
    bucket.append_object("key", first.next_position, b"def", init_crc=first.crc)

    with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as raised:
        bucket.append_object("key", 0, b"x")

    assert raised.value.next_position == 6
    assert bucket.get_object("key").read() == b"abcdef"
    assert bucket.head_object("key").object_type == "Appendable"


def test_put_object_takes_no_append(bucket):
    bucket.put_object("key", b"abc")

    with pytest.raises(oss2.exceptions.ObjectNotAppendable):
        bucket.append_object("key", 3, b"x")


def test_multipart_upload_joins_its_parts(bucket, tmp_path):
    data = os.urandom(250_000)
    (tmp_path / "file").write_bytes(data)

    oss2.resumable_upload(
        bucket,
        "key",
        str(tmp_path / "file"),
        store=oss2.ResumableStore(str(tmp_path)),
        multipart_threshold=1000,
        part_size=100 * 1024,
        num_threads=2,
    )

    assert bucket.get_object("key").read() == data
    oss2.resumable_download(
        bucket,
        "key",
        str(tmp_path / "copy"),
        store=oss2.ResumableDownloadStore(str(tmp_path)),
        multiget_threshold=1000,
        part_size=100 * 1024,
    )
    assert (tmp_path / "copy").read_bytes() == data


def test_multipart_upload_can_be_listed_and_given_up(bucket):
    upload = bucket.init_multipart_upload("key").upload_id
    part = bucket.upload_part("key", upload, 1, b"one")

    assert [(p.part_number, p.size) for p in bucket.list_parts("key", upload).parts] == [(1, 3)]
    assert [u.key for u in bucket.list_multipart_uploads().upload_list] == ["key"]
    wrong = [oss2.models.PartInfo(1, "0" * 32)]
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.complete_multipart_upload("key", upload, wrong)
    assert raised.value.code == "InvalidPart"
    bucket.abort_multipart_upload("key", upload)
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket.complete_multipart_upload("key", upload, [oss2.models.PartInfo(1, part.etag)])
    assert not bucket.object_exists("key")


def test_copy_keeps_data_and_meta(bucket):
    bucket.put_object("from 中", b"data", headers={"x-oss-meta-who": "me"})

    bucket.copy_object("bkt", "from 中", "to")

    assert bucket.get_object("to").read() == b"data"
    assert bucket.head_object("to").headers["x-oss-meta-who"] == "me"


def test_delete_is_silent_about_what_is_not_there(bucket):
    for key in ("a", "中"):
        bucket.put_object(key, b"")

    bucket.delete_object("nothing")
    deleted = bucket.batch_delete_objects(["a", "中", "nothing"]).deleted_keys

    assert deleted == ["a", "中", "nothing"]
    assert listed(oss2.ObjectIterator(bucket)) == []


def test_overwriting_can_be_forbidden(bucket):
    never = {"x-oss-forbid-overwrite": "true"}
    bucket.put_object("key", b"first", headers=never)

    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.put_object("key", b"second", headers=never)

    assert (raised.value.status, raised.value.code) == (409, "FileAlreadyExists")
    assert bucket.get_object("key").read() == b"first"


def test_conditions_save_the_transfer(bucket, oss):
    etag = bucket.put_object("key", b"data").etag

    with pytest.raises(oss2.exceptions.NotModified):
        bucket.get_object("key", headers={"If-None-Match": f'"{etag}"'})
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        bucket.get_object("key", headers={"If-Match": '"no"'})

    assert oss.exchanges[-2].bytes_out == 0


def test_damaged_upload_is_refused(bucket):
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.put_object("key", b"data", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})

    assert raised.value.code == "InvalidDigest"


def test_upload_of_unknown_length_arrives(bucket):
    bucket.put_object("key", iter([b"one", b"two"]))

    assert bucket.get_object("key").read() == b"onetwo"


def test_log_counts_the_bytes_of_every_request(bucket, oss):
    bucket.put_object("key", b"x" * 1000)
    bucket.get_object("key", byte_range=(900, 999)).read()
    bucket.head_object("key")

    put, get, head = oss.exchanges

    assert (put.method, put.path, put.bytes_in) == ("PUT", "/bkt/key", 1000)
    assert (get.status, get.bytes_out) == (206, 100)
    assert (head.method, head.bytes_out) == ("HEAD", 0)


def test_checksum_is_right_for_what_grew_and_what_changed(bucket):
    for data in (b"one", b"one, two", b"two", b"", b"x"):
        bucket.put_object("key", data)  # the client compares the answer's checksum with its own
        assert bucket.get_object("key").read() == data


def test_directory_can_be_opened_again(bucket, oss, tmp_path):
    bucket.put_object("中/key", b"data", headers={"x-oss-meta-who": "me"})
    oss.stop()

    with OssServer(tmp_path / "oss", {"id": "secret"}) as again:
        found = oss2.Bucket(oss2.Auth("id", "secret"), again.endpoint, "bkt").get_object("中/key")
        assert (found.read(), found.headers["x-oss-meta-who"]) == (b"data", "me")


def test_server_comes_back_to_its_port(bucket, oss):
    bucket.put_object("key", b"data")
    oss.stop()
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.get_object("key")

    oss.start()

    assert bucket.get_object("key").read() == b"data"


def test_nothing_is_left_running(tmp_path):
    before = threading.active_count()
    with OssServer(tmp_path, {"id": "secret"}, buckets=["bkt"]) as oss:
        session = oss2.Bucket(oss2.Auth("id", "secret"), oss.endpoint, "bkt")
        session.put_object("key", b"data")  # its connection stays open

    assert threading.active_count() == before


def test_buckets_are_made_listed_described_and_removed(oss):
    service = oss2.Service(oss2.Auth("id", "secret"), oss.endpoint)
    bucket = oss2.Bucket(oss2.Auth("id", "secret"), oss.endpoint, "new-one")
    bucket.create_bucket()
    oss.make_bucket("another")

    assert [b.name for b in service.list_buckets().buckets] == ["another", "bkt", "new-one"]
    assert bucket.get_bucket_info().name == "new-one"
    assert bucket.get_bucket_location().location == "oss-loopback"
    bucket.put_object("key", b"")
    with pytest.raises(oss2.exceptions.BucketNotEmpty):
        bucket.delete_bucket()
    bucket.delete_object("key")
    bucket.delete_bucket()
    assert [b.name for b in service.list_buckets().buckets] == ["another", "bkt"]


def test_part_can_be_copied_from_an_object(bucket):
    bucket.put_object("from", b"0123456789")
    upload = bucket.init_multipart_upload("to").upload_id

    part = bucket.upload_part_copy("bkt", "from", (2, 4), "to", upload, 1)
    bucket.complete_multipart_upload("to", upload, [oss2.models.PartInfo(1, part.etag)])

    assert bucket.get_object("to").read() == b"234"


def test_times_are_conditions_too(bucket):
    bucket.put_object("key", b"data")
    future = oss2.utils.http_date(int(time.time()) + 3600)
    past = oss2.utils.http_date(1)

    with pytest.raises(oss2.exceptions.NotModified):
        bucket.get_object("key", headers={"If-Modified-Since": future})
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        bucket.get_object("key", headers={"If-Unmodified-Since": past})
    assert bucket.get_object("key", headers={"If-Modified-Since": past}).read() == b"data"


def test_url_can_say_how_the_answer_is_labelled(signed):
    signed.put_object("key", b"data")
    url = signed.sign_url("GET", "key", 60, params={"response-content-type": "text/x"})

    assert requests.get(url, timeout=10).headers["Content-Type"] == "text/x"


def test_operation_that_is_not_served_is_refused_by_name(bucket):
    with pytest.raises(oss2.exceptions.ServerError) as raised:
        bucket.put_bucket_acl("private")

    assert raised.value.code == "MethodNotAllowed"


def test_reading_without_a_request_names_what_is_missing(oss):
    with pytest.raises(KeyError, match="oss://bkt/no"):
        oss.read("bkt", "no")


@pytest.fixture
def client(oss):
    """The other SDK, as far as this project uses it."""
    settings = v2.config.load_default()
    settings.credentials_provider = v2.credentials.StaticCredentialsProvider("id", "secret")
    settings.region, settings.endpoint = "cn-x", oss.endpoint
    settings.use_path_style = True
    return v2.Client(settings)


def test_second_sdk_puts_gets_lists_and_heads(client):
    key = "v2/中 +.txt"
    client.put_object(v2.PutObjectRequest(bucket="bkt", key=key, body=io.BytesIO(b"0123456789")))

    whole = client.get_object(v2.GetObjectRequest(bucket="bkt", key=key))
    tail = client.get_object(
        v2.GetObjectRequest(
            bucket="bkt", key=key, range_header="bytes=7-", range_behavior="standard"
        )
    )
    found = client.list_objects_v2(v2.ListObjectsV2Request(bucket="bkt", prefix="v2/"))

    assert whole.body.content == b"0123456789"
    assert tail.body.content == b"789"
    assert [(one.key, one.size) for one in found.contents] == [(key, 10)]
    assert client.head_object(v2.HeadObjectRequest(bucket="bkt", key=key)).content_length == 10


def test_second_sdk_is_told_what_is_wrong(client, oss):
    with pytest.raises(v2.exceptions.OperationError) as raised:
        client.get_object(v2.GetObjectRequest(bucket="bkt", key="no"))
    assert raised.value.unwrap().code == "NoSuchKey"

    oss.keyring.secrets["id"] = "changed"
    with pytest.raises(v2.exceptions.OperationError) as raised:
        client.get_object(v2.GetObjectRequest(bucket="bkt", key="no"))
    assert raised.value.unwrap().code == "SignatureDoesNotMatch"


def test_many_clients_at_once_do_not_disturb_each_other(oss):
    def work(number):
        bucket = oss2.Bucket(oss2.Auth("id", "secret"), oss.endpoint, "bkt")
        for turn in range(5):
            data = f"{number}-{turn}".encode() * 100
            bucket.put_object(f"key-{number}", data)
            assert bucket.get_object(f"key-{number}").read() == data
        bucket.append_object(f"log-{number}", 0, b"x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert len(oss.objects("bkt")) == 16
