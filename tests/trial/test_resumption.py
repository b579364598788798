"""Trials that go on where an earlier run failed: real processes, outside NNI and under it."""

from __future__ import annotations

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import RETRY, TrialRecord, TrialState
from hpo_nni.testing.nni import EXPERIMENT, FileNni
from hpo_nni.trial.resumption import find_origin, settle
from hpo_nni.trial.steps import Step

INI = """\
[platform_config]
name=local
resume={resume}
cmd1=echo ${{lr}} >> begun; echo '{{"step": 1, "auc": 0.25}}' > "${{NNI_OUTPUT_DIR}}/a.jsonl"
cmd2={second}
[metric_config]
metric_type=json
metric_source_a=${{NNI_OUTPUT_DIR}}/a.jsonl
metric_source_b=${{NNI_OUTPUT_DIR}}/b.jsonl
metric_dict={{'auc': 1}}
poll_interval=0.02
[failure_config]
retries=0
"""
SECOND = """test -e mended && echo '{"step": 1, "auc": 0.75}' > "${NNI_OUTPUT_DIR}/b.jsonl\""""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "point.json").write_text('{"lr": 0.5}')
    write(tmp_path)
    return tmp_path


def write(folder, second=SECOND, resume=1):
    (folder / "trial.ini").write_text(INI.format(second=second, resume=resume))


def begun(folder):
    """How often the first step ran."""
    return len((folder / "begun").read_text().splitlines())


RUN = ("--config=trial.ini", "--params=point.json")


def local_trials(folder):
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        return ledger.trials("local")


def test_outside_nni_the_same_command_goes_on_at_the_step_that_failed(folder, run_trial):
    assert run_trial(*RUN).returncode == 1
    (folder / "mended").touch()

    done = run_trial(*RUN)

    assert done.returncode == 0, done.stderr
    first, second = local_trials(folder)
    assert begun(folder) == 1
    assert f"goes on with {first.id}; done already: cmd1" in done.stderr
    assert (second.continues, second.directory) == (first.id, first.directory)
    assert second.score == 0.75
    with Ledger.open(folder / "hpo_nni_trials") as ledger:
        assert [job.step for job in ledger.jobs(second.id)] == ["cmd2"]
        kept = {one.source for one in ledger.evaluations(second.id)}
    assert {"metric_source_a", "metric_source_b"} <= kept


def test_a_third_run_goes_on_with_the_first_one(folder, run_trial):
    for _ in range(2):
        assert run_trial(*RUN).returncode == 1
    (folder / "mended").touch()

    assert run_trial(*RUN).returncode == 0

    first, second, third = local_trials(folder)
    assert begun(folder) == 1
    assert second.continues == third.continues == first.id


ANEW = {
    "without resume": lambda folder: write(folder, resume=0),
    "with other parameters": lambda folder: (folder / "point.json").write_text('{"lr": 0.25}'),
    "after the last one succeeded": lambda folder: None,
}


@pytest.mark.parametrize("change", ANEW.values(), ids=ANEW)
def test_a_run_begins_anew(folder, run_trial, change):
    (folder / "mended").touch()
    assert run_trial(*RUN).returncode == 0
    change(folder)

    assert run_trial(*RUN).returncode == 0

    assert begun(folder) == 2
    assert local_trials(folder)[1].continues == ""


def test_a_step_that_was_mended_runs_and_those_before_it_do_not(folder, run_trial):
    assert run_trial(*RUN).returncode == 1
    write(folder, SECOND.replace("test -e mended && ", ""))

    assert run_trial(*RUN).returncode == 0

    assert begun(folder) == 1


def test_a_trial_that_nni_resumes_goes_on_under_its_own_id(folder, run_trial):
    nni = FileNni(folder / "expdir", "TrA1", {"lr": 0.5})
    assert run_trial("--config=trial.ini", **nni.environment).returncode == 1
    (folder / "mended").touch()

    done = run_trial("--config=trial.ini", **nni.environment)

    assert done.returncode == 0, done.stderr
    assert begun(folder) == 1
    with Ledger.open(folder / "expdir") as ledger:
        (trial,) = ledger.trials(EXPERIMENT)
        assert (trial.state, trial.score, trial.continues) == (TrialState.SUCCEEDED, 0.75, "")
        assert [job.step for job in ledger.jobs("TrA1")] == ["cmd1", "cmd2", "cmd2"]
    # NNI keeps what it was told before, so it is not told again
    told = [(one["type"], one["sequence"]) for one in nni.metrics]
    assert told == [("PERIODICAL", 0), ("PERIODICAL", 1), ("FINAL", 0)]


