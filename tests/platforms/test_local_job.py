from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpo_nni.platforms import supervisor
from hpo_nni.platforms.base import JobState
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.testing.platforms import await_final, await_true
from hpo_nni.testing.processes import eventually

# Four processes that ignore TERM: the command, a child, one in another session, and one in another
# session whose parent has gone.
STUBBORN = """
trap '' TERM INT HUP
sleep 300 & echo $!
setsid sleep 300 & echo $!
(setsid bash -c 'sleep 300 & echo $!; wait' &)
echo $$
while true; do sleep 300; done
"""


def pids(job, count):
    def all_there():
        return len(job.log_tail(100).split()) == count

    await_true(all_there, "the numbers of the job's processes")
    return [int(word) for word in job.log_tail(100).split()]


def assert_gone(numbers):
    await_true(
        lambda: not any(supervisor.read_stat(number) for number in numbers),
        f"the end of {numbers}",
    )


def test_processes_that_ignore_term_are_killed_wherever_they_went(run):
    job = run(STUBBORN)
    numbers = pids(job, 4)

    job.cancel()

    assert not any(supervisor.read_stat(number) for number in numbers)
    assert job.status().state is JobState.CANCELLED


def test_command_may_clean_up_within_the_grace_period(run, work):
    job = run("trap 'echo saved >checkpoint; exit 0' TERM; echo up; sleep 300 & wait")
    await_true(lambda: "up" in job.log_tail(), "the trap")

    job.cancel()

    assert (work / "checkpoint").read_text() == "saved\n"
    assert job.status().state is JobState.CANCELLED


def test_stopped_job_can_be_cancelled(run):
    job = run("echo $$; sleep 300 & echo $!; wait")
    numbers = pids(job, 2)
    for number in (job._record.pid, *numbers):
        os.kill(number, signal.SIGSTOP)

    job.cancel()

    assert_gone(numbers)
    assert job.status().state is JobState.CANCELLED


def test_two_processes_cancel_at_once(run, work):
    job = run(STUBBORN)
    numbers = pids(job, 4)
    script = (
        "import sys; from pathlib import Path; from hpo_nni.platforms.local import LocalPlatform\n"
        f"LocalPlatform(Path(sys.argv[1])).attach({job.id!r}).cancel()"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(work)]) for _ in range(2)]

    job.cancel()

    assert [other.wait() for other in others] == [0, 0]
    assert_gone(numbers)
    assert job.status().state is JobState.CANCELLED


def test_supervisor_goes_on_when_the_one_who_cancels_is_killed(run, work):
    job = run(STUBBORN)
    numbers = pids(job, 4)
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hpo_nni.platforms.local import LocalPlatform\n"
        "def die(seconds): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"LocalPlatform(Path(sys.argv[1]), sleep=die).attach({job.id!r}).cancel()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(work)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert await_final(job).state is JobState.CANCELLED
    assert_gone(numbers)


def test_caller_does_the_work_of_a_supervisor_that_was_killed(run):
    job = run(STUBBORN)
    numbers = pids(job, 4)
    os.kill(job._record.pid, signal.SIGKILL)
    await_true(lambda: "supervisor is gone" in job.status().message, "the supervisor's end")
    assert job.status().state is JobState.RUNNING

    job.cancel()

    assert not any(supervisor.read_stat(number) for number in numbers)
    assert job.status().state is JobState.CANCELLED


def test_job_whose_supervisor_was_killed_is_lost_once_it_has_ended(run):
    job = run("echo $$; sleep 300")
    (number,) = pids(job, 1)
    os.kill(job._record.pid, signal.SIGKILL)
    os.kill(-number, signal.SIGKILL)

    assert await_final(job).state is JobState.LOST


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_supervisor_cancels_the_job(run, number):
    """What NNI 2.10.1 does: a TERM for each process of the trial's tree."""
    job = run(STUBBORN)
    numbers = pids(job, 4)

    os.kill(job._record.pid, number)

    status = await_final(job)
    assert status.state is JobState.CANCELLED
    assert f"cancelled by {number.name} from process {os.getpid()}" in status.message
    assert_gone(numbers)


def test_signal_that_reaches_the_command_first_still_counts_as_cancelled(run):
    job = run("echo $$; exec sleep 300")
    (command,) = pids(job, 1)

    os.kill(command, signal.SIGTERM)
    os.kill(job._record.pid, signal.SIGTERM)

    assert await_final(job).state is JobState.CANCELLED


