"""XFlows on the loopback MaxCompute: what a job's life looks like to the real client."""

from __future__ import annotations

import json

import psutil
import pytest
from odps import ODPS, errors

from hpo_nni.metrics.damage import Damage
from hpo_nni.metrics.event_message import parse_event
from hpo_nni.metrics.tfrecord import RecordReader
from hpo_nni.testing.cloud.faults import Fate, JobFault
from hpo_nni.testing.cloud.instances import TaskStatus
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually, processes_with

SLOW = Cluster(Training(evaluations=50, seconds_per_evaluation=1.0, rows=100))
DEADLINE = 30.0


def scalars(oss, prefix):
    """What our own reader finds in the event files below a prefix."""
    found = []
    for facts in oss.objects("bkt", prefix):
        reader = RecordReader(Damage(facts.key))
        for record in reader.feed(oss.read("bkt", facts.key)):
            event = parse_event(record)
            found += [(event.step, v.tag.decode(), v.number) for v in event.values]
        assert not reader.half_written
    return found


def last_log(mc, instance):
    train = mc.instances[mc.instances[instance.id].sub_instances["train"]]
    return train.log


def trainers():
    return [
        child
        for child in psutil.Process().children()
        if "hpo_nni.testing.cloud.trainer" in child.cmdline()
    ]


def await_evaluation(mc, instance):
    def has_evaluated():
        sub = mc.instances[instance.id].sub_instances.get("train")
        return sub and any(line.startswith("eval") for line in mc.instances[sub].log)

    eventually(has_evaluated, seconds=DEADLINE)


def test_job_trains_and_writes_what_it_says(submit, mc, oss):
    instance = submit()
    instance.wait_for_success(interval=0.05)

    said = [line for line in last_log(mc, instance) if line.startswith("eval")]
    written = scalars(oss, "model/eval_val/")
    auc = [(step, f"{value:.6f}") for step, tag, value in written if tag == "auc"]
    assert auc == [
        (int(line.split("step=")[1].split()[0]), line.split("auc=")[1].split()[0]) for line in said
    ]
    assert [step for step, _ in auc] == [2667, 5333, 8000]
    assert {tag for _, tag, _ in written} >= {"auc", "loss", "auc_click", "auc_like", "loss_like"}


def test_event_file_grows_by_appending_where_asked(oss, mc):
    cluster = Cluster(Training(2, 0.0, 100, appends=True), any_table=True)
    with MaxComputeServer(oss, {"id": "secret"}, "demo", cluster=cluster) as server:
        client = ODPS("id", "secret", project="demo", endpoint=server.endpoint)
        job = {
            "config": "oss://bkt/pipeline.config",
            "train_tables": "odps://demo/tables/unheard_of",
            "eval_tables": "odps://demo/tables/of",
            "model_dir": "oss://bkt/appended",
        }
        client.run_xflow("easy_rec_ext", "algo_public", job).wait_for_success(interval=0.05)

    (facts,) = oss.objects("bkt", "appended/eval_val/")
    assert facts.kind == "Appendable"
    assert sorted({step for step, _, _ in scalars(oss, "appended/eval_val/")}) == [4000, 8000]


def test_same_job_gives_the_same_scores(submit, oss):
    for name in ("one", "two"):
        submit(model_dir=f"oss://bkt/{name}").wait_for_success(interval=0.05)

    assert scalars(oss, "one/eval_val/") == scalars(oss, "two/eval_val/")


def test_learning_rate_matters(submit, oss):
    key = (
        "train_config.optimizer_config[0].adam_optimizer.learning_rate"
        ".exponential_decay_learning_rate.initial_learning_rate"
    )
    for name, rate in (("good", 3e-3), ("slow", 1e-6)):
        submit({key: rate}, model_dir=f"oss://bkt/{name}").wait_for_success(interval=0.05)

    good, slow = (
        [value for _, tag, value in scalars(oss, f"{name}/eval_val/") if tag == "auc"][-1]
        for name in ("good", "slow")
    )
    assert good > slow + 0.03


def test_sub_instances_appear_and_the_last_one_with_the_end(submit, mc, o):
    instance = submit()
    record = mc.instances[instance.id]

    assert mc.instances.await_change(lambda: "report" in record.sub_instances, DEADLINE)
    assert record.is_final  # a client that stops asking at the end has not seen it
    assert list(o.get_xflow_sub_instances(instance)) == ["check", "train", "report"]
    subs = [mc.instances[one] for one in record.sub_instances.values()]
    assert [one.parent for one in subs] == [instance.id] * 3
    assert all(one.is_final for one in subs)
    assert record.submitted <= record.started <= subs[1].started <= subs[1].ended <= record.ended


def test_source_shows_the_parameters_that_were_submitted(submit, o):
    submit(version="marked-1")

    xflows = o.get_project().xflows
    sources = []
    for listed in o.list_instances():
        try:
            sources.append(xflows.get_xflow_source(listed))
        except errors.InvalidParameter:  # a sub-instance, which has none
            continue

    (source,) = sources

    assert b"marked-1" in source
    assert b"algo_public" in source


