"""The MaxCompute server, driven by the real pyodps."""

from __future__ import annotations

import threading
import time
import warnings

import pytest
import requests
from odps import ODPS, errors

from hpo_nni.testing.cloud.faults import Fate, JobFault
from hpo_nni.testing.cloud.instances import TaskStatus


@pytest.fixture(params=[None, "cn-x"], ids=["V2", "V4"])
def signed(request, mc):
    """A client for each version of signatures."""
    return ODPS("id", "secret", project="demo", endpoint=mc.endpoint, region_name=request.param)


def test_project_is_found_and_a_missing_one_is_not(signed):
    assert signed.exist_project("demo")
    assert not signed.exist_project("no")
    with pytest.raises(errors.NoSuchProject):
        signed.get_project("no").reload()


@pytest.mark.parametrize("region", [None, "cn-x"], ids=["V2", "V4"])
@pytest.mark.parametrize(
    "key, secret, error",
    [
        ("id", "wrong", errors.SignatureNotMatch),
        ("id", "secret too", errors.SignatureNotMatch),
        ("nobody", "secret", errors.InvalidParameter),
    ],
)
def test_wrong_keys_are_refused(mc, region, key, secret, error):
    client = ODPS(key, secret, project="demo", endpoint=mc.endpoint, region_name=region)

    with pytest.raises(error):
        client.exist_project("demo")
    with pytest.raises(error):
        client.run_sql("select 1")
    assert len(mc.instances) == 0


def test_wrong_secret_does_not_make_the_client_fall_back(mc):
    ODPS("id", "wrong", project="demo", endpoint=mc.endpoint, region_name="cn-x")
    client = ODPS("id", "wrong", project="demo", endpoint=mc.endpoint, region_name="cn-x")
    with pytest.raises(errors.SignatureNotMatch):
        client.exist_project("demo")

    assert [e.path for e in mc.exchanges].count("/api/projects/demo") == 1


def test_request_without_signature_is_refused(mc):
    response = requests.get(f"{mc.endpoint}/projects/demo", timeout=10)

    assert (response.status_code, "Unauthorized" in response.text) == (401, True)


def test_skewed_clock_is_refused_by_name(mc, signed):
    mc.clock_offset = 3600.0

    with pytest.raises(errors.RequestTimeTooSkewed) as raised:
        signed.exist_project("demo")

    assert raised.value.max_interval_date == 900_000


def test_security_token_is_checked(mc):
    from odps.accounts import StsAccount

    mc.keyring.tokens["id"] = "token"

    def client(token):
        account = StsAccount("id", "secret", token)
        return ODPS(account=account, project="demo", endpoint=mc.endpoint)

    assert client("token").exist_project("demo")
    with pytest.raises(errors.AuthorizationRequired):
        client("nekot").exist_project("demo")


def test_table_shows_its_columns_and_partitions(signed):
    table = signed.get_table("metrics")

    assert table.table_schema.names == ["step", "auc", "note"]
    assert [key.name for key in table.table_schema.partitions] == ["dt"]
    assert [(p.name, p.record_num) for p in table.partitions] == [("dt='1'", 2), ("dt='2'", 1)]
    assert table.exist_partition("dt=1")
    assert not table.exist_partition("dt=3")
    assert signed.get_table("test").record_num == 200
    assert signed.exist_table("metrics")
    assert not signed.exist_table("no")
    assert sorted(one.name for one in signed.list_tables()) == ["metrics", "test", "train"]


def test_missing_table_and_partition_have_their_errors(o):
    with pytest.raises(errors.NoSuchTable):
        o.get_table("no").reload()
    with pytest.raises(errors.NoSuchPartition):
        o.get_table("metrics").get_partition("dt=3").reload()
    with pytest.raises(errors.NoSuchPartition):
        o.get_table("metrics").open_reader(partition="dt=3")


def test_rows_come_through_the_tunnel(o):
    with o.get_table("metrics").open_reader(partition="dt=1") as reader:
        assert reader.count == 2
        assert [record.values for record in reader] == [[1, 0.5, 'é, "x"'], [-2, 0.6, None]]
    with o.get_table("metrics").open_reader(partition="dt=1", columns=["note", "step"]) as reader:
        assert [(r["note"], r["step"]) for r in reader] == [('é, "x"', 1), (None, -2)]


QUERY = "select step, auc, note from demo.metrics where dt = '1' order by step desc"


@pytest.mark.parametrize("tunnel", [True, False])
def test_select_returns_its_rows_both_ways(signed, tunnel):
    instance = signed.execute_sql(QUERY)

    with instance.open_reader(tunnel=tunnel) as reader:
        rows = [[record["step"], record["auc"], record["note"]] for record in reader]

    if tunnel:
        assert rows == [[1, 0.5, 'é, "x"'], [-2, 0.6, None]]
    else:
        assert [[int(step), float(value)] for step, value, _ in rows] == [[1, 0.5], [-2, 0.6]]
        assert rows[0][2] == 'é, "x"'


def test_result_can_be_taken_as_a_frame(o):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = o.execute_sql("select count(*) as n, max(auc) as best from metrics").to_pandas()

    assert frame.to_dict("records") == [{"n": 3, "best": 0.75}]


