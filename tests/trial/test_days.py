"""Days that are missing, late, or have failed: several trials of one experiment, real jobs."""

from __future__ import annotations

import threading
import time

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import (
    JUDGED,
    DayState,
    DecisionRecord,
    ExperimentRecord,
    TrialRecord,
    TrialState,
)
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.place import Place
from hpo_nni.trial.runner import TrialRunner
from hpo_nni.trial.settings import Substitutions, load_settings
from hpo_nni.trial.shutdown import Shutdown

INI = """\
{{% set days = date_range(20220630, 20220703) %}}
[platform_config]
name=local
{{% for day in days %}}
cmd_{{{{ day }}}}=sh train.sh {{{{ day }}}} "${{day_start}}" "${{day_model}}"
{{% endfor %}}
[metric_config]
metric_type=json
{{% for day in days %}}
metric_source_{{{{ day }}}}=${{NNI_OUTPUT_DIR}}/{{{{ day }}}}/m.jsonl
{{% endfor %}}
metric_dict={{'auc': 1}}
source_list_final_mode=avg
poll_interval=0.02
report_interval=0
[failure_config]
retries=0
[day_config]
start=base
{{% for day in days %}}
data_{{{{ day }}}}=data/{{{{ day }}}}
model_{{{{ day }}}}=${{NNI_OUTPUT_DIR}}/{{{{ day }}}}
{{% endfor %}}
{policies}
"""
# Its auc is the last digit of the day, in tenths; the data of a broken day ends the job.
TRAINER = """\
. ./data/$1
mkdir -p "$3"
echo "$1 from $(basename $2)" >> walk
echo "{\\"step\\": 1, \\"auc\\": 0.${1#2022070}}" > "$3/m.jsonl"
"""
ACCOUNT = """\
[odps_config]
project_name=demo
odps_endpoint={endpoint}
access_id=an-id
access_key=a-secret
"""
DAYS = ("20220630", "20220701", "20220702", "20220703")


class Channel:
    def __init__(self):
        self.reports = []

    def report(self, kind, sequence, value):
        self.reports.append((kind, sequence, value["default"]))