def test_worker_log_can_be_read(submit, o):
    instance = submit()
    instance.wait_for_success(interval=0.05)
    train = o.get_xflow_sub_instances(instance)["train"]

    (worker,) = train.get_task_workers("train")

    assert "train 300 samples, 9 features" in worker.get_log("stdout")
    assert len(worker.get_log("stdout", 10)) <= 10


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"config": "oss://bkt/no.config"}, "NoSuchKey"),
        ({"config": "oss://nowhere/no.config"}, "NoSuchBucket"),
        ({"config": None}, "-Dconfig is not set"),
        ({"eval_tables": None}, "-Deval_tables is not set"),
        ({"cmd": "export"}, "this trainer only trains"),
        ({"edit_config_json": '{"model_config.nope": 1}'}, "nope"),
        ({"edit_config_json": "nothing"}, "edit_config_json"),
        ({"edit_config_json": '{"train_config.num_steps": 1.5}'}, "num_steps"),
        ({"train_tables": "odps://demo/tables/nope"}, "Table not found"),
        ({"train_tables": "odps://demo/tables/train/dt=1999"}, "Table not found"),
        ({"train_tables": "odps://nowhere/tables/train"}, "Table not found"),
        ({"train_tables": "train"}, "Invalid argument"),
    ],
)
def test_job_that_cannot_be_done_fails_and_says_why(submit, mc, changes, said):
    instance = submit(**changes)

    with pytest.raises(errors.ODPSError, match=said):
        instance.wait_for_success(interval=0.02)

    assert mc.instances[instance.id].status is TaskStatus.FAILED
    assert not mc.instances.running()


def test_rate_that_is_far_too_high_is_reported(submit):
    key = "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    rate = "{constant_learning_rate {learning_rate: 1e30}}"
    instance = submit({key: rate})

    with pytest.raises(errors.ODPSError, match="NaN loss during training"):
        instance.wait_for_success(interval=0.02)


def test_fine_tuning_begins_where_the_other_ended(submit, oss, mc):
    submit(model_dir="oss://bkt/parent").wait_for_success(interval=0.05)
    child = submit(
        {"train_config.fine_tune_checkpoint": "oss://bkt/none"},
        model_dir="oss://bkt/child",
        fine_tune_checkpoint="oss://bkt/parent",  # counts more than the edit
    )
    child.wait_for_success(interval=0.05)

    parent_auc, child_auc = (
        [value for _, tag, value in scalars(oss, f"{name}/eval_val/") if tag == "auc"]
        for name in ("parent", "child")
    )
    assert "restored from oss://bkt/parent" in last_log(mc, child)[0]
    assert abs(child_auc[0] - parent_auc[-1]) < abs(parent_auc[0] - parent_auc[-1]) + 0.02

    orphan = submit(
        {"train_config.fine_tune_checkpoint": "oss://bkt/none"}, model_dir="oss://bkt/x"
    )
    with pytest.raises(errors.ODPSError, match="no checkpoint"):
        orphan.wait_for_success(interval=0.02)


@pytest.mark.parametrize("cluster", [SLOW])
def test_stopping_the_parent_leaves_its_training_to_be_stopped(submit, mc, o):
    instance = submit()
    await_evaluation(mc, instance)
    train = o.get_xflow_sub_instances(instance)["train"]

    instance.stop()
    assert [one.id for one in mc.instances.running()] == [train.id]
    train.stop()

    assert mc.instances.await_change(lambda: not mc.instances.running(), DEADLINE)
    assert mc.instances[train.id].stopped_by == "id"
    assert mc.instances[instance.id].status is TaskStatus.CANCELLED
    mc.stop()
    assert not trainers()


@pytest.mark.parametrize("cluster", [SLOW])
def test_stopping_the_training_fails_the_parent(submit, mc, o):
    instance = submit()
    await_evaluation(mc, instance)

    o.get_xflow_sub_instances(instance)["train"].stop()

    with pytest.raises(errors.ODPSError, match="was stopped"):
        instance.wait_for_success(interval=0.02)


@pytest.mark.parametrize("cluster", [Cluster(SLOW.training, slots=1)])
def test_jobs_wait_for_a_slot(submit, mc):
    first = submit()
    mc.instances.await_change(lambda: mc.instances[first.id].started, DEADLINE)
    second = submit()

    (task,) = second.get_task_statuses().values()
    assert task.status.value == "WAITING"
    first.stop()

    assert mc.instances.await_change(lambda: mc.instances[second.id].started, DEADLINE)


@pytest.mark.parametrize("cluster", [Cluster(SLOW.training, queue_seconds=0.3)])
def test_queue_time_passes_before_the_start(submit, mc):
    record = mc.instances[submit().id]

    assert mc.instances.await_change(lambda: record.started, DEADLINE)
    assert record.started - record.submitted >= 0.3


