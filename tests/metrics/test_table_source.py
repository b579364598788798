"""Rows as points: of a MaxCompute that runs here, and of a service that gives odder things."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import NamedTuple

import pytest

from hpo_nni.errors import PlatformError, SettingsError, TransientPlatformError
from hpo_nni.metrics import open_source
from hpo_nni.metrics.table_source import Statement
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.platforms.maxcompute_statements import MaxComputeStatements
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.tables import Column, Table
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.tables import TrialTables

NAN = float("nan")


class Given(NamedTuple):
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


class Script:
    """A service that answers by a script: rows, or an error, for each statement in turn."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def begin(self, statement):
        self.asked.append(statement)
        return str(len(self.asked))

    def result(self, query):
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def select(self, statement):
        return self.result(self.begin(statement))


def opened(reader, metrics=("auc",), text="select 1", **options):
    return open_source("table", [Statement(text, reader)], list(metrics), options)


def plain(points):
    return [(point.step, dict(point.values)) for point in points]


def finished(columns, *rows, metrics=("auc",), **options):
    source = opened(Script(Given(columns, rows)), metrics, **options)
    return source, plain(source.finish())


def test_each_row_is_a_step():
    _, points = finished(("global_step", "auc"), (100, 0.5), (200, 0.6))

    assert points == [(100, {"auc": 0.5}), (200, {"auc": 0.6})]


def test_rows_without_a_step_are_counted():
    _, points = finished(("auc",), (0.5,), (0.6,))

    assert points == [(1, {"auc": 0.5}), (2, {"auc": 0.6})]


def test_a_column_is_found_in_any_case():
    _, points = finished(("STEP", "Auc"), (3, 0.5))

    assert points == [(3, {"auc": 0.5})]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (1, 1.0),
        (Decimal("0.25"), 0.25),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        (float("inf"), math.inf),
        (0, 0.0),
    ],
)
def test_numbers_come_in_many_types(cell, value):
    _, points = finished(("auc",), (cell,))

    assert points == [(1, {"auc": value})]


@pytest.mark.parametrize("cell", [NAN, Decimal("NaN"), "nan"])
def test_nan_is_a_value(cell):
    _, [(_, values)] = finished(("auc",), (cell,))

    assert math.isnan(values["auc"])


def test_null_is_a_metric_that_was_not_measured():
    source, points = finished(
        ("auc", "loss"), (None, 0.5), (0.9, None), (None, None), metrics=("auc", "loss")
    )

    assert points == [(1, {"loss": 0.5}), (2, {"auc": 0.9})]
    assert source.damaged == 0


@pytest.mark.parametrize("cell", [True, b"1", dt.datetime(2022, 6, 17), [0.5], "high"])  # noqa: DTZ001
def test_what_is_no_number_is_damage(cell, caplog):
    source, points = finished(("auc",), (cell,), (0.5,))

    assert points == [(2, {"auc": 0.5})]
    assert source.damaged == 1
    assert "row 1: auc is" in caplog.text


def test_a_row_without_the_step_that_was_asked_for_is_damage():
    source, points = finished(("ep", "auc"), (None, 0.5), (2, 0.6), step_key="ep")

    assert points == [(2, {"auc": 0.6})]
    assert source.damaged == 1


def test_only_what_is_new_or_different_is_given():
    first, second = ((1, 0.5), (2, 0.6)), ((1, 0.5), (2, 0.7), (3, 0.8))
    columns = ("step", "auc")
    reader = Script(*(Given(columns, rows) for rows in (first, first, second, second)))
    source = opened(reader)

    polls = [plain(source.poll()) for _ in range(4)]

    assert polls == [
        [],
        [(1, {"auc": 0.5}), (2, {"auc": 0.6})],
        [],
        [(2, {"auc": 0.7}), (3, {"auc": 0.8})],
    ]
    assert plain(source.finish()) == []


def test_a_statement_that_runs_is_not_submitted_again():
    reader = Script(None, None, Given(("auc",), ((0.5,),)))
    source = opened(reader)

    assert [plain(source.poll()) for _ in range(4)] == [[], [], [], [(1, {"auc": 0.5})]]
    assert len(reader.asked) == 2


def test_an_error_is_said_once_and_the_next_poll_tries_again(caplog):
    gone = PlatformError("the statement failed: Table not found")
    source = opened(Script(gone, gone, Given(("auc",), ((0.5,),))))
    polls = [plain(source.poll()) for _ in range(6)]

    assert polls[-1] == [(1, {"auc": 0.5})]
    assert caplog.text.count("Table not found") == 1


