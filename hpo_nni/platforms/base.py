"""Where jobs run: the seam that every platform implements, and the values that cross it."""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class JobState(enum.Enum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # it is gone, and nothing tells how it ended

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self not in {JobState.WAITING, JobState.RUNNING}


@dataclass(frozen=True)
class JobSpec:
    """One step of one trial, before a platform has seen it.

    Attributes:
        name: unique, derived from experiment, trial, step and attempt; the platform can be asked
            for it.
        command: what the user wrote in `cmd*`, with everything substituted.
        directory: the working directory of commands that run on this machine.
        log_directory: where log files of this job go on this machine.
        environment: what is added to the environment of the calling process; no secrets.
        step: names the log files; the name does where it is empty.
    """

    name: str
    command: str
    directory: Path
    log_directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    step: str = ""

    @property
    def stdout(self) -> Path:
        """Where the job's standard output goes, as far as it is on this machine."""
        return self.log_directory / f"{self.step or self.name}.stdout"

    @property
    def stderr(self) -> Path:
        """Where the job's standard error goes, as far as it is on this machine."""
        return self.log_directory / f"{self.step or self.name}.stderr"


@dataclass(frozen=True)
class Plan:
    """What will be submitted, ready to be printed, compared and stored.

    Attributes:
        name: the job's name.
        text: the command or manifest as a person would type it; no secrets.
        payload: what `submit` needs beyond that, as JSON values; no secrets.
    """

    name: str
    text: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus:
    """A job's state and the platform's own words about it (an exit code, a service's message).

    Attributes:
        exit_code: of its command, where the platform tells it; negative for a signal.
        hint: what to do about it; empty where nothing is known.
    """

    state: JobState
    message: str = ""
    exit_code: int | None = None
    hint: str = ""


class Job(Protocol):
    """A job that the platform has accepted."""

    @property
    def id(self) -> str:
        """What the ledger keeps, and `Platform.attach` takes."""
        ...

    def status(self) -> JobStatus:
        """Ask once."""
        ...

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines the job wrote, standard output and error together."""
        ...

    def cancel(self) -> None:
        """Ask for its end; idempotent; returns when the platform has accepted it.

        Silent for a job that has ended. `status` tells when it is over.
        """
        ...


@runtime_checkable
class PrintsElsewhere(Protocol):
    """A job whose output is not on this machine while it runs, and can be asked for."""

    def new_output(self) -> str:
        """Return what it has printed since the last call, in whole lines; never raises."""
        ...


class Platform(abc.ABC):
    """Somewhere a job can run; a platform is made from the experiment's working directory.

    1. `plan` is pure: same spec, same plan.
    2. `submit` returns once the platform has accepted the job; what it accepted can be found again
       by `plan.name`.
    3. `attach` and `find` work from another process, with nothing but what the ledger holds.
    4. Nothing here retries on its own: the caller owns time.

    Attributes:
        absence_is_proof: whether `find` sees a job as soon as `submit` can have caused it. Where a
            request may still be under way when its sender is dead, None proves nothing by itself.
    """

    absence_is_proof: ClassVar[bool] = True

    @abc.abstractmethod
    def plan(self, spec: JobSpec) -> Plan:
        """Say exactly what would be submitted; no I/O."""

    @abc.abstractmethod
    def submit(self, plan: Plan) -> Job:
        """Start the job; raises PlatformError where the platform refuses."""

    @abc.abstractmethod
    def attach(self, job_id: str) -> Job:
        """Return the job with this id, whether it still runs or not.

        Raises PlatformError for an id that it has not given.
        """

    @abc.abstractmethod
    def find(self, name: str) -> Job | None:
        """Return the job that was submitted under this name, or None if there was none.

        Where `absence_is_proof`, None is one once the submitting process is dead: no job of that
        name will appear.
        """
