"""The documented begin experiment under `nnictl create`, on a cloud that runs here and misbehaves.

One run, for it takes a minute; the tests look at it from different sides.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.launch import free_port, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.canary import Canaries, ProcessWatch
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.instances import TaskStatus
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = [
    pytest.mark.nni,
    pytest.mark.skipif(
        nni_version() < (3,) and breaks_nni(Path(sys.executable)),
        reason="NNI 2 cannot start Python from a path with spaces: docs/guide/experiments.md",
    ),
]
BEGIN = "examples/maxcompute_easyrec/begin"
KEY_ID, KEY_SECRET = "LTAI5tCanaryOfTheExample", "canary/Of+The/Example="
PATIENCE = 600
TRIALS, CONCURRENCY = 8, 3
ENDED = {"SUCCEEDED", "EARLY_STOPPED", "USER_CANCELED", "FAILED"}
SUBMISSION = ("POST", "/instances$")
JOB_FAULTS = (
    RequestFault(Action.REFUSE, *SUBMISSION, first=1, status=429),
    RequestFault(Action.DROP_AFTER, *SUBMISSION, first=3),
    RequestFault(Action.DUPLICATE, *SUBMISSION, first=5),
    RequestFault(Action.FAIL_AFTER, *SUBMISSION, first=6, status=502),
    RequestFault(Action.DUPLICATE, *SUBMISSION, first=7, seconds=1.0),
    RequestFault(Action.DROP_AFTER, "PUT", "/instances/", first=1),
    RequestFault(Action.REFUSE, "PUT", "/instances/", first=3, status=503),
    RequestFault(Action.REFUSE, "GET", "/instances", first=5, times=0, probability=0.01),
    RequestFault(Action.DROP_BEFORE, "GET", "/instances", first=5, times=0, probability=0.01),
)
OSS_FAULTS = (
    RequestFault(Action.REFUSE, "GET", query="list-type", times=0, probability=0.1),
    RequestFault(Action.REFUSE, "GET", "tfevents", times=0, probability=0.2),
    RequestFault(Action.DROP_BEFORE, "GET", "tfevents", times=0, probability=0.1),
)


@dataclass
class Run:
    """What the experiment left: in NNI, in the servers, in the ledger, on the machine.

    Attributes:
        trials: as NNI shows them at the end.
        states: trial -> how the ledger says it ended; NNI 3 has one status for two of them.
        cancelled: the id of the trial that a user cancelled.
        jobs: trial -> the names of its jobs in the ledger.
        leaks: files, pages, arguments and environments that hold a secret.
        watched: how many processes were looked at.
    """

    oss: OssServer
    service: MaxComputeServer
    folder: Path
    name: str = ""
    trials: list = field(default_factory=list)
    states: dict = field(default_factory=dict)
    cancelled: str = ""
    jobs: dict = field(default_factory=dict)
    live: list = field(default_factory=list)
    leaks: list = field(default_factory=list)
    watched: int = 0
    pages: int = 0

    def of(self, state):
        return [trial for trial in self.trials if self.states[trial.id] is state]

    def instances(self, trial):
        """All that was submitted for a trial, however often it arrived."""
        mark = f"{self.name}-{trial.id}-"
        return [one for one in self.service.instances.submitted() if mark in one.source]

    def has_twin(self, trial):
        return len(self.instances(trial)) > 1

    def was_stopped(self, instance):
        """Whether we ended it: a stop of a part may have come before that of the whole."""
        return any(one.stopped_by == KEY_ID for one in (instance, *self.parts(instance)))

    def parts(self, instance):
        return [self.service.instances[one] for one in instance.sub_instances.values()]


@pytest.fixture(scope="module")
def run(make_checkout, tmp_path_factory):
    root = tmp_path_factory.mktemp("begin")
    pair = {KEY_ID: KEY_SECRET}
    cluster = Cluster(Training(evaluations=8, rows=300, seconds_per_evaluation=3.0))
    with (
        OssServer(root / "oss", pair, buckets=["lcl-bj"]) as oss,
        MaxComputeServer(oss, pair, "pai_rec_dev", cluster=cluster) as service,
    ):
        checkout = make_checkout(root)
        config = (checkout.path / "samples" / "pipeline.config").read_text(encoding="utf-8")
        config = config.replace("save_checkpoints_steps: 2000", "save_checkpoints_steps: 1000")
        oss.write("lcl-bj", "eval_test/easyrec_model.config", config.encode())
        for table in ("train_10000", "test_1000"):
            service.add_click_table(f"dwd_avazu_ctr_deepmodel_{table}", 300)
        oss.faults.add(*OSS_FAULTS)
        service.faults.add(*JOB_FAULTS)
        yield conduct(checkout, Run(oss, service, root))


def conduct(checkout, run):
    """Fill in the account by references, run eight trials, cancel one, stop NNI."""
    folder = checkout.path / BEGIN
    (folder / "secret.txt").write_text(KEY_SECRET, encoding="utf-8")
    checkout.environment.update(
        AK=KEY_ID, OSS_HERE=run.oss.endpoint, ODPS_HERE=run.service.endpoint
    )
    edit(
        folder / "config_begin.ini",
        ("endpoint=http://oss-cn-beijing.aliyuncs.com", "endpoint=env:OSS_HERE"),
        ("accessKeyID=xxx", "accessKeyID=${AK}"),
        ("accessKeySecret=xxx", "accessKeySecret=file:secret.txt"),
        ("http://service.odps.aliyun.com/api", "env:ODPS_HERE"),
    )
    edit(
        folder / "config.yml",
        ("trialConcurrency: 1", f"trialConcurrency: {CONCURRENCY}"),
        ("maxTrialNumber: 1", f"maxTrialNumber: {TRIALS}"),
        ("start_step: 2", "start_step: 2\n      proportion: 1.0"),  # only the best goes on
    )
    canaries, before = Canaries([KEY_ID, KEY_SECRET]), set(run.folder.rglob("*"))
    port = free_port(random.randrange(20_000, 30_000))
    rest = RestClient(f"http://127.0.0.1:{port}")
    # the environment of the shell is NNI's to hand down, and only ${AK} stands in it
    with ProcessWatch(str(checkout.path), canaries, Canaries([KEY_SECRET])) as watch:
        try:
            create(checkout, port)
            run.name = rest.experiment_id()
            run.cancelled = eventually(lambda: training(run), seconds=PATIENCE)
            rest.cancel_trial(run.cancelled)
            run.pages, leaking = read_pages(port, run.cancelled, canaries)
            run.leaks += [*leaking, *canaries.files(run.folder, before)]
            run.trials = eventually(lambda: all_ended(rest), seconds=PATIENCE)
            run.leaks += read_pages(port, run.trials[-1].id, canaries)[1]
        finally:
            code, printed = checkout.run("nnictl stop --all")
        assert code == 0, printed
        eventually(lambda: not processes_with(run.name), seconds=PATIENCE)
    run.leaks += [*watch.findings, *canaries.files(run.folder, before)]
    run.watched = watch.seen
    with Ledger.open(folder.parent / "expdir") as ledger:
        run.live = ledger.live_jobs(run.name)
        run.states = {trial.id: trial.state for trial in ledger.trials(run.name)}
        run.jobs = {trial.id: [one.name for one in ledger.jobs(trial.id)] for trial in run.trials}
    return run


def edit(file, *changes):
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


def create(checkout, port):
    """As documented; NNI's launcher gives its manager four seconds, so try again."""
    command = f"nnictl create --config {BEGIN}/config.yml --port={port}"
    for attempt in range(1, 21):
        code, printed = checkout.run(command)
        if "Create experiment failed" not in printed:
            break
        print(f"attempt {attempt}: NNI's launcher lost patience")  # noqa: T201  (decided)
    assert code == 0, printed


