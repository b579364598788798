from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from hpo_nni.errors import (
    CommandSyntaxError,
    InDoubtError,
    PlatformError,
    TransientPlatformError,
)
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_edits import with_edits
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.platforms.pai_command import format_pai_command, parse_pai_command, xflow_from_pairs
from hpo_nni.secrets import Credentials, Redactor, Secret
from hpo_nni.testing.cloud.faults import Action, Fate, JobFault, RequestFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.platforms import PlatformContract, await_final, await_true

KEY_ID, KEY_SECRET = "LTAI5tTestKeyId", "s3cr3t/With+Chars="
CONFIG = """
train_config { num_steps: 100 save_checkpoints_steps: 100
  optimizer_config { adam_optimizer { learning_rate {
    constant_learning_rate { learning_rate: 0.001 } } } } }
data_config { label_fields: "clk" }
feature_configs { input_names: "user_id" feature_type: IdFeature hash_bucket_size: 100 }
model_config { model_class: "DeepFM" deepfm { dnn { hidden_units: [16] } } }
"""
PAIRS = {
    "-name": "easy_rec_ext",
    "-project": "algo_public",
    "-Dconfig": "oss://bkt/pipeline.config",
    "-Dtrain_tables": "odps://demo/tables/train",
    "-Deval_tables": "odps://demo/tables/test",
    "-Dmodel_dir": "oss://bkt/models/one",
}
QUICK = xflow_from_pairs(PAIRS.items())
LASTING = with_edits(QUICK, {"train_config.num_steps": 100_000_000})
BROKEN = xflow_from_pairs({**PAIRS, "-Dtrain_tables": "odps://demo/tables/missing"}.items())
POST = {"method": "POST", "path": "/instances"}


@pytest.fixture
def cloud(tmp_path):
    """Start both servers; returns the one for jobs."""
    pair = {KEY_ID: KEY_SECRET}
    running = []

    def start(**cluster):
        oss = OssServer(tmp_path / "oss", pair, buckets=["bkt"])
        oss.__enter__()
        running.append(oss)
        oss.write("bkt", "pipeline.config", CONFIG.encode())
        training = Training(evaluations=1_000_000, rows=200)
        server = MaxComputeServer(oss, pair, "demo", cluster=Cluster(training, **cluster))
        server.__enter__()
        running.append(server)
        for table in ("train", "test"):
            server.add_click_table(table, 200)
        return server

    yield start
    for server in reversed(running):
        server.__exit__(None, None, None)


@pytest.fixture
def server(cloud):
    return cloud()


def connection_to(server, **more):
    token = more.pop("token", None)
    pair = Credentials(
        Secret(more.pop("key_id", KEY_ID)),
        Secret(more.pop("secret", KEY_SECRET)),
        token and Secret(token),
    )
    more = {"project": "demo", "endpoint": server.endpoint, "read_seconds": 5.0, **more}
    return MaxComputeConnection(credentials=pair, **more)


@pytest.fixture
def open_platform(server, tmp_path):
    """A platform as another process would make it; what is not said is right."""

    def open_platform(**more):
        return MaxComputePlatform(tmp_path, connect=lambda: connection_to(server, **more))

    return open_platform


@pytest.fixture
def platform(open_platform):
    return open_platform()


@pytest.fixture
def planned(platform, tmp_path):
    """The plan of a command, under a name."""

    def planned(command=LASTING, name="exp-trial-1-cmd1"):
        return platform.plan(JobSpec(name, str(command), tmp_path, tmp_path))

    return planned


