"""Jobs on MaxCompute: `PAI` commands and SQL statements.

The service names its instances itself and knows no keys against repetition, so a submission whose
answer is lost is looked for, not repeated: see `maxcompute_marker.py`.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.errors import InDoubtError, PlatformError, TransientPlatformError
from hpo_nni.platforms.base import Plan, Platform
from hpo_nni.platforms.maxcompute_errors import NotReachedError, RefusedForNowError
from hpo_nni.platforms.maxcompute_job import MaxComputeJob
from hpo_nni.platforms.maxcompute_marker import MARKER, SLACK_SECONDS, Known, Markers, submitted_at
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection, MaxComputeService
from hpo_nni.platforms.pai_command import XFlow, is_pai_command, parse_pai_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hpo_nni.platforms.base import JobSpec

if importlib.util.find_spec("odps") is None:  # its import takes two seconds and waits for a need
    raise ImportError("odps is not installed", name="odps")

LOOKBACK_SECONDS = 2 * 86400.0


class MaxComputePlatform(Platform):
    """Runs each job as an XFlow or a statement; its id is the instance's.

    Args:
        directory: of the experiment; nothing is kept there.
        connect: gives the account when it is first needed; plans need none.
        marks_parameters: whether the name goes into the XFlow's parameters, too; without, it is
            in the instance's properties only.
        lookback: how far back `find` looks, in seconds.
        clock: seconds since the epoch.
    """

    absence_is_proof = False  # a request in flight may arrive after the look

    def __init__(
        self,
        directory: Path,
        *,
        connect: Callable[[], MaxComputeConnection],
        marks_parameters: bool = True,
        lookback: float = LOOKBACK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        del directory
        self._connect = connect
        self._marks_parameters = marks_parameters
        self._lookback = lookback
        self._clock = clock
        self._first_tried: dict[str, float] = {}  # name -> seconds since the epoch
        self._opened: tuple[MaxComputeService, Markers] | None = None

    def plan(self, spec: JobSpec) -> Plan:
        """Say what a person would type; raises CommandSyntaxError for a wrong `PAI` command."""
        if not is_pai_command(spec.command):
            text = f"set {MARKER}={spec.name};\n{spec.command}"
            return Plan(spec.name, text, {"query": spec.command})
        xflow = parse_pai_command(spec.command)
        if self._marks_parameters:
            xflow = replace(xflow, parameters={**xflow.parameters, MARKER: spec.name})
        payload = {
            "name": xflow.name,
            "project": xflow.project,
            "parameters": dict(xflow.parameters),
        }
        return Plan(spec.name, str(xflow), payload)

    def submit(self, plan: Plan) -> MaxComputeJob:
        """Submit, once; a name that an instance of the last minutes carries already is refused.

        For names that another process may have used before that, ask `find`.

        Raises:
            InDoubtError: no answer came, and nothing is to be found yet. Ask `find`; where it
                finds nothing for a while, submit again: what still turns up then is a twin, which
                the job's `status` stops.
            TransientPlatformError: it was not submitted, and may be soon.
            PlatformError: the service refuses.
        """
        service, markers = self._open()
        begun = self._first_tried.setdefault(plan.name, self._clock()) - SLACK_SECONDS
        if markers.find(plan.name, begun):
            raise PlatformError(
                f"there has been a job {plan.name} already",
                hint="a name is used once, also by jobs that failed: another attempt needs another",
            )
        try:
            instance_id = self._post(service, plan)
        except (NotReachedError, RefusedForNowError):
            raise
        except TransientPlatformError as error:
            instance_id = self._resolve(plan.name, begun, error)
        markers.note(instance_id, Known(plan.name, is_xflow="query" not in plan.payload))
        return MaxComputeJob(instance_id, service, markers, begun)

    def attach(self, job_id: str) -> MaxComputeJob:
        """Return the job with this id; whether there is one, its first request tells."""
        service, markers = self._open()
        begun = submitted_at(job_id) or self._clock() - self._lookback
        return MaxComputeJob(job_id, service, markers, begun - SLACK_SECONDS)

    def find(self, name: str, *, since: float | None = None) -> MaxComputeJob | None:
        """Return the job of this name: of several, the oldest that nobody has stopped.

        The first search of a process reads the source of every instance in its span.

        Args:
            name: the plan's.
            since: seconds since the epoch, where it is known when the job was intended.
        """
        service, markers = self._open()
        begun = self._clock() - self._lookback if since is None else since
        found = markers.find(name, begun - SLACK_SECONDS)
        if len(found) > 1:
            found.sort(key=lambda one: any(t.status == "CANCELLED" for t in service.tasks(one)))
        return self.attach(found[0]) if found else None

    def _open(self) -> tuple[MaxComputeService, Markers]:
        if self._opened is None:
            service = MaxComputeService(self._connect())
            self._opened = service, Markers(service)
        return self._opened

    @staticmethod
    def _post(service: MaxComputeService, plan: Plan) -> str:
        hints = {MARKER: plan.name}
        if "query" in plan.payload:
            return service.run_sql(plan.payload["query"], hints)
        xflow = XFlow(plan.payload["name"], plan.payload["project"], plan.payload["parameters"])
        return service.run_xflow(xflow, hints)

    def _resolve(self, name: str, begun: float, fault: TransientPlatformError) -> str:
        """The id of a job whose acceptance nobody told us."""
        _, markers = self._open()
        try:
            found = markers.find(name, begun)
        except TransientPlatformError:
            found = []
        if not found:
            raise InDoubtError(
                f"it is not known whether job {name} was submitted: {fault.message}",
                name=name,
                hint="look for it by its name before it is submitted again",
            ) from fault
        return found[0]
