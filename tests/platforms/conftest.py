from __future__ import annotations

import pytest

from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.testing.platforms import await_final


@pytest.fixture
def work(tmp_path):
    """A working directory such as users have: with a space and Chinese characters."""
    directory = tmp_path / "my 实验"
    directory.mkdir()
    return directory


@pytest.fixture
def local(work):
    return LocalPlatform(work, grace=0.3)


@pytest.fixture
def run(local, work):
    """Start a command on `local`; what still runs after the test is ended."""
    jobs = []

    def run(command, **more):
        name = f"exp-trial-cmd{len(jobs) + 1}"
        spec = JobSpec(name, command, work, work / "日志 logs", step=f"cmd{len(jobs) + 1}", **more)
        jobs.append(local.submit(local.plan(spec)))
        return jobs[-1]

    yield run
    for job in jobs:
        job.cancel()
        await_final(job)