class Rig:
    """One experiment, of which trials run in this process."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "train.sh").write_text(TRAINER.replace("${1#2022070}", "$(echo $1 | tail -c 2)"))
        self.ledger = Ledger.open(folder / "expdir")
        self.ledger.begin_experiment(ExperimentRecord("e", 1.0, "maximize"))
        self.shutdown = Shutdown(watch_parent=False)
        self.channel = Channel()

    def put(self, *days, text="true"):
        for day in days:
            (self.folder / "data" / day).write_text(f"{text}\n")

    def remove(self, day):
        (self.folder / "data" / day).unlink()

    def run(self, policies="", trial="t", data=""):
        text = INI.format(policies=policies)
        (self.folder / "trial.ini").write_text(
            text.replace("data/{{ day }}", data or "data/{{ day }}")
        )
        output = self.folder / trial
        place = Place("e", trial, 0, self.folder / "expdir", output, None)
        settings = load_settings(self.folder / "trial.ini", Substitutions("e", trial, output, {}))
        self.ledger.begin_trial(TrialRecord(trial, "e", 0, time.time()))
        runner = TrialRunner(place, settings, self.ledger, self.channel, self.shutdown)
        return runner.run()

    def walk(self):
        """The days that were trained, each with the model it went on from."""
        file = self.folder / "walk"
        return file.read_text().splitlines() if file.exists() else []

    def settled(self):
        return {day.step[-2:]: (day.state, day.trial_id) for day in self.ledger.days("e")}

    def jobs(self, trial="t"):
        return [(job.step[-2:], job.state) for job in self.ledger.jobs(trial)]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.ledger.close()


def test_a_missing_day_fails_the_trial_before_its_job(rig):
    rig.put("20220630")

    outcome = rig.run()

    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith(f"cmd_20220701: {rig.folder}/data/20220701 is not there")
    assert rig.jobs() == [("30", "succeeded")]
    assert rig.ledger.trial("t").failure == "user"


def test_a_missing_day_is_left_out_by_all_trials(rig):
    """Also by those that would find its data: or their means would be over other days."""
    rig.put("20220630", "20220701", "20220703")

    first = rig.run("missing_policy=skip", "a")
    rig.put("20220702")
    second = rig.run("missing_policy=skip", "b")

    expected = ["20220630 from base", "20220701 from 20220630", "20220703 from 20220701"]
    assert rig.walk() == expected * 2
    assert first.score == second.score == pytest.approx((0.0 + 0.1 + 0.3) / 3)
    steps = [one.step for one in rig.ledger.evaluations("b") if one.source == JUDGED]
    assert steps == [1, 2, 4], "the third day is still the third"
    assert rig.settled() == {
        "30": (DayState.COUNTS, "a"),
        "01": (DayState.COUNTS, "a"),
        "02": (DayState.LEFT_OUT, "a"),
        "03": (DayState.COUNTS, "a"),
    }
    for trial in ("a", "b"):
        (said,) = [one for one in rig.ledger.decisions(trial) if one.action == "leave out"]
        assert said.reason == f"cmd_20220702: {rig.folder}/data/20220702 is not there"


def test_days_at_either_end_can_be_left_out(rig):
    rig.put("20220701", "20220702")

    assert rig.run("missing_policy=skip").score == pytest.approx(0.15)
    assert rig.walk() == ["20220701 from base", "20220702 from 20220701"]


def test_a_day_that_another_trial_has_got_through_is_not_left_out(rig):
    rig.put(*DAYS)
    rig.run("missing_policy=skip", "a")
    rig.remove("20220702")

    outcome = rig.run("missing_policy=skip", "b")

    assert outcome.state is TrialState.FAILED
    assert "is not there, and trial a has got through this day" in outcome.reason


@pytest.mark.parametrize(("policy", "number"), [("fail", 4), ("skip", 0)])
def test_an_account_that_may_not_look_matters_where_a_policy_needs_to_know(rig, policy, number):
    """Else the job, which reads its data in its own role, finds out by itself."""
    rig.put(*DAYS)
    pair = {"an-id": "a-secret"}
    with (
        OssServer(rig.folder / "oss", pair) as oss,
        MaxComputeServer(oss, pair, "demo") as service,
    ):
        table = "odps://not_ours/tables/t"
        extra = f"missing_policy={policy}\n{ACCOUNT.format(endpoint=service.endpoint)}"
        outcome = rig.run(extra, data=table)

    assert len(rig.jobs()) == number
    assert (outcome.state is TrialState.SUCCEEDED) == (policy == "fail")
    assert policy == "fail" or "not_ours" in outcome.reason


@pytest.mark.parametrize(
    ("present", "share", "words"),
    [
        (["20220630", "20220701"], "0.75", "2 of 4 days are left, and least_share asks for 0.75"),
        ([], "0", "0 of 4 days are left"),
    ],
)
def test_with_too_few_days_a_trial_fails(rig, present, share, words):
    rig.put(*present)

    outcome = rig.run(f"missing_policy=skip\nleast_share={share}")

    assert outcome.state is TrialState.FAILED
    assert words in outcome.reason


def test_a_late_day_is_waited_for_and_nothing_runs_meanwhile(rig):
    rig.put("20220630", "20220702", "20220703")
    ended = []
    policies = "missing_policy=wait\npoll_seconds=0.05"
    thread = threading.Thread(target=lambda: ended.append(rig.run(policies)))
    thread.start()
    trial = eventually(lambda: (now := rig.ledger.trial("t")) and now.reason and now)
    jobs = rig.jobs()
    rig.put("20220701")
    thread.join(60)

    assert trial.state is TrialState.RUNNING
    place = f"{rig.folder}/data/20220701"
    assert trial.reason.startswith(f"cmd_20220701: waits for {place}, until ")
    assert jobs == [("30", "succeeded")]
    assert (ended[0].state, ended[0].reason) == (TrialState.SUCCEEDED, "")
    assert len(rig.walk()) == 4


def test_a_trial_that_waits_ends_at_once_when_it_is_told_to(rig):
    ended = []
    policies = "missing_policy=wait\npoll_seconds=3600"
    thread = threading.Thread(target=lambda: ended.append(rig.run(policies)))
    thread.start()
    eventually(lambda: (now := rig.ledger.trial("t")) and now.reason)
    rig.ledger.add_decision(DecisionRecord("t", "assessor", "stop", "far below", time.time()))
    rig.shutdown._note(15, None)
    thread.join(60)

    assert (ended[0].state, ended[0].reason) == (TrialState.STOPPED, "far below")
    assert rig.jobs() == []


@pytest.mark.parametrize(
    ("after", "state", "walked"),
    [("fail", TrialState.FAILED, 1), ("skip", TrialState.SUCCEEDED, 3)],
)
def test_after_the_deadline_nobody_waits(rig, after, state, walked):
    """It counts from the experiment's first look: a second trial does not wait once more."""
    rig.put("20220630", "20220702", "20220703")
    policies = f"missing_policy=wait\nwait_seconds=0.3\npoll_seconds=0.1\nafter_wait={after}"

    first = rig.run(policies, "a")
    began = time.monotonic()
    second = rig.run(policies.replace("=0.3", "=3600" if after == "skip" else "=0.3"), "b")

    assert (first.state, second.state) == (state, state)
    assert len(rig.walk()) == 2 * walked
    assert time.monotonic() - began < 60
    if state is TrialState.FAILED:
        assert f"{rig.folder}/data/20220701 is not there after" in second.reason