def test_what_never_worked_is_told_in_the_services_words():
    source = opened(Script(PlatformError("the statement failed: Table not found")))

    assert source.finish() == []
    assert "cannot be read: the statement failed: Table not found" in source.account()


def test_no_score_is_made_from_the_rows_that_there_were_before_the_last_ones():
    early = Given(("auc",), ((0.5,),))
    source = opened(Script(early, PlatformError("no privilege any more")))
    assert [plain(source.poll()) for _ in range(2)] == [[], [(1, {"auc": 0.5})]]

    with pytest.raises(PlatformError, match="no privilege"):
        source.finish()


def test_a_busy_service_is_waited_for_at_the_end():
    """The patience is the trial's own: pauses, and tries after faults that may pass."""
    pauses = []
    tables = TrialTables(None, pauses.append)
    busy = TransientPlatformError("too much at once")
    tables.__dict__["_tables"] = Script(busy, None, None, Given(("auc",), ((0.5,),)))

    assert tables.select("select 1").rows == ((0.5,),)
    assert len(pauses) == 3


def test_a_long_statement_is_shortened_in_messages():
    assert len(str(Statement("select " + "x, " * 100, Script()))) < 70


def test_options_of_other_sources_are_faults():
    with pytest.raises(SettingsError, match="step_regex"):
        opened(Script(), step_regex=r"(\d+)")


@pytest.fixture
def server(tmp_path):
    with (
        OssServer(tmp_path / "oss", {"id": "secret"}, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, {"id": "secret"}, "demo") as jobs,
    ):
        yield jobs


def connection(server, secret="secret", token=None, region=""):
    pair = Credentials(Secret("id"), Secret(secret), token and Secret(token))
    return MaxComputeConnection("demo", server.endpoint, pair, region=region)


def fill(server, *rows):
    columns = (
        Column("step", "bigint"),
        Column("auc", "double"),
        Column("note", "string"),
    )
    server.add_table(Table("evals", columns, (), {"": list(rows)}))


def test_the_real_client_reads_numbers_null_nan_and_text(server):
    fill(server, (10, 0.5, "0.25"), (20, NAN, None), (30, None, "7"))
    reader = MaxComputeStatements(lambda: connection(server))
    source = opened(reader, ("auc", "note"), "select step, auc, note from evals order by step")

    found = []
    eventually(lambda: found.extend(source.poll()) or found)

    assert plain(found)[0] == (10, {"auc": 0.5, "note": 0.25})
    assert math.isnan(found[1].values["auc"])
    assert plain(found)[2:] == [(30, {"note": 7.0})]


def test_rows_that_come_later_are_read_later(server):
    fill(server, (10, 0.5, None))
    reader = MaxComputeStatements(lambda: connection(server))
    source = opened(reader, text="select step, auc from evals")
    found = []
    eventually(lambda: found.extend(source.poll()) or found)
    fill(server, (10, 0.5, None), (20, 0.6, None))
    tables = TrialTables(None, lambda _: None)
    tables.__dict__["_tables"] = reader

    whole = opened(tables, text="select step, auc from evals").finish()

    assert plain(whole) == [(10, {"auc": 0.5}), (20, {"auc": 0.6})]
    eventually(lambda: len(found) >= 2 or found.extend(source.poll()))
    assert plain(found) == plain(whole)


@pytest.mark.parametrize(
    ("statement", "secret", "words"),
    [
        ("select auc from missing", "secret", "Table not found"),
        ("select wrong from evals", "secret", "column wrong cannot be resolved"),
        ("select from where", "secret", "Parse exception"),
        ("select auc from evals", "other", "the access key's secret does not belong to its id"),
    ],
)
def test_what_the_service_refuses_is_said_in_its_words(server, statement, secret, words):
    fill(server, (10, 0.5, None))
    reader = MaxComputeStatements(lambda: connection(server, secret))

    def ask():
        query = reader.begin(statement)
        return eventually(lambda: reader.result(query))

    with pytest.raises(PlatformError) as caught:
        ask()

    assert words in f"{caught.value} {caught.value.hint}"


def test_rows_come_with_temporary_keys_and_signatures_for_a_region(server):
    """The rows come through another door, the tunnel, for which pyodps signs as V2."""
    fill(server, (10, 0.5, None))
    server.keyring.tokens["id"] = "token-1"
    reader = MaxComputeStatements(lambda: connection(server, token="token-1", region="cn-x"))
    query = reader.begin("select auc from evals")

    assert eventually(lambda: reader.result(query)).rows == ((0.5,),)
    assert "V4" in server.keyring.versions