class TestMaxComputePlatform(PlatformContract):
    printing = format_pai_command(QUICK)
    failing = format_pai_command(BROKEN)
    failure = "ODPS-0130131"
    lasting = format_pai_command(LASTING)
    started = "eval step"

    @pytest.fixture
    def platform(self, open_platform):
        return open_platform()

    def reopening(self, platform):
        connection = platform._connect()
        return (
            "from pathlib import Path\n"
            "from hpo_nni.secrets import Credentials, Secret\n"
            "from hpo_nni.platforms.maxcompute import MaxComputePlatform\n"
            "from hpo_nni.platforms.maxcompute_service import MaxComputeConnection\n"
            f"pair = Credentials(Secret({KEY_ID!r}), Secret({KEY_SECRET!r}))\n"
            f"connection = MaxComputeConnection('demo', {connection.endpoint!r}, pair)\n"
            "platform = MaxComputePlatform(Path(), connect=lambda: connection)"
        )

    def refused(self, spec):
        return replace(spec, command="PAI -name=no_such_thing -project=algo_public")

    def test_log_tail_ends_with_standard_error(self, submit):
        """Here the workers' logs have to do; the trainer's last line is its last evaluation."""
        job = submit(self.printing)
        await_final(job)

        assert job.log_tail(1).startswith("eval step=100 ")
        assert job.log_tail().splitlines()[-2].startswith("train ")


def test_plan_is_the_command_that_a_person_would_type(planned):
    plan = planned(QUICK)

    assert plan.text == f"{QUICK}\n    -Dhpo_nni_job=exp-trial-1-cmd1"
    assert parse_pai_command(plan.text).parameters == plan.payload["parameters"]
    assert json.loads(json.dumps(plan.payload)) == plan.payload


def test_seeds_pairs_and_a_pasted_command_plan_the_same_job(planned):
    pasted = "PAI " + " \\\n  ".join(f'{key}="{value}"' for key, value in PAIRS.items()) + ";"

    assert planned(pasted) == planned(xflow_from_pairs(PAIRS.items()))


def test_wrong_command_is_refused_by_the_plan(planned):
    with pytest.raises(CommandSyntaxError, match="never closed"):
        planned("PAI -name=easy_rec_ext -project=algo_public -Dcluster={")


