from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.platforms.base import JobSpec, JobState


@pytest.mark.parametrize("state", JobState)
def test_only_waiting_and_running_jobs_can_go_on(state):
    assert state.is_final == (state.value not in {"waiting", "running"})


@pytest.mark.parametrize(("step", "stem"), [("cmd1", "cmd1"), ("", "exp-trial-cmd1")])
def test_logs_are_named_for_the_step(step, stem):
    spec = JobSpec("exp-trial-cmd1", "true", Path("/work"), Path("/logs"), step=step)

    assert spec.stdout == Path(f"/logs/{stem}.stdout")
    assert spec.stderr == Path(f"/logs/{stem}.stderr")