def test_a_broken_day_is_left_out_by_all_trials(rig):
    rig.put(*DAYS)
    rig.put("20220701", text="echo this day is broken >&2; exit 3")

    first = rig.run("failed_policy=skip", "a")
    rig.put("20220701")
    second = rig.run("failed_policy=skip", "b")

    assert first.score == second.score == pytest.approx((0.0 + 0.2 + 0.3) / 3)
    assert rig.jobs("a")[1] == ("01", "failed")
    assert [step for step, _ in rig.jobs("b")] == ["30", "02", "03"]
    assert rig.walk()[1] == "20220702 from 20220630"
    assert rig.settled()["01"] == (DayState.LEFT_OUT, "a")


def test_a_broken_first_day_is_left_out_once_another_shows_that_the_rest_works(rig):
    rig.put(*DAYS)
    rig.put("20220630", text="exit 3")

    assert rig.run("failed_policy=skip").score == pytest.approx(0.2)
    assert rig.walk()[0] == "20220701 from base"
    assert rig.settled()["30"] == (DayState.LEFT_OUT, "t")


def test_a_configuration_that_works_on_no_day_leaves_none_out(rig):
    rig.put(*DAYS, text="exit 3")

    outcome = rig.run("failed_policy=skip\nleast_share=0")

    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith("cmd_20220703 failed: exit code 3")
    assert rig.settled() == {}


def test_a_failure_on_a_day_that_another_trial_got_through_is_the_trials_own(rig):
    rig.put(*DAYS)
    rig.run("failed_policy=skip", "a")
    rig.put("20220701", text="exit 3")

    outcome = rig.run("failed_policy=skip", "b")

    assert outcome.state is TrialState.FAILED
    assert "trial a has got through this day" in outcome.reason
    assert rig.settled()["01"] == (DayState.COUNTS, "a")
    assert len(rig.jobs("b")) == 2


def test_what_the_configuration_cannot_do_is_not_blamed_on_the_day(rig):
    rig.put(*DAYS)
    rig.put("20220701", text="echo MemoryError >&2; exit 1")

    outcome = rig.run("failed_policy=skip")

    assert outcome.state is TrialState.FAILED
    assert "out of memory" in outcome.reason
    assert "01" not in rig.settled()


def test_a_day_left_out_while_a_trial_trains_it_does_not_count_for_that_trial(rig):
    rig.put(*DAYS)
    rig.put("20220701", text="touch began; until test -e go; do sleep 0.05; done")
    ended = []
    thread = threading.Thread(target=lambda: ended.append(rig.run("failed_policy=skip", "a")))
    thread.start()
    eventually((rig.folder / "began").exists)
    rig.put("20220701", text="exit 3")
    rig.run("failed_policy=skip", "b")
    (rig.folder / "go").touch()
    thread.join(60)

    assert ended[0].score == pytest.approx((0.0 + 0.2 + 0.3) / 3)
    assert rig.walk()[-2:] == ["20220702 from 20220630", "20220703 from 20220702"]