def test_a_trial_that_is_run_again_takes_over_the_names_of_the_failed_one(folder, run_trial):
    old = FileNni(folder / "expdir", "TrA1", {"lr": 0.5})
    assert run_trial("--config=trial.ini", **old.environment).returncode == 1
    (folder / "mended").touch()
    new = FileNni(folder / "expdir", "TrB2", {"lr": 0.5, RETRY: "TrA1"})

    done = run_trial("--config=trial.ini", **new.environment)

    assert done.returncode == 0, done.stderr
    assert begun(folder) == 1
    assert [final["default"] for final in new.finals()] == [0.75]
    assert (old.directory / "b.jsonl").exists()
    with Ledger.open(folder / "expdir") as ledger:
        trial = ledger.trial("TrB2")
        assert (trial.retry_of, trial.continues) == ("TrA1", "TrA1")


def test_without_resume_a_trial_that_nni_resumes_begins_anew(folder, run_trial):
    """What it measured before is kept, but no rule judges the new run by it."""
    write(folder, resume=0)
    nni = FileNni(folder / "expdir", "TrA1", {"lr": 0.5})
    assert run_trial("--config=trial.ini", **nni.environment).returncode == 1
    (folder / "mended").touch()

    assert run_trial("--config=trial.ini", **nni.environment).returncode == 0

    assert begun(folder) == 2
    with Ledger.open(folder / "expdir") as ledger:
        sources = [one.source for one in ledger.evaluations("TrA1")]
    assert sources == ["earlier:metric_source_a", "earlier:", "metric_source_a", "", *B]


B = ["metric_source_b", ""]


def trial(name, state, **more):
    more = {"parameters": {"lr": 0.5}} | more
    return TrialRecord(name, "e", 0, float(name[1:]), state=state, **more)


FAILED, RUNNING, SUCCEEDED = TrialState.FAILED, TrialState.RUNNING, TrialState.SUCCEEDED
ORIGINS = {
    "none": ([], None),
    "the failed one": ([trial("t1", FAILED)], "t1"),
    "the first of a row": ([trial("t1", FAILED), trial("t2", FAILED, continues="t1")], "t1"),
    "the last that stands alone": ([trial("t1", FAILED), trial("t2", FAILED)], "t2"),
    "one that was cancelled": ([trial("t1", TrialState.CANCELLED)], "t1"),
    "none that was stopped": ([trial("t1", TrialState.STOPPED)], None),
    "none that has done its work": ([trial("t1", FAILED), trial("t2", SUCCEEDED)], None),
    "none that another one goes on with": ([trial("t1", FAILED), trial("t2", RUNNING)], None),
    "none with other parameters": ([trial("t1", FAILED, parameters={"lr": 1})], None),
    "marks aside": ([trial("t1", FAILED, parameters={"lr": 0.5, RETRY: "t0"})], "t1"),
}


@pytest.mark.parametrize("others, origin", ORIGINS.values(), ids=ORIGINS)
def test_the_origin_is(others, origin):
    me = trial("t9", RUNNING)

    found = find_origin(me, [*others, me])

    assert (found.id if found else None) == origin


STEPS = [Step(f"cmd{number}", "true", number, f"print{number}") for number in (1, 2, 3)]
SETTLED = {
    "nothing before": ({}, 0),
    "the first": ({"cmd1": ("succeeded", "print1")}, 1),
    "one that failed": ({"cmd1": ("failed", "print1")}, 0),
    "one that was changed": ({"cmd1": ("succeeded", "other")}, 0),
    "nothing behind a gap": ({"cmd2": ("succeeded", "print2")}, 0),
    "all": ({f"cmd{n}": ("succeeded", f"print{n}") for n in (1, 2, 3)}, 3),
}


@pytest.mark.parametrize("before, count", SETTLED.values(), ids=SETTLED)
def test_settled_steps_are(before, count, tmp_path):
    with Ledger.open(tmp_path) as ledger:
        jobs = [_job(ledger, step, *facts) for step, facts in before.items()]

    marked = settle(STEPS, jobs)

    assert [step.is_settled for step in marked] == [True] * count + [False] * (3 - count)


def test_days_that_are_left_out_are_no_gap(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        jobs = [_job(ledger, f"cmd{n}", "succeeded", f"print{n}") for n in (1, 3)]

    assert [step.is_settled for step in settle(STEPS, jobs, ["cmd2"])] == [True] * 3


def _job(ledger, step, state, fingerprint):
    from hpo_nni.ledger.process_identity import ProcessIdentity
    from hpo_nni.ledger.records import JobRecord

    me = ProcessIdentity.current()
    return JobRecord(
        name=f"e-t-{step}",
        trial_id="t",
        step=step,
        platform="local",
        plan="",
        intended=1.0,
        host=me.host,
        boot_id=me.boot_id,
        pid=me.pid,
        pid_started=me.started,
        state=state,
        fingerprint=fingerprint,
    )
