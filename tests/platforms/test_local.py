from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from hpo_nni.errors import PlatformError
from hpo_nni.platforms import supervisor
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.testing.platforms import PlatformContract, await_final, await_true

# Five processes that ignore TERM: the command, its child, its grandchild, one in another session,
# and one in another session whose parent has gone.
STUBBORN = """
exec 3</dev/fd/1
trap '' TERM INT HUP
bash -c 'echo $$; sleep 300 & echo $!; wait' &
setsid sleep 300 & echo $!
(setsid bash -c 'sleep 300 & echo $!; wait' &)
echo $$
while [ $(wc -l </proc/self/fd/3) -lt 5 ]; do sleep 0.02; done
echo started
while true; do sleep 300; done
"""


class TestLocalPlatform(PlatformContract):
    failure = "exit code 3"
    stubborn = STUBBORN

    @pytest.fixture
    def platform(self, work):
        return LocalPlatform(work, grace=0.3)

    def reopening(self, platform):
        return (
            "from pathlib import Path\n"
            "from hpo_nni.platforms.local import LocalPlatform\n"
            f"platform = LocalPlatform(Path({str(platform._records.parent)!r}), grace=0.3)"
        )

    def leftovers(self, job):
        numbers = [int(word) for word in job.log_tail().split() if word.isdigit()]
        return [number for number in numbers if supervisor.read_stat(number)]

    def refused(self, spec):
        return replace(spec, directory=spec.directory / "missing")


def read(path):
    return path.read_text(encoding="utf-8")


def test_command_runs_in_its_directory_with_its_environment(run, work, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("FROM_OUTSIDE", "a")

    job = run(
        'pwd; echo "$FROM_OUTSIDE $ADDED $CUDA_VISIBLE_DEVICES"; read -r line || echo no input',
        environment={"ADDED": "b c", "FROM_OUTSIDE": "over"},
    )

    await_final(job)
    assert read(work / "日志 logs" / "cmd1.stdout").splitlines() == [
        str(work),
        "over b c 2,3",
        "no input",
    ]


def test_command_of_several_lines_is_one_bash_script(run):
    job = run("words=(one two)\nfor word in ${words[@]}; do\n  echo $word\ndone\nexit ${#words[@]}")

    assert await_final(job).message == "exit code 2"
    assert job.log_tail() == "one\ntwo"


def test_outputs_go_to_two_files(run, work):
    await_final(run("echo out; echo err >&2"))

    assert read(work / "日志 logs" / "cmd1.stdout") == "out\n"
    assert read(work / "日志 logs" / "cmd1.stderr") == "err\n"


def test_log_of_an_earlier_job_is_overwritten(run, local, work):
    await_final(run("echo first; echo first >&2"))
    spec = JobSpec("another", "echo second", work, work / "日志 logs", step="cmd1")

    job = local.submit(local.plan(spec))

    await_final(job)
    assert job.log_tail() == "second"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 1", "exit code 1"),
        ("kill -KILL $$", "killed by SIGKILL"),
        ("bash -c 'kill -SEGV $$'; exit $?", "exit code 139 (SIGSEGV)"),
        ("no-such-command-here", "exit code 127"),
        ("kill -TERM $$", "killed by SIGTERM"),
        ("kill 0; sleep 300", "killed by SIGTERM"),
    ],
)
def test_failure_says_how_it_ended(run, command, message):
    status = await_final(run(command))

    assert (status.state, status.message) == (JobState.FAILED, message)


def test_script_that_kills_its_own_group_at_its_end_succeeds(run):
    job = run("trap 'trap \"\" TERM; kill 0' EXIT; sleep 300 & true")

    assert await_final(job).state is JobState.SUCCEEDED


def test_plan_is_what_a_person_would_type(local, work):
    spec = JobSpec("n", "python t.py \\\n  --lr 0.1", work, work / "logs", environment={"A": "x y"})

    assert local.plan(spec).text == (f"cd '{work}'\nexport A='x y'\npython t.py \\\n  --lr 0.1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"directory": "missing"}, "missing is not a directory"),
        ({"name": "a/b"}, "cannot be named"),
        ({"name": ""}, "cannot be named"),
        ({"name": "实" * 70}, "cannot be named"),
        ({"command": "echo \0"}, "null byte"),
        ({"command": "#" * 200_000}, "Argument list too long"),
        ({"log_directory": "file/below"}, "Not a directory"),
    ],
)
def test_refusals_say_what_is_wrong(local, work, change, message):
    (work / "file").write_text("")
    paths = {
        key: work / value if key in {"directory", "log_directory"} else value
        for key, value in change.items()
    }
    spec = replace(JobSpec("fine", "true", work, work / "logs"), **paths)

    with pytest.raises(PlatformError, match=message):
        local.submit(local.plan(spec))
    assert local.find(spec.name) is None


def test_missing_shell_is_named(local, work, monkeypatch):
    monkeypatch.setattr(supervisor, "SHELL", "/no/bash")

    with pytest.raises(PlatformError, match="there is no /no/bash"):
        local.submit(local.plan(JobSpec("n", "true", work, work)))


def test_of_many_submissions_under_one_name_one_runs(local, work):
    plan = local.plan(JobSpec("n", "echo ran >>count; echo out", work, work / "logs", step="cmd1"))
    jobs, refusals = [], []

    def submit():
        try:
            jobs.append(local.submit(plan))
        except PlatformError as error:
            refusals.append(error.message)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(jobs) == 1
    assert await_final(jobs[0]).state is JobState.SUCCEEDED
    assert refusals == ["there has been a job n already"] * 7
    assert read(work / "count") == "ran\n"
    assert jobs[0].log_tail() == "out"


SUBMITTER = """
import os, signal, sys
from pathlib import Path
from hpo_nni.platforms import local, local_job
from hpo_nni.platforms.base import JobSpec

work = Path(sys.argv[1])
platform = local.LocalPlatform(work)
owner, name = {place}
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
platform.submit(platform.plan(JobSpec("n", "echo ran >>count; sleep 300", work, work)))
die()
"""


@pytest.mark.parametrize(
    ("place", "patch", "runs"),
    [
        ("local_job.LocalRecord, 'claim'", "setattr(owner, name, die)", False),
        (
            "local_job.LocalRecord, 'claim'",
            "claim = getattr(owner, name); setattr(owner, name, lambda *a: (claim(*a), die()))",
            False,
        ),
        ("None, None", "", True),
    ],
    ids=["before the record", "after the record", "after submission"],
)
def test_submitter_that_is_killed_leaves_a_job_that_is_found_or_none_at_all(
    local, work, place, patch, runs
):
    script = SUBMITTER.format(place=place, patch=patch)
    done = subprocess.run([sys.executable, "-c", script, str(work)], check=False)
    assert done.returncode == -signal.SIGKILL

    job = local.find("n")
    if runs:
        assert job.status().state is JobState.RUNNING
        await_true((work / "count").exists, "the job's first act")
        job.cancel()
    elif job is not None:
        status = await_final(job)
        assert status.state is JobState.CANCELLED
        assert "before it started" in status.message
    assert (work / "count").exists() == runs


def test_job_of_another_host_is_not_judged(local, work, run):
    job = run("true")
    await_final(job)
    record = next((work / "hpo_nni_jobs").glob("*.json"))
    record.write_text(read(record).replace(os.uname().nodename, "elsewhere"), encoding="utf-8")

    for question in ("status", "cancel"):
        with pytest.raises(PlatformError, match="runs on elsewhere"):
            getattr(local.attach(job.id), question)()
