"""One loopback HTTP server: requests in, responses out, a log of both, faults between them.

Nothing here knows a service. Every response leaves in one write and without Nagle's delay, for
otherwise each call of a client costs 44 ms of waiting for an acknowledgement.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from hpo_nni.testing.cloud.faults import Action, Faults, RequestFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self


@dataclass(frozen=True)
class Request:
    """A request as a service sees it.

    Attributes:
        method: upper case.
        target: path and query as they came over the wire.
        path: decoded.
        query: decoded; a bare `?key` has the value "".
        headers: keys in lower case.
        body: whole.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass
class Response:
    """What a service answers; `Content-Length` is added."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """One request in a server's log.

    Attributes:
        method: of the request.
        path: decoded.
        query: decoded.
        status: of the answer that was sent; 0 where the connection was closed without one.
        bytes_in: length of the request's body.
        bytes_out: length of the answer's body.
        code: the service's error code; empty without one.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    bytes_in: int
    bytes_out: int
    code: str = ""


class ServiceError(Exception):
    """A refusal in the service's own words."""

    def __init__(self, status: int, code: str, message: str, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.headers: dict[str, str] = {}


class LoopbackServer(ABC):
    """A service on a free port of 127.0.0.1, for the length of a `with` block.

    Attributes:
        faults: what goes wrong; nothing at first. `Faults(7)` in its place has another seed.
        clock_offset: seconds by which the server's clock is ahead, for tests of skewed clocks.
        exchanges: every request so far, in the order in which they were answered.
    """

    def __init__(self, port: int) -> None:
        self.faults = Faults()
        self.clock_offset = 0.0
        self.exchanges: list[Exchange] = []
        self.stopping = threading.Event()
        self._port = port
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None
        self._echoes: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """Where the server listens, or last listened: it comes back to the same port."""
        return self._port

    def now(self) -> float:
        """The time by the server's clock."""
        return time.time() + self.clock_offset

    def start(self) -> None:
        """Listen; returns when the first request can come."""
        self.stopping.clear()
        self._http = _Http(("127.0.0.1", self._port), self)
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and end every thread; a second call does nothing."""
        http, thread = self._http, self._thread
        if http is None or thread is None:
            return
        self._http = None
        self.stopping.set()
        http.shutdown()
        http.disconnect()
        http.server_close()
        thread.join()
        for echo in self._echoes:
            echo.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def respond(self, request: Request) -> Response:
        """Do what is asked.

        Raises:
            ServiceError: the request is refused.
        """

    @abstractmethod
    def refusal(self, request: Request, error: ServiceError) -> Response:
        """Put a refusal in the service's form."""

    @abstractmethod
    def trouble(self, status: int) -> str:
        """The code that the service gives with a status, where a fault names none."""

    def answer(self, request: Request) -> Response | None:
        """Respond as the faults have it; None closes the connection without an answer."""
        pairs = request.query.items()
        query = "&".join(f"{key}={value}" if value else key for key, value in pairs)
        struck = self.faults.of_request(request.method, request.path, query)
        for fault in struck:
            if fault.action is Action.DELAY:
                self.stopping.wait(fault.seconds)
        before = [f for f in struck if f.action in {Action.REFUSE, Action.DROP_BEFORE}]
        if before:
            drops = before[0].action is Action.DROP_BEFORE
            return self._log(request, None if drops else self._broken(request, before[0]))
        response = self._respond(request)
        for fault in struck:
            if fault.action is Action.ANSWER_LATE:
                self.stopping.wait(fault.seconds)
            elif fault.action is Action.DUPLICATE and fault.seconds:
                self._echo(request, fault.seconds)
            elif fault.action is Action.DUPLICATE:
                response = self._respond(request)
        after = [f for f in struck if f.action in {Action.FAIL_AFTER, Action.DROP_AFTER}]
        if after:
            drops = after[0].action is Action.DROP_AFTER
            return self._log(request, None if drops else self._broken(request, after[0]))
        return self._log(request, response)

    def _respond(self, request: Request) -> Response:
        try:
            return self.respond(request)
        except ServiceError as error:
            response = self.refusal(request, error)
            response.headers |= {CODE_HEADER: error.code, **error.headers}
            return response

    def _echo(self, request: Request, seconds: float) -> None:
        """Deliver a request once more when its answer is long gone."""

        def deliver() -> None:
            if not self.stopping.wait(seconds):
                self._respond(request)

        self._echoes.append(threading.Thread(target=deliver, daemon=True))
        self._echoes[-1].start()

    def _broken(self, request: Request, fault: RequestFault) -> Response:
        code = fault.code or self.trouble(fault.status)
        message = fault.message or f"Please try again later ({code})."
        response = self.refusal(request, ServiceError(fault.status, code, message))
        response.headers[CODE_HEADER] = code
        return response

    def _log(self, request: Request, response: Response | None) -> Response | None:
        self.exchanges.append(
            Exchange(
                request.method,
                request.path,
                request.query,
                response.status if response else 0,
                len(request.body),
                len(response.body) if response and request.method != "HEAD" else 0,
                response.headers.pop(CODE_HEADER, "") if response else "",
            )
        )
        return response


CODE_HEADER = "x-loopback-code"  # never sent


class _Http(ThreadingHTTPServer):
    """Threads that end: open connections are shut at the end, and their threads are joined."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: LoopbackServer) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not self.service.stopping.is_set():
            super().handle_error(request, client_address)

    def disconnect(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one write for each response
    server: _Http

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Say nothing: the log is `exchanges`."""

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):  # clients may leave at any time
            super().handle_one_request()
            return
        self.close_connection = True

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(
            self.command,
            self.path,
            unquote(path),
            dict(parse_qsl(query, keep_blank_values=True)),
            {key.lower(): value for key, value in self.headers.items()},
            self._body(),
        )
        response = self.server.service.answer(request)
        if response is None:
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for key, value in response.headers.items():
            self.send_header(key, value)
        self.send_header("Date", formatdate(self.server.service.now(), usegmt=True))
        if "Content-Length" not in response.headers:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and response.status not in {204, 304}:
            self.wfile.write(response.body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)
