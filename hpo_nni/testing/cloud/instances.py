"""What MaxCompute knows of every instance: the server's own record, which tests read."""

from __future__ import annotations

import enum
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class TaskStatus(enum.Enum):
    """The state of an instance's one task, in the service's spelling."""

    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self not in {TaskStatus.WAITING, TaskStatus.RUNNING}


@dataclass
class Instance:
    """One instance, from its submission on.

    Attributes:
        id: as the service gives it.
        project: where it was submitted.
        owner: the access key id that submitted it.
        task: the name of its task.
        kind: `XFLOW`, `SQL` or `PS`; the type of its task.
        source: the XML that was submitted; empty for sub-instances.
        parameters: of the XFlow.
        submitted: seconds since the epoch, like all times here.
        started: None while it waits.
        ended: None while it is not final.
        status: of its task.
        result: what it has to say at the end.
        parent: the id of the XFlow's instance; empty for those.
        sub_instances: ids by action name, in the order of their appearance.
        stopped_by: the access key id that stopped it; empty if nobody did.
        log: what its process has written.
    """

    id: str
    project: str
    owner: str
    task: str
    kind: str
    source: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    status: TaskStatus = TaskStatus.WAITING
    result: str = ""
    parent: str = ""
    sub_instances: dict[str, str] = field(default_factory=dict)
    stopped_by: str = ""
    log: list[str] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self.status.is_final


class Instances:
    """All instances of a server, in the order of their submission.

    Whoever changes an instance holds `lock`; changes wake those who `await_change`.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self._known: dict[str, Instance] = {}

    def __iter__(self) -> Iterator[Instance]:
        with self.lock:
            return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, instance_id: str) -> Instance:
        return self._known[instance_id]

    def get(self, instance_id: str) -> Instance | None:
        """An instance, or None."""
        return self._known.get(instance_id)

    def submitted(self, *, kind: str = "XFLOW") -> list[Instance]:
        """Those of one kind that a client submitted, in that order."""
        return [one for one in self if one.kind == kind and not one.parent]

    def running(self) -> list[Instance]:
        """Those that are not final, sub-instances included."""
        return [one for one in self if not one.is_final]

    def add(self, instance: Instance) -> Instance:
        """Take up a new instance."""
        with self.lock:
            self._known[instance.id] = instance
            self.lock.notify_all()
        return instance

    def add_sub_instance(self, parent: Instance, name: str, kind: str) -> Instance:
        """Take up an instance that the service itself starts for an XFlow."""
        with self.lock:
            started = time.time()
            one = Instance(
                new_id(),
                parent.project,
                parent.owner,
                name,
                kind,
                parent=parent.id,
                started=started,
                submitted=started,
                status=TaskStatus.RUNNING,
            )
            parent.sub_instances[name] = one.id
            return self.add(one)

    def start(self, instance: Instance) -> bool:
        """The instance gets its resources; false where it is final already."""
        with self.lock:
            if instance.is_final:
                return False
            instance.started = time.time()
            instance.status = TaskStatus.RUNNING
            self.lock.notify_all()
            return True

    def end(
        self, instance: Instance, status: TaskStatus, result: str = "", *, by: str = ""
    ) -> bool:
        """The instance ends; false where it had ended before, and then nothing changes."""
        with self.lock:
            if instance.is_final:
                return False
            instance.status, instance.result = status, result
            instance.stopped_by, instance.ended = by, time.time()
            self.lock.notify_all()
            return True

    def await_change(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something is so, for so long at most; returns whether it is."""
        with self.lock:
            return self.lock.wait_for(condition, seconds)

    def wake(self) -> None:
        """Let all who wait look again."""
        with self.lock:
            self.lock.notify_all()


def new_id() -> str:
    """An id as the service makes them: the time, and something random."""
    now = time.time()
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
    return f"{stamp}{int(now % 1 * 1000):03d}g{secrets.token_hex(4)}"