def test_plan_needs_neither_account_nor_sdk(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from hpo_nni.platforms.base import JobSpec\n"
        "from hpo_nni.platforms.registry import PLATFORMS\n"
        "platform = PLATFORMS.load('MaxCompute')(Path(), connect=None)\n"
        "platform.plan(JobSpec('n', 'PAI -name=a -project=b', Path(), Path()))\n"
        "print('odps' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_parameters_reach_the_service_as_they_were_planned(platform, planned, server):
    xflow = with_edits(QUICK, {"a;b": ["it's", 1e-05], "表": 'x<y>&"z"'})
    plan = planned(xflow)

    await_final(platform.submit(plan))

    (instance,) = server.instances.submitted()
    assert dict(instance.parameters) == plan.payload["parameters"]


def test_name_can_stay_out_of_the_parameters(server, tmp_path, planned):
    platform = MaxComputePlatform(
        tmp_path, connect=lambda: connection_to(server), marks_parameters=False
    )
    plan = platform.plan(JobSpec("exp-1", str(QUICK), tmp_path, tmp_path))

    job = platform.submit(plan)

    (instance,) = server.instances.submitted()
    assert "hpo_nni_job" not in instance.parameters
    assert platform.find("exp-1").id == job.id


def test_statements_run_and_are_found(platform, planned, server):
    plan = planned("select count(*) as n from train")
    job = platform.submit(plan)

    assert await_final(job).state is JobState.SUCCEEDED
    assert job.log_tail().splitlines() == ['"n"', "200"]
    assert platform.find("exp-trial-1-cmd1").id == job.id
    assert plan.text == "set hpo_nni_job=exp-trial-1-cmd1;\nselect count(*) as n from train"
    job.cancel()
    assert job.status().state is JobState.SUCCEEDED


def test_statement_that_fails_says_so_in_the_services_words(platform, planned):
    status = await_final(platform.submit(planned("select * from nowhere")))

    assert status.state is JobState.FAILED
    assert "ODPS-0130131" in status.message


def test_every_part_is_followed_also_the_last(platform, planned, server, caplog):
    caplog.set_level(logging.INFO, logger="hpo_nni")
    job = platform.submit(planned(QUICK))

    await_final(job)

    (instance,) = server.instances.submitted()
    assert set(instance.sub_instances) == {"check", "train", "report"}
    assert set(job.logviews) == {"job", "check", "train", "report"}
    assert all(address in caplog.text for address in job.logviews.values())
    assert all("/logview/" in address for address in job.logviews.values())


def test_waiting_in_the_queue_is_a_state(cloud, tmp_path):
    server = cloud()
    server.faults.add(JobFault(Fate.WAITS))
    platform = MaxComputePlatform(tmp_path, connect=lambda: connection_to(server))
    job = platform.submit(platform.plan(JobSpec("n", str(QUICK), tmp_path, tmp_path)))

    status = job.status()

    assert (status.state, status.message) == (JobState.WAITING, "in the queue")
    job.cancel()
    assert job.status().state is JobState.CANCELLED


def test_waiting_of_every_part_is_waiting(platform, planned, server):
    job = platform.submit(planned())
    await_true(lambda: "eval" in job.log_tail(), "the first evaluation")
    (instance,) = server.instances.submitted()
    train = server.instances[instance.sub_instances["train"]]
    running, train.status = train.status, train.status.WAITING

    waiting = job.status()

    assert (waiting.state, waiting.message) == (JobState.WAITING, "in the queue: train waiting")
    train.status = running
    assert job.status().state is JobState.RUNNING
    job.cancel()


def test_job_is_not_over_before_its_twin(platform, planned, server):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    job = platform.submit(planned(QUICK))
    ours = server.instances[job.id]
    await_true(lambda: ours.is_final, "the end of the job")
    (twin,) = [one for one in server.instances.submitted() if one.id != job.id]
    late = server.instances.add_sub_instance(twin, "late", "PS")

    first = job.status()

    assert first.state is JobState.RUNNING
    assert f"stopping its twins: {twin.id}" in first.message
    assert late.stopped_by == KEY_ID
    assert job.status().state is JobState.SUCCEEDED


def test_logs_that_cannot_be_read_are_left_out(platform, planned, server):
    job = platform.submit(planned(QUICK))
    await_final(job)
    server.faults.add(
        RequestFault(Action.REFUSE, status=404, code="NoSuchObject", query="detail", times=0)
    )

    assert job.log_tail() == ""
    assert job.log_tail(0) == ""


def test_cancel_stops_the_parts_and_whatever_comes_later(platform, planned, server):
    job = platform.submit(planned())
    await_true(lambda: "eval" in job.log_tail(), "the first evaluation")
    (instance,) = server.instances.submitted()

    job.cancel()
    late = server.instances.add_sub_instance(instance, "late", "PS")

    assert job.status().state is JobState.RUNNING
    assert await_final(job).state is JobState.CANCELLED
    assert late.stopped_by == KEY_ID
    assert server.instances.running() == []


def test_parts_of_a_failed_job_are_stopped(platform, planned, server):
    job = platform.submit(planned())
    await_true(lambda: "eval" in job.log_tail(), "the first evaluation")
    (instance,) = server.instances.submitted()
    left = server.instances.add_sub_instance(instance, "left", "PS")

    server.instances.end(server.instances[instance.sub_instances["train"]], left.status.FAILED)

    assert await_final(job).state is JobState.FAILED
    assert server.instances.running() == []


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        (Fate.FAILS, "worker 0 exited with code 139"),
        (Fate.DIES, "the service does not say why [failed: train ("),
    ],
)
def test_failure_is_told_as_far_as_the_service_tells_it(platform, planned, server, fate, words):
    server.faults.add(JobFault(fate))

    job = platform.submit(planned(QUICK))

    status = await_final(job)
    assert status.state is JobState.FAILED
    assert words in status.message
    assert "eval step" in job.log_tail()


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.DROP_AFTER, **POST),
        RequestFault(Action.FAIL_AFTER, status=502, **POST),
        RequestFault(Action.FAIL_AFTER, status=503, **POST),
        RequestFault(Action.FAIL_AFTER, status=500, **POST),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.status}",
)
def test_submission_without_an_answer_is_found_and_not_repeated(platform, planned, server, fault):
    server.faults.add(fault)

    job = platform.submit(planned(QUICK))

    (instance,) = server.instances.submitted()
    assert job.id == instance.id
    assert await_final(job).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.DROP_BEFORE, **POST),
        RequestFault(Action.REFUSE, status=503, **POST),
        RequestFault(Action.REFUSE, status=500, **POST),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.status}",
)
def test_submission_that_cannot_be_found_is_in_doubt(platform, planned, server, fault):
    server.faults.add(fault)

    with pytest.raises(InDoubtError) as caught:
        platform.submit(planned(QUICK))

    assert caught.value.name == "exp-trial-1-cmd1"
    assert platform.find("exp-trial-1-cmd1") is None
    assert await_final(platform.submit(planned(QUICK))).state is JobState.SUCCEEDED
    assert len(server.instances.submitted()) == 1