def test_job_that_hangs_in_the_queue_can_be_stopped(submit, mc):
    mc.faults.add(JobFault(Fate.WAITS))
    instance = submit()

    assert not mc.instances[instance.id].sub_instances
    instance.stop()

    assert not mc.instances.running()
    assert mc.instances[instance.id].started is None


@pytest.mark.parametrize(
    "fault, said",
    [
        (JobFault(Fate.FAILS, message="ODPS-0010000:worker 3 lost"), "ODPS-0010000:worker 3 lost"),
        (JobFault(Fate.DIES), ""),
    ],
)
def test_job_fails_after_its_first_evaluation(submit, mc, fault, said):
    mc.faults.add(fault)
    instance = submit()

    with pytest.raises(errors.ODPSError) as raised:
        instance.wait_for_success(interval=0.02)

    assert said in str(raised.value)
    assert any(line.startswith("eval") for line in last_log(mc, instance))
    assert mc.instances[instance.id].result == said


def test_job_can_vanish_while_the_service_says_that_it_runs(submit, mc, o):
    mc.faults.add(JobFault(Fate.VANISHES))
    instance = submit()
    await_evaluation(mc, instance)

    assert eventually(lambda: not trainers())
    assert instance.status == instance.Status.RUNNING
    o.get_xflow_sub_instances(instance)["train"].stop()
    assert mc.instances.await_change(lambda: not mc.instances.running(), DEADLINE)


@pytest.mark.parametrize("cluster", [SLOW])
def test_job_that_is_stopped_at_once_ends(submit, mc, o):
    for _ in range(5):
        instance = submit()
        train = eventually(lambda job=instance: mc.instances[job.id].sub_instances.get("train"))
        o.get_instance(train).stop()

    assert mc.instances.await_change(lambda: not mc.instances.running(), DEADLINE)


@pytest.mark.parametrize("cluster", [SLOW])
def test_secrets_are_in_no_process(submit, mc, oss):
    instance = submit()
    await_evaluation(mc, instance)

    _, secret = oss.internal
    assert trainers()
    assert not processes_with(secret)


def test_edits_are_seen_by_the_trainer(submit, mc, oss):
    edits = {
        "train_config.num_steps": 600,
        "train_config.save_checkpoints_steps;data_config.batch_size": "300;64",
        "feature_configs[input_names[0]=user_id].embedding_dim": 3,
    }
    submit(edit_config_json=json.dumps(edits)).wait_for_success(interval=0.05)

    assert sorted({step for step, _, _ in scalars(oss, "model/eval_val/")}) == [300, 600]


@pytest.mark.parametrize("cluster", [Cluster(SLOW.training, nests=True)])
def test_training_below_a_sub_workflow_is_found_and_stopped(submit, mc, o):
    instance = submit()
    flow = eventually(lambda: mc.instances[instance.id].sub_instances.get("flow"))
    eventually(lambda: mc.instances[flow].sub_instances.get("train"))

    found = o.get_xflow_sub_instances(instance)
    assert list(found) == ["check", "train"]
    found["train"].stop()

    assert mc.instances.await_change(lambda: not mc.instances.running(), DEADLINE)
    assert [one.id for one in mc.instances.submitted()] == [instance.id]
    assert mc.instances[flow].status is TaskStatus.FAILED


@pytest.mark.parametrize(
    "cluster", [Cluster(Training(2, 0.0, 100, directory="eval"), any_table=True)]
)
def test_event_files_can_go_where_easyrec_falls_back_to(submit, oss):
    submit().wait_for_success(interval=0.05)

    assert len(oss.objects("bkt", "model/eval/")) == 1
    assert not oss.objects("bkt", "model/eval_val/")


def test_eight_jobs_at_once_end_well(submit, mc):
    jobs = [submit(model_dir=f"oss://bkt/{number}") for number in range(8)]

    assert mc.instances.await_change(lambda: not mc.instances.running(), 2 * DEADLINE)
    assert {mc.instances[job.id].status for job in jobs} == {TaskStatus.SUCCESS}


def test_client_can_ask_a_job_about_everything(submit, o):
    instance = submit()
    instance.wait_for_success(interval=0.05)
    train = o.get_xflow_sub_instances(instance)["train"]

    (stage,) = train.get_task_progress("train").stages
    (task,) = train.get_task_statuses().values()

    assert (stage.finished_percentage, stage.terminated_workers) == (100, 1)
    assert (task.name, task.type, task.status.value) == ("train", "PS", "SUCCESS")
    assert task.start_time <= task.end_time
    assert train.get_task_names() == ["train"]
    assert [one.name for one in train.tasks] == ["train"]
    assert instance.get_task_result("easy_rec_ext") == ""
    with pytest.raises(errors.InvalidParameter):
        o.get_xflow_sub_instances(train)
    with pytest.raises(errors.NoSuchObject):
        train.get_worker_log("no such log", "stdout")