def training(run):
    """The trial of the first job that trains."""
    found = [one for one in run.service.instances if one.log]
    return (
        found and run.service.instances[found[0].parent].parameters["model_dir"].rpartition("_")[2]
    )


def all_ended(rest):
    trials = rest.trials()
    return len(trials) >= TRIALS and all(one.status in ENDED for one in trials) and trials


def read_pages(port, trial_id, canaries):
    """How many of NNI's pages answer, and the addresses of those that show a secret."""
    routes = ["experiment", "trial-jobs", "metric-data", "check-status", "experiments-info"]
    routes += ["job-statistics", "experiment-metadata", f"trial-jobs/{trial_id}"]
    routes += [f"trial-file/{trial_id}/{name}" for name in ("stderr", "stdout", "trial.log")]
    places = [f"/api/v1/nni/{route}" for route in routes]
    places += ["/", "/logs/nnimanager.log", "/logs/dispatcher.log"]
    answers, leaking = 0, []
    for place in places:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as page:
            page.request("GET", place)
            answer = page.getresponse()
            answers += answer.status == 200
            leaking += [place] if canaries.found_in(answer.read()) else []
    return answers, leaking


def test_every_trial_ends_as_it_should(run):
    assert len(run.trials) == TRIALS
    assert not run.of(TrialState.FAILED)
    assert [trial.id for trial in run.of(TrialState.CANCELLED)] == [run.cancelled]
    assert run.of(TrialState.STOPPED)
    assert run.of(TrialState.SUCCEEDED)
    assert not run.live
    assert not run.service.instances.running()