def test_submission_that_was_throttled_is_not_in_doubt(platform, planned, server):
    server.faults.add(RequestFault(Action.REFUSE, status=429, **POST))

    with pytest.raises(TransientPlatformError) as caught:
        platform.submit(planned())

    assert not isinstance(caught.value, InDoubtError)
    assert len(server.instances.submitted()) == 0


def test_doubt_stays_where_instances_cannot_be_listed(open_platform, platform, planned, server):
    server.faults.add(
        RequestFault(Action.DROP_AFTER, **POST),
        RequestFault(Action.REFUSE, status=503, method="GET", path="/instances", first=2),
    )

    with pytest.raises(InDoubtError):
        platform.submit(planned())

    found = open_platform().find("exp-trial-1-cmd1")
    assert found.id == server.instances.submitted()[0].id


def test_what_the_service_took_twice_runs_once_after_one_poll(platform, planned, server, caplog):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    job = platform.submit(planned())
    assert len(server.instances.submitted()) == 2

    job.status()

    first, second = server.instances.submitted()
    twin = first if job.id == second.id else second
    assert twin.stopped_by == KEY_ID
    assert "runs it twice" in caplog.text
    assert not server.instances[job.id].is_final
    job.cancel()
    assert await_final(job).state is JobState.CANCELLED
    assert not [one for one in server.instances.running() if one.parent == job.id]


def test_parts_that_a_twin_starts_too_late_are_stopped(platform, planned, server):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    job = platform.submit(planned())
    job.status()
    (twin,) = [one for one in server.instances.submitted() if one.id != job.id]
    late = server.instances.add_sub_instance(twin, "late", "PS")

    job.cancel()

    assert late.stopped_by == KEY_ID
    assert await_final(job).state is JobState.CANCELLED
    assert server.instances.running() == []


def test_submission_that_is_late_is_found_later(open_platform, server, planned):
    server.faults.add(RequestFault(Action.DELAY, seconds=1.5, **POST))
    hasty = open_platform(read_seconds=0.2)
    with pytest.raises(InDoubtError):
        hasty.submit(planned(QUICK))

    await_true(lambda: hasty.find("exp-trial-1-cmd1") is not None, "the late instance")

    with pytest.raises(PlatformError, match="already"):
        hasty.submit(planned(QUICK))
    assert await_final(hasty.find("exp-trial-1-cmd1")).state is JobState.SUCCEEDED
    assert len(server.instances.submitted()) == 1


def test_second_try_after_an_hour_still_sees_the_first(server, tmp_path, planned):
    now = [time.time()]
    platform = MaxComputePlatform(
        tmp_path, connect=lambda: connection_to(server), clock=lambda: now[0]
    )
    server.faults.add(
        RequestFault(Action.DROP_AFTER, **POST),
        RequestFault(Action.REFUSE, status=503, method="GET", query="daterange", first=2),
    )
    with pytest.raises(InDoubtError):
        platform.submit(planned())
    now[0] += 3600

    with pytest.raises(PlatformError, match="already"):
        platform.submit(planned())

    assert len(server.instances.submitted()) == 1