def test_what_a_command_leaves_behind_is_ended_with_it(run):
    job = run("sleep 300 & echo $!; setsid sleep 300 & echo $!; trap '' TERM; sleep 300 & echo $!")
    numbers = pids(job, 3)

    assert await_final(job).state is JobState.SUCCEEDED
    assert not any(supervisor.read_stat(number) for number in numbers)


def test_output_that_is_still_in_a_pipe_is_not_lost(run):
    job = run("echo late > >(read -r line; read -r -t 0.2 <> <(:); echo $line)")

    await_final(job)
    assert job.log_tail() == "late"


def test_first_outcome_stays(run, local):
    job = run("exit 4")
    ended = await_final(job)
    supervisor.settle(str(job._outcome), "cancelled by hand")

    job.cancel()

    assert job.status() == local.attach(job.id).status() == ended


def test_job_of_an_earlier_boot_has_ended(run, work, local):
    job = run("sleep 300")
    record = work / "hpo_nni_jobs" / f"{job.id}.json"
    kept = record.read_text()
    record.write_text(kept.replace(job._record.boot_id, "an earlier boot"))

    earlier = local.attach(job.id)
    earlier.cancel()

    assert earlier.status().state is JobState.LOST
    assert job.status().state is JobState.RUNNING, "a process of today was left alone"
    record.write_text(kept)


def test_later_process_with_the_supervisors_number_is_left_alone(run, work, local):
    job = run("sleep 300")
    record = work / "hpo_nni_jobs" / f"{job.id}.json"
    kept = record.read_text()
    changed = kept.replace(str(job._record.started), "1").replace(job._record.token, "f" * 16)
    record.write_text(changed)

    local.attach(job.id).cancel()

    assert job.status().state is JobState.RUNNING
    record.write_text(kept)


def test_cancelling_a_job_that_obeys_takes_no_grace_period(work, run):
    job = LocalPlatform(work, grace=60).attach(run("exec sleep 300").id)
    begun = time.monotonic()

    job.cancel()

    assert time.monotonic() - begun < 20
    assert job.status().state is JobState.CANCELLED


def test_log_tail_shows_errors_last_and_no_more_than_asked(run):
    job = run("seq 5 >&2; seq 10")
    await_final(job)

    assert job.log_tail(7).split() == ["9", "10", "1", "2", "3", "4", "5"]
    assert job.log_tail(2).split() == ["4", "5"]
    assert job.log_tail(0) == ""


def test_supervisor_that_does_not_listen_is_killed_with_its_job(run, work, local):
    job = run("sleep 300")
    record = work / "hpo_nni_jobs" / f"{job.id}.json"
    kept = record.read_text()
    deaf = subprocess.Popen(
        ["/bin/bash", "-c", "trap '' TERM; echo up; sleep 300 & wait"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    deaf.stdout.readline()
    started = supervisor.read_stat(deaf.pid).started
    facts = json.loads(kept) | {"pid": deaf.pid, "started": started, "token": "f" * 16}
    record.write_text(json.dumps(facts))

    local.attach(job.id).cancel()

    assert deaf.wait() == -signal.SIGKILL
    assert deaf.stdout.read() == b""  # its child held the pipe, too
    deaf.stdout.close()
    assert local.attach(job.id).status().state is JobState.CANCELLED
    assert job.status().state is JobState.RUNNING
    record.write_text(kept)


MEMORY = Path("/sys/fs/cgroup/memory")
HUNGRY = """
import os, sys, time
from pathlib import Path
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.local import LocalPlatform
group, folder = Path(sys.argv[1]), Path(sys.argv[2])
(group / "cgroup.procs").write_text(str(os.getpid()))
platform = LocalPlatform(folder)
command = sys.executable + ' -c "x = bytes(1) * 10**9"'
job = platform.submit(platform.plan(JobSpec("hungry", command, folder, folder)))
while not job.status().state.is_final:
    time.sleep(0.05)
print(job.status().message)
"""


def test_a_kill_by_the_kernel_for_memory_is_told_from_any_other(tmp_path):
    """In a control group of 200 MB; where none can be made, there is nothing to see."""
    group = MEMORY / f"hpo_nni_{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(200 * 10**6))
    except OSError as error:
        pytest.skip(f"no control group of one's own: {error}")
    try:
        done = subprocess.run(
            [sys.executable, "-c", HUNGRY, group, tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()

    assert done.stdout == "killed by SIGKILL: the machine or its container ran out of memory\n"
