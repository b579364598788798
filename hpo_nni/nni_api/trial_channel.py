"""How a trial gets its point from NNI and reports back, without importing NNI.

`import nni` costs 0.6 s and 85 MB (2.10.1) or 1.9 s and 149 MB (3.0) in every trial
(`benchmarks/trial_cost.py`), for what is a file in NNI 2 and an HTTP address in NNI 3. Both formats
are frozen: NNI's last release is from 2023.

NNI 3.0 hands its queue of parameters to whichever trial asks first, so trials that run at the same
time get each other's. Here a trial asks REST for the parameters that NNI keeps under *its* id, and
reports under their id; then the tuner, the database, the page and `nnictl resume` are all right.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from hpo_nni.errors import NniError, NniGoneError
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hpo_nni.nni_api.environment import TrialEnvironment

MAX_METRIC_BYTES = 999_999  # the length of a record in NNI 2's metrics file has six digits


@dataclass(frozen=True)
class TrialPoint:
    """The parameters of one trial, and the id under which NNI knows them."""

    parameters: Mapping[str, Any]
    parameter_id: int | None


class TrialChannel(Protocol):
    """The two things a trial does with NNI."""

    def receive_point(self) -> TrialPoint:
        """Wait for this trial's own parameters; raises NniError if NNI does not give any."""
        ...

    def report(self, kind: str, sequence: int, value: Mapping[str, float]) -> None:
        """Report an intermediate (`PERIODICAL`) or the final (`FINAL`) result.

        Args:
            kind: NNI's word for it.
            sequence: counts the intermediate results from 0; 0 for the final one.
            value: finite numbers with `default` among them.

        Raises:
            NniError: NNI's manager is gone or refuses.
        """
        ...


def open_channel(trial: TrialEnvironment) -> TrialChannel:
    """The channel of the NNI that started this trial."""
    if trial.channel is None:
        return FileChannel(trial.trial_id, trial.system_directory)
    return HttpChannel(trial.trial_id, trial.channel)


class FileChannel:
    """NNI 2: `parameter.cfg` is written before the trial starts; metrics are appended to a file."""

    def __init__(self, trial_id: str, system_directory: Path) -> None:
        self._trial_id = trial_id
        self._directory = system_directory
        self._parameter_id: int | None = None

    def receive_point(self) -> TrialPoint:
        """Read `parameter.cfg`."""
        file = self._directory / "parameter.cfg"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            point = TrialPoint(content["parameters"], content["parameter_id"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise NniError(f"NNI left no readable parameters in {file}: {error!r}") from error
        self._parameter_id = point.parameter_id
        return point

    def report(self, kind: str, sequence: int, value: Mapping[str, float]) -> None:
        """Append one record: `ME`, six digits of length, and the metric."""
        metric = _metric(self._trial_id, self._parameter_id, kind, sequence, value)
        data = (metric + "\n").encode()
        folder = self._directory / ".nni"
        try:
            folder.mkdir(exist_ok=True)
            with (folder / "metrics").open("ab") as file:
                file.write(b"ME%06d%b" % (len(data), data))
            os.utime(folder / "metrics")  # what wakes the manager's watcher
        except OSError as error:
            raise NniError(f"cannot report to NNI through {folder}: {error}") from error


class HttpChannel:
    """NNI 3: parameters from REST, metrics to the trial's command channel.

    Args:
        trial_id: this trial's.
        url: `NNI_TRIAL_COMMAND_CHANNEL`, `http://host:port/[prefix/]env/...`.
        patience: seconds to wait for NNI to write down a trial that it has already started.
        attempts: how often a report is tried, a second apart, before NNI counts as gone.
    """

    def __init__(
        self, trial_id: str, url: str, *, patience: float = 60.0, attempts: int = 3
    ) -> None:
        self._trial_id = trial_id
        self._url = url
        self._patience = patience
        self._attempts = attempts
        self._parameter_id: int | None = None

    def receive_point(self) -> TrialPoint:
        """Ask REST until NNI has stored which parameters it meant for this trial."""
        rest = RestClient(self._url.split("/env/")[0])
        deadline = time.monotonic() + self._patience
        while True:
            try:
                trial = rest.trial(self._trial_id)
            except NniError:  # the trial may run before NNI has stored that it exists
                if time.monotonic() > deadline:
                    raise
            else:
                if trial.parameters is not None:
                    self._parameter_id = trial.parameter_id
                    return TrialPoint(trial.parameters, trial.parameter_id)
                if time.monotonic() > deadline:
                    raise NniError(f"NNI knows no parameters of trial {self._trial_id}")
            time.sleep(0.1)

    def report(self, kind: str, sequence: int, value: Mapping[str, float]) -> None:
        """Put one metric; a refusal (NNI 3's own client drops it silently) is an error."""
        metric = _metric(self._trial_id, self._parameter_id, kind, sequence, value)
        body = json.dumps({"type": "metric", "metric": metric})
        for attempt in range(1, self._attempts + 1):
            try:
                return self._put(body)
            except (OSError, http.client.HTTPException) as error:
                if attempt == self._attempts:
                    raise NniGoneError(f"NNI's manager does not answer: {error}") from error
                time.sleep(1.0)
        return None

    def _put(self, body: str) -> None:
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(
            parts.hostname or "localhost", parts.port, timeout=10
        )
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("PUT", parts.path, body, headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise NniError(f"NNI refused a metric of trial {self._trial_id}: {response.status}")


def _metric(
    trial_id: str, parameter_id: int | None, kind: str, sequence: int, value: Mapping[str, float]
) -> str:
    """One metric as both versions of NNI spell it: the value is JSON within JSON."""
    metric = {
        "parameter_id": parameter_id,
        "trial_job_id": trial_id,
        "type": kind,
        "sequence": sequence,
        "value": json.dumps(dict(value), allow_nan=False),
    }
    text = json.dumps(metric)
    if len(text.encode()) >= MAX_METRIC_BYTES:  # thousands of raw metrics: the score must arrive
        return _metric(trial_id, parameter_id, kind, sequence, {"default": value["default"]})
    return text
