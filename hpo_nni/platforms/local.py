"""Jobs on this machine: a shell command under a supervisor of its own (see `supervisor.py`).

Nothing is kept in memory: each job has a small record in the working directory, so that any later
process on the same host can find it, tell how it stands and end it.

Why no submission can be lost: the supervisor is started, and waits; its record is written under
the job's name, which is given only once; then the supervisor is told to go. Who dies before that
word has started nothing, and whoever finds no record knows that nothing runs and nothing will.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hpo_nni.errors import PlatformError
from hpo_nni.platforms import supervisor
from hpo_nni.platforms.base import Plan, Platform
from hpo_nni.platforms.local_job import LocalJob, LocalRecord, outcome_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.platforms.base import JobSpec

RECORDS = "hpo_nni_jobs"
GRACE = 3.0  # NNI 3.0 kills the trial 5 seconds after it told it to end
LONGEST_NAME = 200  # bytes; file systems take 255, and suffixes are added


class LocalPlatform(Platform):
    """Runs each job as `/bin/bash -c COMMAND`, in a session of its own.

    The job inherits the environment of the submitting process, `CUDA_VISIBLE_DEVICES` as NNI sets
    it included, and has nothing on standard input. Its id is its name. It lasts until its command
    has ended; what the command left running in the background is then ended too, by TERM after a
    second and KILL after the grace period.

    Args:
        directory: the experiment's working directory; records go to `hpo_nni_jobs` in it.
        grace: seconds from TERM to KILL when a job is ended.
        clock: seconds that only grow.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records = Path(directory).absolute() / RECORDS
        self._grace = grace
        self._clock = clock
        self._sleep = sleep

    def plan(self, spec: JobSpec) -> Plan:
        """Say what a person would type; `spec.environment` is shown and must hold no secrets."""
        exports = [f"export {key}={shlex.quote(value)}" for key, value in spec.environment.items()]
        lines = [f"cd {shlex.quote(str(spec.directory))}", *exports, spec.command]
        return Plan(
            name=spec.name,
            text="\n".join(lines),
            payload={
                "command": spec.command,
                "directory": str(spec.directory),
                "environment": dict(spec.environment),
                "stdout": str(spec.stdout),
                "stderr": str(spec.stderr),
            },
        )

    def submit(self, plan: Plan) -> LocalJob:
        """Start the job; log files of an earlier one by the same paths are overwritten.

        Raises:
            PlatformError: the name is taken or cannot be a file's, the working directory is
                missing, or the machine cannot write the files or start the process.
        """
        self._refuse(plan)
        try:
            self._records.mkdir(parents=True, exist_ok=True)
            with (
                _append(plan.payload["stdout"]) as stdout,
                _append(plan.payload["stderr"]) as stderr,
            ):
                return self._start(plan, stdout, stderr)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the command or environment
            raise PlatformError(f"job {plan.name} cannot be started: {error}") from error

    def attach(self, job_id: str) -> LocalJob:
        """Return the job with this id; raises PlatformError if no job ever had it."""
        job = self.find(job_id)
        if job is None:
            raise PlatformError(
                f"there is no local job {job_id}",
                hint=f"its record would be in {self._records}; was it moved or removed?",
            )
        return job

    def find(self, name: str) -> LocalJob | None:
        """Return the job of this name; once its submitter is dead, None is for ever."""
        record = LocalRecord.read(self._record(name))
        return None if record is None else self._job(record)

    def _refuse(self, plan: Plan) -> None:
        name, directory = plan.name, plan.payload["directory"]
        if not name or "/" in name or len(os.fsencode(name)) > LONGEST_NAME:
            raise PlatformError(
                f"a local job cannot be named {name!r}",
                hint=f"a name has 1 to {LONGEST_NAME} bytes and no '/'",
            )
        if self._record(name).exists():
            raise self._name_is_taken(name)
        if not Path(directory).is_dir():
            raise PlatformError(
                f"job {name} cannot be started: {directory} is not a directory",
                hint="jobs run in the directory of their trial.ini",
            )
        if not Path(supervisor.SHELL).exists():
            raise PlatformError(
                f"job {name} cannot be started: there is no {supervisor.SHELL}",
                hint="install bash",
            )

    def _start(self, plan: Plan, stdout: IO[bytes], stderr: IO[bytes]) -> LocalJob:
        token = os.urandom(8).hex()
        child = self._start_supervisor(plan, token, stdout, stderr)
        assert child.stdin is not None
        try:
            record = LocalRecord.of(
                child.pid,
                name=plan.name,
                token=token,
                grace=self._grace,
                stdout=plan.payload["stdout"],
                stderr=plan.payload["stderr"],
            )
            self._claim(record)
            stdout.truncate(0)
            stderr.truncate(0)
            child.stdin.write(supervisor.GO)
        except BaseException:
            child.stdin.close()
            child.wait()  # it has not been told to go: it ends at once
            raise
        child.stdin.close()
        return self._job(record, child)

    def _claim(self, record: LocalRecord) -> None:
        try:
            record.claim(self._record(record.name))
        except FileExistsError as error:
            raise self._name_is_taken(record.name) from error

    def _start_supervisor(
        self, plan: Plan, token: str, stdout: IO[bytes], stderr: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        script = str(Path(supervisor.__file__).absolute())
        outcome = str(outcome_path(self._record(plan.name), token))
        arguments = [plan.name, outcome, token, str(self._grace), plan.payload["command"]]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", script, *arguments],
            bufsize=0,
            cwd=plan.payload["directory"],
            env={**os.environ, **plan.payload["environment"]},
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _job(self, record: LocalRecord, child: subprocess.Popen[bytes] | None = None) -> LocalJob:
        outcome = outcome_path(self._record(record.name), record.token)
        return LocalJob(record, outcome, clock=self._clock, sleep=self._sleep, child=child)

    def _record(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _name_is_taken(self, name: str) -> PlatformError:
        return PlatformError(
            f"there has been a job {name} already",
            hint="a name is used once, also by jobs that failed: another attempt needs another",
        )


def _append(path: str) -> IO[bytes]:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return Path(path).open("ab")
