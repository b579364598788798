"""NNI's REST interface, through the standard library: NNI's own client costs a second of import.

The routes are those of NNI 2.10.1 and 3.0 (`rest_server/restHandler`); the two agree on all that
is used here.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hpo_nni.errors import NniError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TrialStatus:
    """A trial as NNI shows it.

    Attributes:
        status: NNI's word: WAITING, RUNNING, SUCCEEDED, FAILED, EARLY_STOPPED, USER_CANCELED, ...
        parameters: what NNI meant the trial to run with; None before it knows.
        parameter_id: under which the trial must report; None for customised trials.
        final: the `default` of its final metric, where there is one.
    """

    id: str
    number: int
    status: str
    parameters: Mapping[str, Any] | None
    parameter_id: int | None
    final: float | None


@dataclass(frozen=True)
class ExperimentLimits:
    """What the web page can change while an experiment runs."""

    concurrency: int
    max_trials: int | None
    max_seconds: float | None
    max_trial_seconds: float | None = None


class RestClient:
    """Talks to one NNI manager.

    Args:
        base_url: `http://localhost:8080` or, with a prefix, `http://localhost:8080/prefix`.
        timeout: seconds for one request.

    Every method raises NniError where NNI does not answer or refuses.
    """

    def __init__(self, base_url: str, *, timeout: float = 20.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout

    def status(self) -> str:
        """The experiment's status: INITIALIZED, RUNNING, DONE, ERROR, ..."""
        return str(self._get("/check-status")["status"])

    def errors(self) -> list[str]:
        """What NNI says went wrong, when the status is ERROR."""
        return [str(error) for error in self._get("/check-status").get("errors", [])]

    def experiment_id(self) -> str:
        """The id of the experiment that this manager runs."""
        return str(self._get("/experiment")["id"])

    def limits(self) -> ExperimentLimits:
        """Concurrency, number of trials and duration as they are now."""
        parameters = self._get("/experiment")["params"]
        return ExperimentLimits(
            concurrency=int(parameters["trialConcurrency"]),
            max_trials=parameters.get("maxTrialNumber"),
            max_seconds=seconds(parameters.get("maxExperimentDuration")),
            max_trial_seconds=seconds(parameters.get("maxTrialDuration")),
        )

    def config(self) -> dict[str, Any]:
        """The experiment's config as it is now, in NNI's spelling, with its search space."""
        found: dict[str, Any] = self._get("/experiment")["params"]
        return found

    def elapsed(self) -> float:
        """Seconds that NNI counts against `maxExperimentDuration`."""
        return float(self._get("/experiment").get("execDuration", 0))

    def change(self, kind: str, name: str, value: object) -> None:
        """Change a limit as the web page does.

        Args:
            kind: TRIAL_CONCURRENCY, MAX_EXEC_DURATION or MAX_TRIAL_NUM.
            name: the limit's name in the profile: trialConcurrency, maxTrialNumber, ...
            value: the new value.
        """
        profile = self._get("/experiment")
        profile["params"][name] = value
        self._request("PUT", f"/experiment?update_type={kind}", profile)

    def trials(self) -> list[TrialStatus]:
        """All trials that NNI has begun or queued, in its order."""
        return [_trial(entry) for entry in self._get("/trial-jobs")]

    def trial(self, trial_id: str) -> TrialStatus:
        """One trial."""
        return _trial(self._get(f"/trial-jobs/{trial_id}"))

    def add_trial(self, parameters: Mapping[str, Any]) -> int:
        """Queue a trial with these parameters, as the web page's copies are; returns its number.

        NNI refuses it where `maxTrialNumber` has been reached, and asks no tuner about it.
        """
        return int(self._request("POST", "/trial-jobs", dict(parameters))["sequenceId"])

    def cancel_trial(self, trial_id: str) -> None:
        """Cancel a trial, as the button on the web page does; NNI may take seconds to answer."""
        self._request("DELETE", f"/trial-jobs/{trial_id}", None)

    def stop(self) -> None:
        """Stop the experiment and the manager."""
        self._request("DELETE", "/experiment", None)

    def _get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def _request(self, method: str, path: str, body: object) -> Any:
        parts = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(
            parts.hostname or "localhost", parts.port, timeout=self._timeout
        )
        data = None if body is None else json.dumps(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, f"{parts.path}/api/v1/nni{path}", data, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NniError(f"NNI does not answer at {self.base_url}: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            words = content.decode("utf-8", "replace").strip()
            raise NniError(f"NNI refused {method} {path}: {response.status} {words}")
        try:
            return json.loads(content) if content else None
        except ValueError as error:  # while NNI 3 comes up, every path is the web page
            raise NniError(f"NNI at {self.base_url} does not answer in JSON yet") from error


def seconds(duration: object) -> float | None:
    """NNI's durations (`90`, `"10m"`, `"1.5h"`) in seconds; None for none.

    >>> seconds("10m"), seconds(90), seconds(None)
    (600.0, 90.0, None)
    """
    if duration is None:
        return None
    if isinstance(duration, (int, float)):
        return float(duration)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    text = str(duration).strip()
    if text and text[-1] in units:
        return float(text[:-1]) * units[text[-1]]
    return float(text)


def _trial(entry: Mapping[str, Any]) -> TrialStatus:
    point = json.loads(entry["hyperParameters"][0]) if entry.get("hyperParameters") else None
    finals = entry.get("finalMetricData") or []
    return TrialStatus(
        id=str(entry.get("trialJobId", entry.get("id"))),
        number=int(entry.get("sequenceId", -1)),
        status=str(entry["status"]),
        parameters=None if point is None else point["parameters"],
        parameter_id=None if point is None else point["parameter_id"],
        final=_default(finals[-1]["data"]) if finals else None,
    )


def _default(data: str) -> float | None:
    """Read a stored metric: JSON within JSON, a number or an object with `default`."""
    value: Any = data
    while isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, dict):
        value = value.get("default")
    return float(value) if isinstance(value, (int, float)) else None
