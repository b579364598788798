from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from hpo_nni.errors import NniError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import DecisionRecord, ExperimentRecord, TrialRecord, TrialState
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.place import Place
from hpo_nni.trial.platforms import open_platform
from hpo_nni.trial.runner import TrialRunner
from hpo_nni.trial.settings import Substitutions, load_settings
from hpo_nni.trial.shutdown import Shutdown

INI = """\
[platform_config]
name=local
grace_seconds=0.2
{steps}
[metric_config]
metric_type=json
metric_source=${{NNI_OUTPUT_DIR}}/m.jsonl
metric_dict={{'auc': 1}}
poll_interval=0.02
report_interval=0
[failure_config]
retries=2
retry_seconds={pause}
"""
WRITE = """echo '{"step": 1, "auc": 0.5}' >> "${NNI_OUTPUT_DIR}/m.jsonl\""""


class ListChannel:
    """Keeps what is reported, and what the ledger knew then."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.reports = []
        self.failure = None
        self.on_report = lambda: None

    def report(self, kind, sequence, value):
        if self.failure is not None:
            raise self.failure
        self.on_report()
        self.reports.append((kind, sequence, value["default"], self.ledger.trial("t").state))


class Rig:
    def __init__(self, folder, steps, pause):
        self.folder = folder
        (folder / "trial.ini").write_text(INI.format(steps="\n".join(steps), pause=pause))
        self.place = Place("e", "t", 0, folder / "expdir", folder / "out", None)
        words = Substitutions("e", "t", folder / "out", {})
        self.settings = load_settings(folder / "trial.ini", words)
        self.ledger = Ledger.open(self.place.working_directory)
        self.ledger.begin_experiment(ExperimentRecord("e", 1.0, "maximize"))
        self.ledger.begin_trial(TrialRecord("t", "e", 0, 1.0))
        self.channel = ListChannel(self.ledger)
        self.shutdown = Shutdown(watch_parent=False)

    def run(self):
        runner = TrialRunner(self.place, self.settings, self.ledger, self.channel, self.shutdown)
        outcome = runner.run()
        entry = self.ledger.trial("t")
        assert (outcome.state, outcome.reason, outcome.score) == (
            entry.state,
            entry.reason,
            entry.score,
        )
        assert not self.ledger.live_jobs()
        return outcome

    def jobs(self):
        return [(job.step, job.state) for job in self.ledger.jobs("t")]


@pytest.fixture
def rig(tmp_path):
    made = []

    def rig(*steps, pause=0):
        made.append(Rig(tmp_path, steps, pause))
        return made[-1]

    yield rig
    for one in made:
        one.ledger.close()


def test_steps_run_in_their_order_and_end_in_a_score(rig):
    rig = rig("cmd1=echo one > one.txt", f"cmd2=cat one.txt && {WRITE}")

    outcome = rig.run()

    assert (outcome.state, outcome.score) == (TrialState.SUCCEEDED, 0.5)
    assert rig.jobs() == [("cmd1", "succeeded"), ("cmd2", "succeeded")]
    assert (rig.place.output_directory / "cmd2.stdout").read_text() == "one\n"
    assert rig.channel.reports == [
        ("PERIODICAL", 0, 0.5, TrialState.RUNNING),
        ("FINAL", 0, 0.5, TrialState.SUCCEEDED),  # the ledger heard of it first
    ]


def test_a_step_that_fails_is_the_last(rig):
    rig = rig("cmd1=echo no disk >&2; exit 3", f"cmd2={WRITE}")

    outcome = rig.run()

    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith("cmd1 failed: exit code 3\n  | no disk\n  hint: ")
    assert rig.jobs() == [("cmd1", "failed")]
    assert rig.channel.reports == []
    assert rig.ledger.jobs("t")[0].log_tail == "no disk"


def test_a_trial_that_was_told_to_end_starts_nothing(rig):
    rig = rig(f"cmd1={WRITE}")
    rig.shutdown._note(15, None)

    outcome = rig.run()

    assert outcome.state is TrialState.CANCELLED
    assert "signal SIGTERM" in outcome.reason
    assert rig.jobs() == []


def test_a_trial_that_somebody_has_closed_starts_nothing(rig):
    rig = rig(f"cmd1={WRITE}")
    rig.ledger.end_trial("t", TrialState.CANCELLED, "the experiment was stopped")

    outcome = rig.run()

    assert (outcome.state, outcome.reason) == (TrialState.CANCELLED, "the experiment was stopped")
    assert rig.jobs() == []
    assert rig.channel.reports == []


def test_a_trial_that_was_told_to_end_starts_no_further_job(rig):
    rig = rig(f"cmd1={WRITE}")
    verdict = DecisionRecord("t", "assessor", "stop", "below the median", time.time())
    rig.ledger.add_decision(verdict)

    outcome = rig.run()

    assert (outcome.state, outcome.reason) == (TrialState.STOPPED, "below the median")
    assert rig.jobs() == []
    assert rig.channel.reports == []


def test_a_verdict_that_came_before_the_end_stands(rig):
    rig = rig(f"cmd1={WRITE}")
    verdict = DecisionRecord("t", "assessor", "stop", "below the median", time.time())
    rig.channel.on_report = lambda: rig.ledger.add_decision(verdict)

    outcome = rig.run()

    assert (outcome.state, outcome.reason) == (TrialState.STOPPED, "below the median")
    assert [kind for kind, *_ in rig.channel.reports] == ["PERIODICAL"]


def test_a_trial_of_a_halted_experiment_ends_before_its_first_job(rig):
    rig = rig(f"cmd1={WRITE}")
    rig.ledger.halt_experiment("e", "somebody wanted it")

    outcome = rig.run()

    assert (outcome.state, outcome.reason) == (TrialState.CANCELLED, "somebody wanted it")
    assert rig.jobs() == []


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (NniError("NNI's manager does not answer"), "NNI's manager does not answer"),
        (KeyError("a fault of ours"), "cmd1 was cancelled: KeyError('a fault of ours')"),
    ],
)
def test_a_fault_while_the_job_runs_cancels_it(rig, failure, reason):
    rig = rig(f"cmd1={WRITE}; sleep 300")
    rig.channel.failure = failure

    outcome = rig.run()

    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith(reason)
    assert rig.jobs() == [("cmd1", "cancelled")]


def test_a_job_that_the_platform_refuses_fails_the_trial(rig):
    rig = rig("cmd1=true")
    (rig.place.working_directory / "hpo_nni_jobs").write_text("not a folder")

    outcome = rig.run()

    assert outcome.state is TrialState.FAILED
    assert "cannot be started" in outcome.reason
    assert rig.jobs() == [("cmd1", "failed")]


def test_a_second_run_of_a_trial_gives_its_jobs_new_names(rig):
    rig = rig(f"cmd1={WRITE}")
    rig.run()
    rig.ledger.begin_trial(TrialRecord("t", "e", 0, 2.0))

    rig.run()

    assert [job.name for job in rig.ledger.jobs("t")] == ["e-t-1-cmd1", "e-t-2-cmd1"]


def test_the_grace_period_of_the_ini_is_the_platforms(rig):
    one = rig("cmd1=true")

    assert open_platform(one.settings, one.place.working_directory)._grace == 0.2


COSTS = "[cost_config]\ncurrency=CNY\njob_hour=3600\nbudget={budget}\n"


def priced(rig, budget):
    """The same rig, whose jobs cost one CNY a second."""
    ini = rig.folder / "trial.ini"
    ini.write_text(ini.read_text(encoding="utf-8") + COSTS.format(budget=budget), encoding="utf-8")
    rig.settings = load_settings(ini, Substitutions("e", "t", rig.folder / "out", {}))
    return rig


def test_a_job_costs_what_it_runs_for(rig):
    trial = priced(rig(f"cmd1={WRITE}"), 1000)
    assert trial.run().state is TrialState.SUCCEEDED
    (job,) = trial.ledger.jobs("t")

    assert job.rate == 3600.0
    assert job.running_since is None
    assert 0 < job.ran <= job.ended - job.intended
    assert trial.ledger.experiment("e").settings["cost"]["budget"] == 1000.0


def test_a_trial_that_the_budget_has_no_room_for_submits_nothing(rig):
    trial = priced(rig(f"cmd1={WRITE}"), 0)
    outcome = trial.run()

    assert outcome.state is TrialState.CANCELLED
    assert "the budget of 0.00 CNY has no room" in outcome.reason
    assert trial.jobs() == []


def test_a_failure_that_may_pass_is_tried_again_from_the_step_that_failed(rig):
    lucky = "test -e second || { touch second; echo Connection reset by peer >&2; exit 1; }"
    rig = rig("cmd1=echo once >> count", f"cmd2={lucky}; {WRITE}")

    outcome = rig.run()

    assert outcome.state is TrialState.SUCCEEDED
    assert rig.jobs() == [("cmd1", "succeeded"), ("cmd2", "failed"), ("cmd2", "succeeded")]
    names = [job.name for job in rig.ledger.jobs("t")]
    assert names == ["e-t-1-cmd1", "e-t-2-cmd2", "e-t-3-cmd2"]
    failed = rig.ledger.jobs("t")[1]
    assert failed.failure == "transient"
    assert failed.evidence == "the network failed: its log says 'Connection reset by peer'"
    assert failed.log_tail == "Connection reset by peer"
    assert (rig.place.output_directory / "cmd2.stderr.1").read_text() == failed.log_tail + "\n"
    assert (rig.folder / "count").read_text() == "once\n"
    trial = rig.ledger.trial("t")
    assert (trial.failure, trial.evidence, trial.reason) == ("", "", "")


def test_a_job_that_is_lost_is_tried_again(rig):
    """Its supervisor is killed, so nothing tells how it ended."""
    lost = "test -e second || { touch second; kill -9 $PPID; exit 1; }"
    rig = rig(f"cmd1={lost}; {WRITE}")

    assert rig.run().state is TrialState.SUCCEEDED

    assert rig.jobs() == [("cmd1", "lost"), ("cmd1", "succeeded")]
    assert rig.ledger.jobs("t")[0].evidence.startswith("the job was lost")


def test_what_does_not_pass_is_given_up(rig):
    rig = rig("cmd1=echo Connection refused; exit 1")

    outcome = rig.run()

    assert rig.jobs() == [("cmd1", "failed")] * 3
    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith(
        "cmd1 failed: exit code 1 (transient: the network failed: its log says "
        "'Connection refused')\n  | Connection refused\n  hint: "
    )
    assert rig.ledger.trial("t").failure == "transient"


FOR_GOOD = {
    "echo MemoryError >&2; exit 1": ("infeasible", "out of memory: its log says 'MemoryError'"),
    "nosuchcommand": ("user", "a command is missing: its log says"),
    "exit 3": ("unknown", "no rule knows 'exit code 3'"),
    """echo '{"step": 1, "auc": NaN}' >> "${NNI_OUTPUT_DIR}/m.jsonl\"""": (
        "infeasible",
        "it diverged: \"metric_source: 'auc' is nan at step 1",
    ),
    "true": ("user", "the trial cannot work like this"),
}


