"""What the loopback service never does by itself: sub-workflows, and instances without tasks."""

from __future__ import annotations

import pytest

from hpo_nni.errors import TransientPlatformError
from hpo_nni.platforms.base import JobState
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.http import Response
from hpo_nni.testing.cloud.instances import Instance, TaskStatus
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer

PAIR = {"id-123456": "secret-123"}
SOURCE = "<Instance><XflowInstance><Xflow>x</Xflow></XflowInstance></Instance>"
NO_TASKS = "<Instance><Status>{}</Status><Tasks/></Instance>"


class Scripted(MaxComputeServer):
    """Answers some requests by a script: (action, instance) -> XML."""

    def respond(self, request):
        answers = getattr(self, "answers", {})
        for action in ("taskstatus", "xresult"):
            answer = answers.get((action, request.path.rpartition("/")[2]))
            if action in request.query and answer:
                return Response(200, answer.encode(), {"Content-Type": "application/xml"})
        return super().respond(request)


@pytest.fixture
def server(tmp_path):
    with Scripted(OssServer(tmp_path / "oss", PAIR), PAIR, "demo") as server:
        server.answers = {}
        yield server


@pytest.fixture
def add(server):
    """An instance of the service's record, which runs."""

    def add(name, kind="XFLOW"):
        status = TaskStatus.RUNNING
        return server.instances.add(
            Instance(name, "demo", "id-123456", name, kind, source=SOURCE, status=status)
        )

    return add


@pytest.fixture
def attach(server, tmp_path):
    pair = Credentials(Secret("id-123456"), Secret("secret-123"))
    connection = MaxComputeConnection("demo", server.endpoint, pair)
    return MaxComputePlatform(tmp_path, connect=lambda: connection).attach


def actions(*found):
    """The answer to `xresult`; each of these is a kind of node, a name and an id."""
    listed = "".join(
        f'<Action NodeType="{kind}"><InstanceId>{one}</InstanceId><Name>{name}</Name></Action>'
        for kind, name, one in found
    )
    return f"<XflowResult><Actions>{listed}</Actions></XflowResult>"


def test_parts_of_sub_workflows_and_parts_of_one_name_are_all_stopped(server, add, attach):
    job, workflow = add("job"), add("workflow")
    parts = [add(f"part{number}", "PS") for number in range(3)]
    server.answers = {
        ("xresult", "job"): actions(
            ("Local", "begin", ""),
            ("Instance", "train", "part0"),
            ("Instance", "train", "part1"),
            ("SubWorkflow", "more", "workflow"),
        ),
        ("xresult", "workflow"): actions(("Instance", "inner", "part2")),
    }

    attach("job").cancel()

    assert all(one.stopped_by for one in (job, workflow, *parts))
    assert attach("job").status().state is JobState.CANCELLED


def test_job_right_after_its_acceptance_is_waiting(server, add, attach):
    add("job")
    server.answers = {("taskstatus", "job"): NO_TASKS.format("Running")}

    assert attach("job").status().state is JobState.WAITING


def test_job_that_ended_without_tasks_is_lost(server, add, attach):
    server.instances.end(add("job"), TaskStatus.FAILED)
    server.answers = {("taskstatus", "job"): NO_TASKS.format("Terminated")}

    status = attach("job").status()

    assert status.state is JobState.LOST
    assert "does not say how" in status.message


def test_part_that_ended_without_tasks_does_not_keep_the_job(server, add, attach):
    for name in ("job", "part"):
        server.instances.end(add(name), TaskStatus.SUCCESS)
    server.answers = {
        ("xresult", "job"): actions(("Instance", "train", "part")),
        ("taskstatus", "part"): NO_TASKS.format("Terminated"),
    }

    assert attach("job").status().state is JobState.SUCCEEDED


def test_word_that_the_client_does_not_know_is_no_end(server, add, attach):
    add("job")
    server.answers = {
        ("taskstatus", "job"): (
            '<Instance><Status>Running</Status><Tasks><Task Type="X"><Name>x</Name>'
            "<Status>Dreaming</Status></Task></Tasks></Instance>"
        )
    }

    with pytest.raises(TransientPlatformError, match="DREAMING"):
        attach("job").status()


def test_lines_that_came_and_went_between_two_looks_are_missed_aloud(server, add, attach, caplog):
    add("job")
    part = add("part", "PS")
    server.answers = {("xresult", "job"): actions(("Instance", "train", "part"))}
    job = attach("job")
    job.status()
    part.log.append("auc=0.5")
    assert job.new_output() == "auc=0.5\n"

    for number in range(2):
        part.log.extend(f"{number} step {step} of many" for step in range(8000))
        printed = job.new_output().splitlines()

    assert printed[-1] == "1 step 7999 of many"
    assert len(printed) < 8000
    told = [text for text in caplog.messages if "lines of stdout are lost" in text]
    assert len(told) == 1
    assert told[0].startswith("train part prints more")