def test_nothing_shows_a_secret(platform, planned, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.faults.add(RequestFault(Action.FAIL_AFTER, status=500, **POST))
    plan = planned(QUICK)

    job = platform.submit(plan)
    await_final(job)

    written = f"{caplog.text} {plan} {job.log_tail()} {job.status()} {platform._connect()!r}"
    assert Redactor([Secret(KEY_SECRET)])(written) == written
    assert any(record.name.startswith("odps") for record in caplog.records)


def test_cancel_by_name_ends_twins_that_nobody_polled(open_platform, platform, planned, server):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    platform.submit(planned())

    found = open_platform().find("exp-trial-1-cmd1")
    found.cancel()

    assert await_final(found).state is JobState.CANCELLED
    assert all(one.stopped_by for one in server.instances.submitted())


def test_find_prefers_the_twin_that_was_not_stopped(open_platform, platform, planned, server):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    job = platform.submit(planned())
    job.status()

    assert open_platform().find("exp-trial-1-cmd1").id == job.id
    job.cancel()


def test_poll_lists_once_and_reads_no_source_twice(platform, planned, server):
    for number in range(3):
        await_final(platform.submit(planned(QUICK, f"old-{number}")))
    job = platform.submit(planned())
    await_true(lambda: "eval" in job.log_tail(), "the first evaluation")
    job.status()
    seen = len(server.exchanges)

    job.status()

    asked = [sorted(one.query.keys() - {"curr_project"}) for one in server.exchanges[seen:]]
    assert asked == [["daterange", "onlyowner"], ["taskstatus"], ["xresult"], ["taskstatus"]]
    job.cancel()


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.REFUSE, status=503, times=0),
        RequestFault(Action.REFUSE, status=429, times=0),
        RequestFault(Action.REFUSE, status=500, times=0),
        RequestFault(Action.DROP_BEFORE, times=0),
        RequestFault(Action.DROP_AFTER, times=0),
        RequestFault(Action.DELAY, seconds=1.0, times=0),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.status}",
)
def test_transient_faults_are_raised_at_once_and_can_be_told(open_platform, server, fault, planned):
    job = open_platform().submit(planned())
    patient = open_platform(read_seconds=0.2)
    server.faults.add(fault)
    before = len(server.exchanges)

    for ask in (
        lambda: patient.attach(job.id).status(),
        lambda: patient.attach(job.id).cancel(),
        lambda: patient.find("exp-trial-1-cmd1"),
    ):
        with pytest.raises(TransientPlatformError):
            ask()

    assert len(server.exchanges) - before <= 6
    assert "could be read" in patient.attach(job.id).log_tail()
    server.faults.clear()
    job.cancel()


def test_cancel_goes_on_where_the_list_of_instances_fails(platform, planned, server):
    job = platform.submit(planned())
    server.faults.add(
        RequestFault(Action.REFUSE, status=503, method="GET", query="daterange", times=0)
    )

    with pytest.raises(TransientPlatformError):
        job.cancel()

    assert server.instances[job.id].stopped_by == KEY_ID


def test_cancel_stops_all_it_can_where_one_thing_cannot_be_stopped(platform, planned, server):
    server.faults.add(RequestFault(Action.DUPLICATE, **POST))
    job = platform.submit(planned())
    await_true(lambda: "eval" in job.log_tail(), "the first evaluation")
    (twin,) = [one for one in server.instances.submitted() if one.id != job.id]
    train = server.instances[server.instances[job.id].sub_instances["train"]]
    server.faults.add(RequestFault(Action.REFUSE, status=503, method="PUT", path=f"{job.id}$"))

    with pytest.raises(TransientPlatformError):
        job.cancel()

    assert train.stopped_by == twin.stopped_by == KEY_ID
    job.cancel()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret": "wrong-secret"}, ("ignature", "secret does not belong to its id")),
        ({"key_id": "LTAInobody"}, ("accessKeyId not found", "the access key's id right")),
        ({"project": "no_such_project"}, ("NoSuchProject", "is project_name right")),
        ({"endpoint": "service.odps.aliyun.com/api"}, ("is no address", "http://")),
    ],
)
def test_refusals_are_immediate_in_the_services_words_with_a_hint(
    open_platform, planned, server, wrong, said
):
    before = len(server.exchanges)

    with pytest.raises(PlatformError) as caught:
        open_platform(**wrong).submit(planned())

    assert not isinstance(caught.value, TransientPlatformError)
    assert said[0] in caught.value.message
    assert said[1] in caught.value.hint
    assert KEY_SECRET not in str(caught.value)
    assert len(server.exchanges) - before <= 2