def test_settings_and_comments_are_no_part_of_the_statement(o):
    instance = o.execute_sql("set a.b=c;\n-- why\nselect count(*) as n from test;")

    with instance.open_reader() as reader:
        assert [record["n"] for record in reader] == [200]


@pytest.mark.parametrize(
    "query, error",
    [
        ("select * from nowhere", errors.NoSuchTable),
        ("selec 1", errors.ParseError),
        ("select from", errors.ParseError),
        ("select nothing from metrics", errors.ODPSError),
        ("drop table metrics", errors.ParseError),
    ],
)
def test_bad_sql_fails_in_the_services_words(o, mc, query, error):
    with pytest.raises(error, match="ODPS-01"):
        o.execute_sql(query)

    (record,) = mc.instances
    assert record.status is TaskStatus.FAILED


def test_logview_address_names_the_instance(signed):
    instance = signed.run_sql("select 1 as one")

    address = instance.get_logview_address()

    assert instance.id in address
    assert "token=" in address or "job-insights" in address


def test_source_of_sql_is_what_was_submitted(o):
    instance = o.run_sql("select 1 as one")

    assert "select 1 as one" in o.get_instance(instance.id).get_sql_query()


def test_instances_are_listed_newest_first_page_by_page(o, mc):
    mc.faults.add(JobFault(Fate.WAITS, first=3))
    made = [o.run_sql("select 1 as one").id for _ in range(3)]

    assert [one.id for one in o.list_instances()] == made[::-1]
    assert [one.id for one in o.list_instances(max_items=2)] == made[::-1]
    assert [one.id for one in o.list_instances(status="Running")] == [made[2]]
    assert [one.id for one in o.list_instances(status="Terminated")] == made[1::-1]


def test_list_can_be_limited_by_owner_and_time(o, mc):
    other = ODPS("other", "secret too", project="demo", endpoint=mc.endpoint)
    mine, theirs = o.run_sql("select 1 as one").id, other.run_sql("select 1 as one").id
    now = int(time.time())

    assert [one.id for one in o.list_instances(only_owner=True)] == [mine]
    assert [one.id for one in other.list_instances(only_owner=True)] == [theirs]
    assert len(list(o.list_instances(start_time=now - 60))) == 2
    assert list(o.list_instances(start_time=now + 60)) == []
    assert list(o.list_instances(end_time=now - 60)) == []


def test_listed_instance_carries_times_and_status(o):
    made = o.execute_sql("select 1 as one")

    (found,) = o.list_instances()

    assert found.status == found.Status.TERMINATED
    assert found.start_time is not None
    assert found.end_time is not None
    assert made.is_successful()


def test_unknown_instance_is_no_such_object(o):
    assert not o.exist_instance("20220617000000000gabc")
    with pytest.raises(errors.NoSuchObject):
        o.get_instance("20220617000000000gabc").reload()
    with pytest.raises(errors.NoSuchObject):
        o.stop_instance("20220617000000000gabc")


def test_stopping_ends_what_waits_and_is_refused_afterwards(o, mc):
    mc.faults.add(JobFault(Fate.WAITS))
    instance = o.run_sql("select 1 as one")
    assert instance.status == instance.Status.RUNNING
    (task,) = instance.get_task_statuses().values()
    assert task.status.value == "WAITING"

    instance.stop()

    with pytest.raises(errors.InvalidStateSetting):
        instance.stop()
    record = mc.instances[instance.id]
    assert (record.status, record.stopped_by) == (TaskStatus.CANCELLED, "id")
    assert record.started is None
    assert instance.is_terminated()
    assert not instance.is_successful()


def test_xflow_that_is_not_there_is_refused(o, mc):
    assert o.exist_xflow("easy_rec_ext", "algo_public")
    assert not o.exist_xflow("other", "algo_public")
    with pytest.raises(errors.NoSuchObject, match="xflow not found"):
        o.run_xflow("other", "algo_public", {})
    assert len(mc.instances) == 0


def test_malformed_submission_is_refused(mc, o):
    with pytest.raises(errors.InvalidParameter):
        o.get_project().instances.create(xml="<Instance")
    with pytest.raises(errors.InvalidParameter):
        o.get_project().instances.create(xml="<Instance/>")


def test_nothing_is_left_running(oss):
    from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer

    before = threading.active_count()
    with MaxComputeServer(oss, {"id": "secret"}, "demo") as mc:
        client = ODPS("id", "secret", project="demo", endpoint=mc.endpoint)
        mc.faults.add(JobFault(Fate.WAITS))
        client.run_xflow("easy_rec_ext", "algo_public", {})

    assert threading.active_count() == before
    (record,) = mc.instances
    assert record.ended is None


def test_calls_do_not_wait_for_delayed_acknowledgements(o):
    o.exist_project("demo")
    spans = []
    for _ in range(20):
        begun = time.monotonic()
        o.get_project("demo").reload()
        spans.append(time.monotonic() - begun)

    assert min(spans) < 0.03  # one that waits takes 0.04 every time
