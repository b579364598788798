"""What every platform must do: subclass PlatformContract in the platform's own tests.

    class TestLocalPlatform(PlatformContract):
        @pytest.fixture
        def platform(self, tmp_path):
            return LocalPlatform(tmp_path)

Jobs are described by what they do (`printing`, `lasting` ...), in the platform's own language.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hpo_nni.errors import PlatformError
from hpo_nni.platforms.base import Job, JobSpec, JobState, JobStatus, Plan, Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Submit = Callable[[str], Job]

DEADLINE = 30.0
PAUSE = 0.02


def await_true(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Ask until something is so; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(PAUSE)


def await_final(job: Job, seconds: float = DEADLINE) -> JobStatus:
    """Ask a job until nothing can follow, and return its last status."""
    await_true(lambda: job.status().state.is_final, f"the end of job {job.id}", seconds)
    return job.status()


class PlatformContract:
    """The promises of `Platform`, one test each.

    Attributes:
        printing: a command that writes `to-out` to standard output, then `to-err` to standard
            error, and succeeds.
        failing: one that fails, in whose status message `failure` stands.
        failure: see `failing`.
        lasting: one that would run for minutes, and begins by writing `started`.
        started: see `lasting`.
        stubborn: like `lasting`, but it and processes that it started ignore every polite signal;
            empty for platforms that end whole machines.
    """

    printing = "echo to-out; echo to-err >&2"
    failing = "echo broken >&2; exit 3"
    failure = "3"
    lasting = "echo started; sleep 300"
    started = "started"
    stubborn = ""

    @pytest.fixture
    def platform(self, tmp_path: Path) -> Platform:
        """A platform on which the commands above run."""
        raise NotImplementedError("provide the platform under test")

    def reopening(self, platform: Platform) -> str:
        """Python statements that bind `platform` to the same platform in another process."""
        raise NotImplementedError("say how another process gets at the platform under test")

    def refused(self, spec: JobSpec) -> JobSpec:
        """Return what the platform refuses to submit, made from what it would accept."""
        raise NotImplementedError("say what the platform under test refuses")

    def leftovers(self, job: Job) -> Sequence[object]:
        """What of a `stubborn` job still runs, as the machine and not the platform sees it."""
        raise NotImplementedError("say how to look for a job's processes")

    @pytest.fixture
    def specify(self, tmp_path: Path) -> Callable[[str], JobSpec]:
        """Make the spec of a command, each under a name of its own."""
        directory = tmp_path / "trial"
        directory.mkdir()
        names = iter(f"exp1-trial1-cmd{number}" for number in range(1, 100))

        def specify(command: str) -> JobSpec:
            return JobSpec(next(names), command, directory, tmp_path / "logs")

        return specify

    @pytest.fixture
    def submit(self, platform: Platform, specify: Callable[[str], JobSpec]) -> Iterator[Submit]:
        """Submit a command; what still runs after the test is cancelled."""
        jobs: list[Job] = []

        def submit(command: str) -> Job:
            jobs.append(platform.submit(platform.plan(specify(command))))
            return jobs[-1]

        yield submit
        for job in jobs:
            job.cancel()
            await_final(job)

    def test_success_is_reported(self, submit: Submit) -> None:
        """A command that succeeds ends as succeeded."""
        assert await_final(submit(self.printing)).state is JobState.SUCCEEDED

    def test_failure_is_reported_in_the_platforms_words(self, submit: Submit) -> None:
        """A command that fails ends as failed, and the message says how."""
        status = await_final(submit(self.failing))

        assert status.state is JobState.FAILED
        assert self.failure in status.message

    def test_log_tail_ends_with_standard_error(self, submit: Submit) -> None:
        """Both outputs are in the tail, errors last, where people look first."""
        job = submit(self.printing)
        await_final(job)

        assert job.log_tail().splitlines()[-2:] == ["to-out", "to-err"]
        assert job.log_tail(1).splitlines() == ["to-err"]

    def test_running_job_is_not_final(self, submit: Submit) -> None:
        """While it writes its log, it is running."""
        job = self._started(submit)

        assert job.status().state is JobState.RUNNING

    def test_cancel_twice_ends_cancelled(self, platform: Platform, submit: Submit) -> None:
        """A second cancel is silent, and the job is reported cancelled, not failed."""
        job = self._started(submit)

        job.cancel()
        platform.attach(job.id).cancel()

        assert await_final(job).state is JobState.CANCELLED

    def test_cancel_ends_processes_that_ignore_it(self, submit: Submit) -> None:
        """The job is final only when none of its processes is left."""
        if not self.stubborn:
            pytest.skip("this platform ends whole machines")
        job = self._started(submit, self.stubborn)
        assert self.leftovers(job)

        job.cancel()

        assert await_final(job).state is JobState.CANCELLED
        assert not self.leftovers(job)

    def test_cancel_right_after_submission_is_not_lost(self, submit: Submit) -> None:
        """A job that has hardly begun can be cancelled."""
        job = submit(self.lasting)

        job.cancel()

        assert await_final(job).state is JobState.CANCELLED

    def test_cancel_after_the_end_changes_nothing(self, submit: Submit) -> None:
        """How a job ended stays."""
        job = submit(self.failing)
        ended = await_final(job)

        job.cancel()

        assert job.status() == ended

    def test_another_process_can_attach_and_cancel(
        self, platform: Platform, submit: Submit
    ) -> None:
        """Nothing but the id is needed."""
        job = self._started(submit)

        said = self._elsewhere(
            platform,
            f"job = platform.attach({job.id!r}); print(job.status().state.value); job.cancel()",
        )

        assert said == "running"
        assert await_final(job).state is JobState.CANCELLED

    def test_another_process_finds_a_running_job_by_name(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """After a crash between submission and its record, the name is all there is."""
        spec = specify(self.lasting)
        job = platform.submit(platform.plan(spec))

        said = self._elsewhere(
            platform, f"job = platform.find({spec.name!r}); print(job.id); job.cancel()"
        )

        assert said == job.id
        assert await_final(job).state is JobState.CANCELLED

    def test_ended_job_is_found_by_name(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """A job that ended while nobody looked is not submitted again."""
        spec = specify(self.failing)
        ended = await_final(platform.submit(platform.plan(spec)))

        found = platform.find(spec.name)

        assert found is not None
        assert found.status() == ended

    def test_unknown_name_is_not_found(self, platform: Platform) -> None:
        """None, which proves that nothing of that name was accepted."""
        assert platform.find("exp1-trial1-never") is None

    def test_unknown_id_is_an_error(self, platform: Platform) -> None:
        """An id that the platform has not given is somebody's mistake."""
        with pytest.raises(PlatformError):
            platform.attach("exp1-trial1-never").status()

    def test_plan_is_pure(
        self, platform: Platform, specify: Callable[[str], JobSpec], tmp_path: Path
    ) -> None:
        """Planning twice gives the same, and leaves no trace."""
        spec = specify(self.printing)
        before = sorted(tmp_path.rglob("*"))

        assert platform.plan(spec) == platform.plan(spec)
        assert sorted(tmp_path.rglob("*")) == before

    def test_plan_shows_name_and_command(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """The plan is what `--dry-run` prints and the ledger keeps."""
        spec = specify(self.printing)
        plan = platform.plan(spec)

        assert isinstance(plan, Plan)
        assert plan.name == spec.name
        assert spec.command in plan.text

    def test_what_is_refused_leaves_nothing_to_find(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """A refusal is a PlatformError, and no job of that name appears."""
        spec = self.refused(specify(self.printing))

        with pytest.raises(PlatformError):
            platform.submit(platform.plan(spec))

        assert platform.find(spec.name) is None

    def test_name_is_given_once(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """A second job of the same name is refused, so that none can run twice."""
        plan = platform.plan(specify(self.printing))
        first = await_final(platform.submit(plan))

        with pytest.raises(PlatformError):
            platform.submit(plan)

        found = platform.find(plan.name)
        assert found is not None
        assert found.status() == first

    def test_a_job_whose_submitter_died_is_found_adopted_and_cancelled(
        self, platform: Platform, specify: Callable[[str], JobSpec]
    ) -> None:
        """Nobody wrote down its id: whoever knows the intent can watch it and end it."""
        spec = specify(self.lasting)
        self._elsewhere(platform, f"{_submitting(spec)}; import os; os._exit(0)")

        found = platform.find(spec.name)

        assert found is not None
        await_true(lambda: self.started in found.log_tail(), f"the first line of job {found.id}")
        assert found.status().state is JobState.RUNNING
        found.cancel()
        assert await_final(found).state is JobState.CANCELLED
        again = platform.find(spec.name)
        assert again is not None
        assert again.status().state is JobState.CANCELLED

    @pytest.mark.parametrize("seconds", [0.0, 0.003, 0.01, 0.03, 0.1])
    def test_a_submitter_that_is_killed_leaves_a_job_that_can_be_found_or_none(
        self, platform: Platform, specify: Callable[[str], JobSpec], seconds: float
    ) -> None:
        """Wherever the kill hits; where absence is no proof, it may take a moment to be found."""
        spec = specify(self.lasting)
        script = f"{self.reopening(platform)}\nprint('go', flush=True); {_submitting(spec)}"
        submitter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert submitter.stdout is not None
        with submitter, submitter.stdout as said:
            assert said.readline() == b"go\n"
            time.sleep(seconds)
            submitter.kill()

        found = platform.find(spec.name)
        other = platform.submit(platform.plan(specify(self.printing)))  # so that time passes
        await_final(other)
        later = platform.find(spec.name)

        assert found is None or later is not None
        if platform.absence_is_proof:
            assert (found is None) == (later is None)
        if later is not None:
            later.cancel()
            assert await_final(later).state is JobState.CANCELLED

    def _started(self, submit: Submit, command: str = "") -> Job:
        job = submit(command or self.lasting)
        await_true(lambda: self.started in job.log_tail(), f"the first line of job {job.id}")
        return job

    def _elsewhere(self, platform: Platform, statements: str) -> str:
        script = f"{self.reopening(platform)}\n{statements}"
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _submitting(spec: JobSpec) -> str:
    """Statements that submit a spec to `platform`, for another process."""
    return (
        "from pathlib import *; from hpo_nni.platforms.base import JobSpec; "
        f"platform.submit(platform.plan({spec!r}))"
    )