def test_permission_that_is_missing_is_named(platform, planned, server):
    server.faults.add(
        RequestFault(
            Action.REFUSE,
            status=403,
            code="NoPermission",
            message="ODPS-0420095: Access Denied - no privilege 'odps:CreateInstance'",
            **POST,
        )
    )

    with pytest.raises(PlatformError, match="CreateInstance") as caught:
        platform.submit(planned())

    assert not isinstance(caught.value, TransientPlatformError)
    assert "owner" in caught.value.hint


def test_algorithm_that_does_not_exist_is_named(platform, planned):
    with pytest.raises(PlatformError, match="easy_rec_ex") as caught:
        platform.submit(planned("PAI -name=easy_rec_ex -project=algo_public"))

    assert "are the names right" in caught.value.hint


def test_clock_that_is_wrong_is_named(platform, planned, server):
    server.clock_offset = 3600.0

    with pytest.raises(PlatformError) as caught:
        platform.submit(planned())

    assert "clock" in caught.value.hint


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:1/api", "http://nothing.invalid/api", "https://127.0.0.1:{}/api"],
)
def test_unreachable_endpoint_is_transient_and_named(open_platform, planned, server, endpoint):
    with pytest.raises(TransientPlatformError, match="cannot be reached") as caught:
        open_platform(endpoint=endpoint.format(server.port)).submit(planned())

    assert not isinstance(caught.value, InDoubtError)
    assert "odps_endpoint" in caught.value.hint


def test_missing_sdk_is_a_missing_extra():
    code = (
        "import sys; sys.modules['odps'] = None\n"
        "import importlib.util as u; u.find_spec = lambda name: None\n"
        "from hpo_nni.platforms.registry import PLATFORMS\n"
        "PLATFORMS.load('maxcompute')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "pip install 'hpo-nni[maxcompute]'" in done.stderr


def test_sts_token_goes_with_the_key(open_platform, server, planned):
    server.keyring.tokens[KEY_ID] = "token-1"

    assert open_platform(token="token-1").submit(planned(QUICK)).id
    with pytest.raises(PlatformError):
        open_platform(token="token-2").find("x")


def test_logview_that_is_refused_is_said_once(platform, planned, server, caplog):
    server.faults.add(
        RequestFault(Action.REFUSE, status=403, code="NoPermission", path="authorization", times=0)
    )
    job = platform.submit(planned())

    for _ in range(3):
        job.status()

    said = [record.getMessage() for record in caplog.records if "logview" in record.getMessage()]
    assert len(said) == len(set(said)) > 0
    assert job.logviews == {}
    job.cancel()


@pytest.mark.parametrize(("region", "version"), [("", "V2"), ("cn-beijing", "V4")])
def test_requests_are_signed_for_a_region_where_there_is_one(
    open_platform, planned, server, region, version
):
    job = open_platform(region=region).submit(planned(QUICK))

    assert await_final(job).state is JobState.SUCCEEDED
    assert server.keyring.versions == {version}


@pytest.fixture
def eight_jobs(server, open_platform, tmp_path):
    platform = open_platform()
    for number in range(8):
        spec = JobSpec(f"job-{number}", "select 1", tmp_path, tmp_path)
        platform.submit(platform.plan(spec))


def test_a_search_asks_again_for_the_answers_that_are_lost_on_the_way(
    server, open_platform, eight_jobs
):
    lost = RequestFault(Action.DROP_AFTER, "GET", query="source", first=2, times=5)
    server.faults.add(lost)

    assert open_platform().find("job-7") is not None


def test_a_search_that_nothing_answers_is_given_up_soon(server, open_platform, eight_jobs):
    server.faults.add(RequestFault(Action.REFUSE, "GET", query="source", times=0, status=503))
    before = len(server.exchanges)

    with pytest.raises(TransientPlatformError):
        open_platform().find("job-7")

    assert len(server.exchanges) - before <= 8
