"""An NNI for one trial, on the loopback interface: what a trial sees of 2.10.1 and of 3.0.

2.10.1 is a folder: parameters in `parameter.cfg`, metrics appended to `.nni/metrics`. 3.0 is two
addresses: REST for the parameters, the trial's command channel for the metrics. Formats and routes
are those that the real ones were seen to use.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EXPERIMENT = "looped01"
_RECORD = re.compile(rb"ME(\d{6})")


class FakeNni:
    """The side of NNI that one trial talks to.

    Args:
        folder: the experiment's working directory.
        trial_id: unique, so that its processes can be found by it.
        parameters: the trial's point.

    Attributes:
        metrics: what was reported, decoded, in its order.
    """

    def __init__(self, folder: Path, trial_id: str, parameters: Mapping[str, Any]) -> None:
        self.folder = folder
        self.trial_id = trial_id
        self.directory = folder / EXPERIMENT / "trials" / trial_id
        self.directory.mkdir(parents=True)
        self.point = {"parameter_id": 7, "parameters": dict(parameters)}

    @property
    def environment(self) -> dict[str, str]:
        """What NNI sets for the trial."""
        return {
            "NNI_EXP_ID": EXPERIMENT,
            "NNI_TRIAL_JOB_ID": self.trial_id,
            "NNI_TRIAL_SEQ_ID": "3",
            "NNI_SYS_DIR": str(self.directory),
            "NNI_OUTPUT_DIR": str(self.directory),
            "NNI_PLATFORM": "local",
        }

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """See the class."""
        raise NotImplementedError

    def finals(self) -> list[dict[str, float]]:
        """The values of the final metrics."""
        return [json.loads(one["value"]) for one in self.metrics if one["type"] == "FINAL"]

    def refuse_metrics(self) -> None:
        """From now on, metrics are not taken."""
        raise NotImplementedError

    def close(self) -> None:
        """Be gone, as after a kill; a second time is silent."""


class FileNni(FakeNni):
    """NNI 2.10.1."""

    def __init__(self, folder: Path, trial_id: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(folder, trial_id, parameters)
        text = json.dumps(self.point)
        (self.directory / "parameter.cfg").write_text(text, encoding="utf-8")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Read from `.nni/metrics`, each record by the length that it states."""
        file = self.directory / ".nni" / "metrics"
        data = file.read_bytes() if file.is_file() else b""
        found = []
        while data:
            head = _RECORD.match(data)
            assert head is not None, f"no record begins with {data[:20]!r}"
            end = head.end() + int(head[1])
            found.append(json.loads(data[head.end() : end]))
            data = data[end:]
        return found

    def refuse_metrics(self) -> None:
        """Put a file where the folder of the metrics should be."""
        (self.directory / ".nni").write_text("", encoding="utf-8")

    def close(self) -> None:
        """Nothing: 2.10.1's channel is a folder, which stays."""


class HttpNni(FakeNni):
    """NNI 3.0.

    Attributes:
        status: what REST says of the trial.
        experiment_status: what REST says of the experiment.
        refusal: the HTTP status with which metrics are refused; 0 takes them.
        is_prepared: whether REST knows the trial's parameters yet.
        on_metric: called with each metric before it is answered.
        limits: the experiment's, as in its config.
    """

    def __init__(self, folder: Path, trial_id: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(folder, trial_id, parameters)
        self.status = "RUNNING"
        self.experiment_status = "RUNNING"
        self.refusal = 0
        self.is_prepared = True
        self.on_metric: Callable[[dict[str, Any]], object] = lambda _: None
        self.limits: dict[str, Any] = {"trialConcurrency": 1, "maxTrialNumber": 10}
        self.requests: list[tuple[str, str, Any]] = []
        self._metrics: list[dict[str, Any]] = []
        self._server: ThreadingHTTPServer | None = ThreadingHTTPServer(
            ("127.0.0.1", 0), _handler(self)
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """As above, with the command channel."""
        channel = f"{self.url}/env/local-env/{self.trial_id}"
        return super().environment | {"NNI_TRIAL_COMMAND_CHANNEL": channel}

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """As they came."""
        return list(self._metrics)

    def refuse_metrics(self) -> None:
        """Answer 410, as 3.0 does for trials that it has given up."""
        self.refusal = 410

    def close(self) -> None:
        """Refuse connections."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and content for one request."""
        self.requests.append((method, path, body))
        if method == "PUT" and path.startswith("/env/"):
            return self._take(json.loads(body["metric"]))
        route = path.removeprefix("/api/v1/nni")
        if method == "DELETE" or (method == "PUT" and route.startswith("/experiment?")):
            return 200, None
        found = self._documents().get(route)
        return (200, found) if found is not None else (404, {"error": f"no {path}"})

    def _take(self, metric: dict[str, Any]) -> tuple[int, Any]:
        if self.refusal:
            return self.refusal, None
        self.on_metric(metric)
        self._metrics.append(metric)
        return 200, None

    def _documents(self) -> dict[str, Any]:
        trial = {"trialJobId": self.trial_id, "status": self.status, "sequenceId": 3}
        if self.is_prepared:
            trial["hyperParameters"] = [json.dumps(self.point)]
        return {
            "/check-status": {"status": self.experiment_status, "errors": []},
            "/experiment": {"id": EXPERIMENT, "params": self.limits, "execDuration": 5},
            "/trial-jobs": [trial],
            f"/trial-jobs/{self.trial_id}": trial,
        }


def _handler(nni: HttpNni) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(None)

        def do_PUT(self) -> None:
            self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_DELETE(self) -> None:
            self._respond(None)

        def log_message(self, *_: object) -> None:
            """Be silent."""

        def _respond(self, body: Any) -> None:
            status, content = nni.answer(self.command, self.path, body)
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
