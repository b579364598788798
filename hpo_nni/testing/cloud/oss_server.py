"""An OSS that runs here: buckets in a directory, the real protocol on 127.0.0.1.

    with OssServer(directory, credentials={"id": "secret"}, buckets=["b"]) as oss:
        bucket = oss2.Bucket(oss2.Auth("id", "secret"), oss.endpoint, "b")

Clients reach it path-style (`http://127.0.0.1:PORT/bucket/key`), which oss2 chooses by itself for
an address and alibabacloud-oss-v2 with `use_path_style=True`. It is no mock: signatures of all
versions are checked, and what it refuses it refuses in the service's own words.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.http import LoopbackServer, Request, Response, ServiceError
from hpo_nni.testing.cloud.keyring import Keyring
from hpo_nni.testing.cloud.oss_listing import list_objects
from hpo_nni.testing.cloud.oss_objects import Buckets, Facts
from hpo_nni.testing.cloud.oss_routes import ObjectRoutes
from hpo_nni.testing.cloud.oss_signatures import check_oss
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_TROUBLE = {403: "AccessDenied", 429: "TooManyRequests", 500: "InternalError", 503: "Busy"}


class OssServer(LoopbackServer):
    """OSS on a free port of 127.0.0.1, for the length of a `with` block.

    Attributes:
        keyring: whose requests are accepted.
        internal: an access key (id, secret) of the server's own, for the jobs of a cloud.
    """

    def __init__(
        self,
        directory: Path,
        credentials: Mapping[str, str],
        *,
        buckets: Iterable[str] = (),
        port: int = 0,
    ) -> None:
        """Open the directory, which is made if it is not there.

        Args:
            directory: where the objects are; what is in it already is served.
            credentials: access key id to secret.
            buckets: made if they are not there.
            port: where to listen; 0 for a free one.
        """
        super().__init__(port)
        directory.mkdir(parents=True, exist_ok=True)
        self.internal = (f"internal-{secrets.token_hex(4)}", secrets.token_hex(16))
        self.keyring = Keyring(dict([*credentials.items(), self.internal]))
        self._buckets = Buckets(directory)
        self._routes = ObjectRoutes(self._buckets)
        self._bucket_routes: list[tuple[str, str, Callable[[Request, str], Response]]] = [
            ("DELETE", "", self._remove),
            ("POST", "delete", self._routes.delete_many),
            ("GET", "uploads", self._routes.uploads.list_uploads),
            ("GET", "bucketInfo", self._info),
            ("GET", "location", self._location),
            ("GET", "", self._list_objects),
        ]
        for bucket in buckets:
            self._buckets.make(bucket)

    @property
    def endpoint(self) -> str:
        """What users write as `endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, bucket: str) -> None:
        """Create a bucket; one that exists stays as it is."""
        self._buckets.make(bucket)

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object there without a request."""
        self._buckets.write(bucket, key, data, {"content-type": "application/octet-stream"})

    def read(self, bucket: str, key: str) -> bytes:
        """The data of an object, without a request; KeyError where there is none."""
        try:
            return self._buckets.read(bucket, key)[1]
        except ServiceError as error:
            raise KeyError(f"oss://{bucket}/{key}: {error.message}") from error

    def objects(self, bucket: str, prefix: str = "") -> list[Facts]:
        """What is in a bucket, in the order of keys, without a request."""
        return self._buckets.page(bucket, prefix, "", "", 1 << 60).objects

    def respond(self, request: Request) -> Response:
        """One request, checked and done."""
        bucket, _, key = request.path.removeprefix("/").partition("/")
        resource = f"/{bucket}/{key}" if bucket else "/"
        check_oss(request, resource, self.keyring, self.now())
        response = self._route(request, bucket, key)
        response.headers.setdefault("x-oss-request-id", secrets.token_hex(12).upper())
        response.headers.setdefault("Server", "AliyunOSS")
        return response

    def refusal(self, request: Request, error: ServiceError) -> Response:
        """OSS's form of an error; for HEAD it travels in a header."""
        request_id = secrets.token_hex(12).upper()
        fields = [text(name, value) for name, value in error.fields.items()]
        body = document(
            "Error",
            [
                text("Code", error.code),
                text("Message", error.message),
                text("RequestId", request_id),
                text("HostId", "127.0.0.1"),
                *fields,
            ],
        )
        headers = {"x-oss-request-id": request_id, "Content-Type": "application/xml"}
        if request.method == "HEAD":
            headers["x-oss-err"] = base64.b64encode(body).decode()
            body = b""
        return Response(error.status, body, headers)

    def trouble(self, status: int) -> str:
        """OSS's word for a status."""
        return _TROUBLE.get(status, "InternalError")

    def _route(self, request: Request, bucket: str, key: str) -> Response:
        if not bucket:
            return self._list_buckets()
        if key:
            return self._routes.respond(request, bucket, key)
        return self._bucket(request, bucket)

    def _list_buckets(self) -> Response:
        found = [element("Bucket", *self._description(name)) for name in self._buckets.names()]
        owner = element("Owner", text("ID", "1"), text("DisplayName", "1"))
        body = document("ListAllMyBucketsResult", [owner, element("Buckets", *found)])
        return Response(200, body, {"Content-Type": "application/xml"})

    def _description(self, bucket: str) -> list[str]:
        return [
            text("Name", bucket),
            text("Location", "oss-loopback"),
            text("CreationDate", "2022-06-17T00:00:00.000Z"),
            text("ExtranetEndpoint", f"127.0.0.1:{self.port}"),
            text("IntranetEndpoint", f"127.0.0.1:{self.port}"),
            text("StorageClass", "Standard"),
        ]

    def _bucket(self, request: Request, bucket: str) -> Response:
        if request.method == "PUT" and not request.query:
            self._buckets.make(bucket)
            return Response(200)
        if bucket not in self._buckets.names():
            raise ServiceError(
                404, "NoSuchBucket", "The specified bucket does not exist.", BucketName=bucket
            )
        for method, action, route in self._bucket_routes:
            if method == request.method and (not action or action in request.query):
                return route(request, bucket)
        raise ServiceError(
            405, "MethodNotAllowed", "The specified method is not allowed against this resource."
        )

    def _list_objects(self, request: Request, bucket: str) -> Response:
        return list_objects(self._buckets, request, bucket)

    def _remove(self, _: Request, bucket: str) -> Response:
        self._buckets.remove(bucket)
        return Response(204)

    def _info(self, _: Request, bucket: str) -> Response:
        grant = element("AccessControlList", text("Grant", "private"))
        owner = element("Owner", text("ID", "1"), text("DisplayName", "1"))
        whole = element("Bucket", *self._description(bucket), owner, grant)
        return Response(200, document("BucketInfo", [whole]), {"Content-Type": "application/xml"})

    def _location(self, _: Request, __: str) -> Response:
        body = text("LocationConstraint", "oss-loopback").encode()
        return Response(200, body, {"Content-Type": "application/xml"})