def test_a_finished_trial_has_the_score_that_the_trainer_wrote(run, tmp_path):
    for trial in run.of(TrialState.SUCCEEDED):
        own = f"{run.name}_{trial.id}"
        copies = {path.name: path for path in run.folder.rglob(f"exp/{own}/*.tfevents.*")}
        prefix, written = f"eval_dist_test/{own}/eval_val/", {}
        for number, entry in enumerate(run.oss.objects("lcl-bj", prefix)):
            name, data = entry.key.removeprefix(prefix), run.oss.read("lcl-bj", entry.key)
            # twins may have begun in one second, and then replace each other's file
            assert run.has_twin(trial) or data == copies[name].read_bytes(), "--exp_dir has copies"
            folder = tmp_path / own / str(number)  # of several, one by one
            folder.mkdir(parents=True)
            (folder / name).write_bytes(data)
            peer = EventAccumulator(str(folder), size_guidance={"scalars": 0})
            peer.Reload()
            written |= {event.step: event.value for event in peer.Scalars("auc")}
        assert trial.final == pytest.approx(written[max(written)], abs=0)


def test_what_was_stopped_has_ended_with_all_its_parts(run):
    for trial in [*run.of(TrialState.STOPPED), *run.of(TrialState.CANCELLED)]:
        for xflow in run.instances(trial):
            whole = [xflow, *run.parts(xflow)]
            assert all(one.is_final for one in whole)
            # a job may have ended by itself while the verdict was on its way
            assert run.was_stopped(xflow) or xflow.status is TaskStatus.SUCCESS
    (cancelled,) = run.of(TrialState.CANCELLED)
    assert all(run.was_stopped(one) for one in run.instances(cancelled))
    assert any(
        run.was_stopped(one) for trial in run.of(TrialState.STOPPED) for one in run.instances(trial)
    )


def test_no_step_runs_twice_whatever_becomes_of_requests_and_answers(run):
    posts = [
        one
        for one in run.service.exchanges
        if one.method == "POST" and one.path.endswith("/instances")
    ]
    assert len(posts) > TRIALS, "some were refused, and tried again"
    assert any(one.status == 0 for one in posts), "some answers were lost"
    submitted = [run.instances(trial) for trial in run.trials]
    assert any(len(mine) > 1 for mine in submitted), "some were delivered twice"
    for trial, mine in zip(run.trials, submitted, strict=True):
        assert len(run.jobs[trial.id]) == 1
        assert len([one for one in mine if not run.was_stopped(one)]) <= 1
        assert all(one.is_final for xflow in mine for one in (xflow, *run.parts(xflow)))


def test_what_is_read_from_oss_is_what_is_new(run):
    read, lists = defaultdict(int), defaultdict(int)
    for one in run.oss.exchanges:
        place = re.search(rf"{run.name}_(\w+)/(eval_val|eval)/?", f"{one.path} {one.query}")
        if one.method != "GET" or one.status not in {200, 206} or not place:
            continue
        if ".tfevents." in one.path:
            read[place[1]] += one.bytes_out
        else:
            lists[place[1]] += 1
    for trial in run.trials:
        files = run.oss.objects("lcl-bj", f"eval_dist_test/{run.name}_{trial.id}/")
        size = sum(entry.size for entry in files if ".tfevents." in entry.key)
        if run.has_twin(trial):  # whose file may have replaced this one's, and was read anew
            continue
        assert read[trial.id] <= size, "no byte is read twice"
        if run.states[trial.id] is TrialState.SUCCEEDED:
            assert read[trial.id] == size
            assert lists[trial.id] >= 2, "the trainer was followed while it trained"


def test_credentials_are_nowhere_but_where_the_user_put_them(run):
    assert run.leaks == []
    assert run.watched > TRIALS
    assert run.pages > 5
