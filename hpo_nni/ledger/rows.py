"""Records as rows and back: a column per field, of the same name.

Mappings are JSON as Python writes it, in which the non-finite numbers are spelled `NaN`,
`Infinity` and `-Infinity`, without quotes. In columns of numbers there is no NaN, which SQLite
takes for NULL, and one zero only.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    DailyRunRecord,
    DayRecord,
    DayState,
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    NoticeRecord,
    Training,
    TrainingUse,
    TrialRecord,
    TrialState,
)

Record = TypeVar(
    "Record",
    ExperimentRecord,
    TrialRecord,
    JobRecord,
    EvaluationRecord,
    DecisionRecord,
    NoticeRecord,
    DailyRunRecord,
    DayRecord,
    Training,
    TrainingUse,
)

TABLES: dict[type, str] = {
    ExperimentRecord: "experiments",
    TrialRecord: "trials",
    JobRecord: "jobs",
    EvaluationRecord: "evaluations",
    DecisionRecord: "decisions",
    NoticeRecord: "notices",
    DailyRunRecord: "daily_runs",
    DayRecord: "days",
    Training: "trainings",
    TrainingUse: "training_uses",
}
_STATES: dict[type, type] = {TrialRecord: TrialState, DayRecord: DayState}
DECODERS = {
    "settings": json.loads,
    "parameters": json.loads,
    "values": json.loads,
    "figures": json.loads,
    "resources": json.loads,
    "champion": json.loads,
    "challenger": json.loads,
    "champion_scores": json.loads,
    "challenger_scores": json.loads,
    "verdict": json.loads,
    "configs": lambda text: tuple(json.loads(text)),
    "is_baseline": bool,
    "points": lambda text: tuple((step, values, at) for step, values, at in json.loads(text)),
    "runner": lambda text: ProcessIdentity.parse(text or ""),
    "manager": lambda text: ProcessIdentity.parse(text or ""),
}


def columns(kind: type) -> str:
    """The columns of a record's table, ready for SQL.

    In brackets: what stands in double quotes and is no column is a string to SQLite.

    >>> columns(DecisionRecord)
    '[trial_id], [actor], [action], [reason], [time], [figures]'
    """
    return ", ".join(f"[{field.name}]" for field in dataclasses.fields(kind))


def insert(kind: type, *, verb: str = "INSERT") -> str:
    """The statement that writes a record; `to_row` gives its parameters."""
    marks = ", ".join("?" for _ in dataclasses.fields(kind))
    return f"{verb} INTO {TABLES[kind]} ({columns(kind)}) VALUES ({marks})"  # our own names


def select(kind: type, rest: str) -> str:
    """The statement that reads records; `rest` follows the table's name."""
    return f"SELECT {columns(kind)} FROM {TABLES[kind]} {rest}"  # noqa: S608  # our own names


def to_row(record: Record) -> list[Any]:
    """The values of a record in the order of `columns`."""
    return [encode(getattr(record, field.name)) for field in dataclasses.fields(record)]


def from_row(kind: type[Record], row: Sequence[Any]) -> Record:
    """The record that a row of `select` holds.

    Raises:
        LedgerError: there is something in it that we never wrote.
    """
    decoders: dict[str, Any] = {**DECODERS}
    if kind in _STATES:
        decoders["state"] = _STATES[kind]
    fields = list(zip(dataclasses.fields(kind), row, strict=True))
    try:
        return kind(
            **{field.name: decoders.get(field.name, _same)(value) for field, value in fields}
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(TABLES[kind], error) from error


def damaged(table: str, error: Exception) -> LedgerError:
    """What is said of a row that cannot be understood."""
    return LedgerError(
        f"a row of the ledger's table {table} is damaged: {error}",
        hint="move the ledger away with its -wal and -shm files, and keep it; "
        "`sqlite3 FILE .recover` can read what is left",
    )


def encode(value: Any) -> Any:
    """One value as SQLite takes it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, ProcessIdentity):
        return str(value)
    if isinstance(value, str):  # half a surrogate pair, from a damaged file name, has no UTF-8
        return value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, int | float):
        return value
    return json.dumps(dict(value) if isinstance(value, Mapping) else list(value))


def _same(value: Any) -> Any:
    return value
