"""One job on MaxCompute: an instance, all that it has started, and twins that should not be."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from hpo_nni.errors import PlatformError, TransientPlatformError
from hpo_nni.platforms.base import JobState, JobStatus
from hpo_nni.platforms.maxcompute_errors import hint_for
from hpo_nni.platforms.maxcompute_service import SubInstance, Task
from hpo_nni.platforms.sliding_tail import SlidingTail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hpo_nni.platforms.maxcompute_marker import Markers
    from hpo_nni.platforms.maxcompute_service import MaxComputeService

logger = logging.getLogger(__name__)

_VANISHED = "VANISHED"  # our word for an instance that has ended and has no tasks
_ENDINGS = {  # of an instance with several tasks, the first that one of them has
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    _VANISHED: JobState.LOST,
    "SUCCESS": JobState.SUCCEEDED,
}
_QUEUED = {"WAITING", "SUSPENDED"}
_LONGEST_MESSAGE = 2000


class MaxComputeJob:
    """An instance as any process sees it.

    The job is over when its instance and everything that this has started are over. Stopping an
    XFlow does not stop what it has started, and it may start something while it is being stopped:
    `status` goes on stopping what is left. A service that took one submission twice has made a
    twin, with the same name: `status` stops it, and `cancel` stops both.

    Args:
        instance_id: the service's.
        service: how to ask.
        markers: who has which name.
        since: twins are not older than this; seconds since the epoch.
    """

    def __init__(
        self, instance_id: str, service: MaxComputeService, markers: Markers, since: float
    ) -> None:
        self._id = instance_id
        self._service = service
        self._markers = markers
        self._since = since
        self._parts: dict[str, str] = {}  # id -> name of what it has started
        self._ended: dict[str, list[Task]] = {}  # id -> tasks of what is over
        self._logviews: dict[str, str] = {}  # id -> address; empty if there is none for us
        self._twins: set[str] = set()  # ids
        self._gone: set[str] = set()  # ids of twins of which nothing is left
        self._final: JobStatus | None = None
        self._names: dict[str, list[str]] = {}  # id -> its tasks
        self._tails: dict[str, SlidingTail] = {}  # stream -> what has been read of it
        self._holed: set[str] = set()  # streams of which lines were lost
        self._silent: set[str] = set()  # ids of parts that print no more, and have been read

    @property
    def id(self) -> str:
        """The instance's id."""
        return self._id

    @property
    def logviews(self) -> dict[str, str]:
        """The addresses that `status` has seen so far: name of the part, or "job" -> address."""
        names = {self._id: "job", **self._parts}
        return {names[one]: address for one, address in self._logviews.items() if address}

    def status(self) -> JobStatus:
        """Ask for the instance, its parts that still ran, and new instances of the same name."""
        if self._final is None:
            twins = self._stop_twins()
            status = self._ask()
            if not status.state.is_final:
                return status
            if twins:
                return JobStatus(JobState.RUNNING, f"stopping its twins: {', '.join(twins)}")
            self._final = status
        return self._final

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the workers' logs, and at the end what the service said.

        What cannot be read is left out, for this is called where a job has failed already.
        """
        if lines <= 0:
            return ""
        found: list[str] = []
        try:
            self._look_at_parts()
            for one in (*self._parts, self._id):
                found += self._said_by(one)
        except PlatformError as error:
            found.append(f"(no more could be read: {error.message})")
        return "\n".join(found[-lines:])

    def new_output(self) -> str:
        """Return what the workers have printed since the last call, one after the other."""
        found: list[str] = []
        for part in [one for one in self._parts if one not in self._silent]:
            is_over = self._is_over(part)
            for task in self._task_names(part):
                for stream, text in self._logs(part, task).items():
                    tail = self._tails.setdefault(f"{part} {stream}", SlidingTail())
                    known_gaps = tail.gaps
                    found.append(tail.lines(text) + (tail.rest() if is_over else ""))
                    if tail.gaps > known_gaps:
                        self._tell_of_gap(part, stream)
            if is_over:
                self._silent.add(part)
        return "".join(found)

    def cancel(self) -> None:
        """Stop the instance, what it has started, and its twins; ask `status` until it is over.

        Raises:
            PlatformError: the service refused one of them; the others were stopped.
        """
        with contextlib.ExitStack() as last_to_first:  # all of it, whatever goes wrong
            last_to_first.callback(self._stop_twins)
            last_to_first.callback(self._stop_parts)
            last_to_first.callback(self._service.stop, self._id)  # so that it starts nothing more

    def _ask(self) -> JobStatus:
        state = _state_of(self._tasks(self._id))
        self._look_at_parts()
        live = [(one, _state_of(self._tasks(one))) for one in self._parts if not self._is_over(one)]
        live = [(one, part) for one, part in live if not part.is_final]
        if state.is_final and not live:
            words = self._last_words(state)
            return JobStatus(state, words, hint=hint_for(words))
        if state.is_final and state is not JobState.SUCCEEDED:
            self._stop_each([one for one, _ in live])
        names = ", ".join(f"{self._parts[one]} {part.value}" for one, part in live)
        if not state.is_final and live and all(part is JobState.WAITING for _, part in live):
            return JobStatus(JobState.WAITING, f"in the queue: {names}")
        if state is JobState.WAITING:
            return JobStatus(state, "in the queue")
        return JobStatus(JobState.RUNNING, f"instance {self._id}" + (names and f": {names}"))

    def _tasks(self, instance_id: str) -> list[Task]:
        """Ask how an instance stands, unless it is over."""
        known = self._ended.get(instance_id)
        if known is not None:
            return known
        self._note_logview(instance_id)
        tasks = self._service.tasks(instance_id)
        if not tasks and self._service.is_terminated(instance_id):
            tasks = [Task("", _VANISHED)]
        if tasks and all(task.status in _ENDINGS for task in tasks):
            self._ended[instance_id] = tasks
        return tasks

    def _is_over(self, instance_id: str) -> bool:
        return instance_id in self._ended

    def _look_at_parts(self) -> None:
        """Take up what the instance has started since."""
        for part in self._parts_of(self._id):
            self._parts[part.id] = part.name
            self._markers.note(part.id)  # it has none of our names

    def _parts_of(self, instance_id: str) -> list[SubInstance]:
        is_xflow = self._markers.of(instance_id).is_xflow
        return self._service.sub_instances(instance_id) if is_xflow else []

    def _last_words(self, state: JobState) -> str:
        if state is JobState.CANCELLED:
            return "it was stopped"
        if state is JobState.LOST:
            return "it has ended, and the service does not say how"
        if state is not JobState.FAILED:
            return ""
        said = self._service.result(self._id)
        failed = [
            SubInstance(name, one)
            for one, name in self._parts.items()
            if _state_of(self._ended.get(one, [])) is JobState.FAILED
        ]
        for part in failed:
            said = said or self._service.result(part.id)
        parts = ", ".join(f"{part.name} ({part.id})" for part in failed)
        words = said[:_LONGEST_MESSAGE] or "it failed, and the service does not say why"
        return f"{words} [failed: {parts}]" if parts else words

    def _said_by(self, instance_id: str) -> Iterator[str]:
        for task in self._tasks(instance_id):
            if instance_id in self._parts:
                yield from _lines(self._logs(instance_id, task.name).values())
        if self._is_over(instance_id):
            yield from _lines([self._service.result(instance_id)])

    def _logs(self, instance_id: str, task: str) -> dict[str, str]:
        try:
            return self._service.worker_logs(instance_id, task)
        except PlatformError as error:  # not every kind of task has logs to read
            logger.debug("%s: no logs of %s: %s", self._id, task, error)
            return {}

    def _tell_of_gap(self, part: str, stream: str) -> None:
        """Say once of each stream that lines were lost: a metric may be among them."""
        if f"{part} {stream}" not in self._holed:
            self._holed.add(f"{part} {stream}")
            logger.warning(
                "%s %s prints more between two looks than the service keeps: lines of %s are lost"
                " (hint: a shorter poll_interval, or metric_type=summary)",
                self._parts[part],
                part,
                stream.rpartition(" ")[2],
            )

    def _task_names(self, instance_id: str) -> list[str]:
        known = self._names.get(instance_id)
        if not known:
            try:
                known = [task.name for task in self._tasks(instance_id)]
            except PlatformError:  # the next call asks again
                return []
            self._names[instance_id] = known
        return known

    def _stop_parts(self) -> None:
        self._stop_each([part.id for part in self._parts_of(self._id)])

    def _stop_each(self, instance_ids: Iterable[str]) -> None:
        """Stop all of these; raises what went wrong last, when all have been tried."""
        fault: PlatformError | None = None
        for one in instance_ids:
            try:
                self._service.stop(one)
            except PlatformError as error:
                fault = error
        if fault is not None:
            raise fault

    def _stop_twins(self) -> list[str]:
        """Stop what has the same name; returns those of which something may still run."""
        name = self._markers.of(self._id).name
        found = self._markers.find(name, self._since) if name else []
        left = [twin for twin in found if twin != self._id and self._stop_if_alive(twin)]
        for twin in set(left) - self._twins:
            logger.warning("%s: the service runs it twice; %s is stopped", name, twin)
        self._twins.update(left)
        return left

    def _stop_if_alive(self, instance_id: str) -> bool:
        """Stop what still runs of an instance; returns whether anything did."""
        if instance_id in self._gone:
            return False
        whole = [instance_id, *(part.id for part in self._parts_of(instance_id))]
        alive = [one for one in whole if not _state_of(self._tasks(one)).is_final]
        self._stop_each(alive)
        if not alive:
            self._gone.add(instance_id)
        return bool(alive)

    def _note_logview(self, instance_id: str) -> None:
        """Say once where a person can look; never a reason to fail."""
        if instance_id in self._logviews:
            return
        try:
            address = self._service.logview(instance_id)
        except TransientPlatformError:  # the next poll asks again
            return
        except PlatformError as error:
            logger.warning("instance %s has no logview: %s", instance_id, error.message)
            address = ""
        self._logviews[instance_id] = address
        if address:
            logger.info("%s %s: %s", self._parts.get(instance_id, "job"), instance_id, address)


def _state_of(tasks: Iterable[Task]) -> JobState:
    statuses = {task.status for task in tasks}
    if statuses - _ENDINGS.keys() or not statuses:
        return JobState.RUNNING if statuses - _QUEUED else JobState.WAITING
    return next((state for word, state in _ENDINGS.items() if word in statuses), JobState.LOST)


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from text.splitlines()