@pytest.mark.parametrize("command, expected", FOR_GOOD.items())
def test_what_cannot_pass_is_not_tried_again(rig, command, expected):
    rig = rig(f"cmd1={command}")

    outcome = rig.run()

    assert outcome.state is TrialState.FAILED
    assert len(rig.jobs()) == 1
    trial = rig.ledger.trial("t")
    assert trial.failure == expected[0]
    assert trial.evidence.startswith(expected[1])


def test_the_pause_before_another_attempt_ends_when_the_trial_is_told_to(rig):
    rig = rig("cmd1=exit 75", pause=3600)
    told = []

    def tell():
        eventually(lambda: "waits" in rig.ledger.trial("t").reason)
        told.append(rig.ledger.trial("t").reason)
        rig.shutdown._note(15, None)

    thread = threading.Thread(target=tell)
    thread.start()
    outcome = rig.run()
    thread.join()

    assert outcome.state is TrialState.CANCELLED
    assert rig.jobs() == [("cmd1", "failed")]
    assert "s after failure 1 (2 are tried again): transient: it asked to be tried" in told[0]


def test_a_settled_step_does_not_run_but_its_metrics_count(rig):
    rig = rig(f"cmd1={WRITE}", "cmd2=true")
    rig.place.output_directory.mkdir()
    (rig.place.output_directory / "m.jsonl").write_text('{"step": 1, "auc": 0.75}\n')
    first, second = rig.settings.steps
    rig.settings = replace(rig.settings, steps=(replace(first, is_settled=True), second))

    outcome = rig.run()

    assert (outcome.state, outcome.score) == (TrialState.SUCCEEDED, 0.75)
    assert rig.jobs() == [("cmd2", "succeeded")]
