from __future__ import annotations

import dataclasses
import math
import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
)
from hpo_nni.ledger.rows import TABLES, from_row, insert, select, to_row
from hpo_nni.ledger.schema import MIGRATIONS

# A column of numbers knows one zero only.
finite = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
integers = st.integers(-(2**63), 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
identities = st.none() | st.builds(
    ProcessIdentity, st.just("host.example"), st.just("b0-0c"), integers, integers
)
FIELDS = {
    "runner": identities,
    "manager": identities,
    "halted": st.none() | finite,
    "missing_since": st.none() | finite,
    "settings": st.dictionaries(st.text(), json_values),
    "parameters": st.dictionaries(st.text(), json_values),
    "configs": st.lists(st.text()).map(tuple),
    "values": st.dictionaries(st.text(), st.floats()),
    "figures": st.dictionaries(st.text(), st.floats()),
    "score": st.none() | finite,
    "ended": st.none() | finite,
    "started": finite,
    "begun": finite,
    "time": finite,
    "intended": finite,
    "resources": st.dictionaries(st.text(), finite),
    "rate": st.none() | finite,
    "ran": finite,
    "running_since": st.none() | finite,
}
INTEGERS = {"number", "pid", "pid_started", "step"}


def records(kind):
    chosen = {
        field.name: FIELDS[field.name]
        if field.name in FIELDS
        else integers
        if field.name in INTEGERS and (kind, field.name) != (JobRecord, "step")
        else st.text()
        for field in dataclasses.fields(kind)
        if field.name not in {"state", "is_baseline"}
    }
    return st.builds(kind, **chosen)


def spelled(record):
    """Equal for equal records; NaN is equal to itself here."""
    return repr(dataclasses.asdict(record))


def round_trip(record):
    connection = sqlite3.connect(":memory:")
    for migration in MIGRATIONS:
        for statement in migration:
            connection.execute(statement)
    connection.execute(insert(type(record)), to_row(record))
    row = connection.execute(select(type(record), "")).fetchone()
    connection.close()
    return from_row(type(record), row)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        *map(records, (ExperimentRecord, TrialRecord, JobRecord, EvaluationRecord, DecisionRecord))
    )
)
def test_records_come_back_as_they_went(record):
    assert spelled(round_trip(record)) == spelled(record)


def test_non_finite_numbers_are_spelled_as_documented():
    values = {"a": math.nan, "b": math.inf, "c": -math.inf}
    row = to_row(EvaluationRecord("t", "s", 1, values, None, 1.0))

    assert row[3] == '{"a": NaN, "b": Infinity, "c": -Infinity}'


def test_text_from_a_damaged_file_name_can_be_stored():
    record = DecisionRecord("t", "runner", "keep", "half a pair: \udc80", 1.0)

    assert round_trip(record).reason == "half a pair: ?"


def test_tables_have_exactly_the_fields_of_their_records():
    connection = sqlite3.connect(":memory:")
    for migration in MIGRATIONS:
        for statement in migration:
            connection.execute(statement)
    ours = {"evaluations": {"number"}, "decisions": {"number"}}

    for kind, table in TABLES.items():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        fields = {field.name for field in dataclasses.fields(kind)}
        assert columns == fields | ours.get(table, set())
    connection.close()
