"""What the settings of a trial need in the cloud, read from their commands, files and metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpo_nni.errors import CommandSyntaxError
from hpo_nni.inspection.statements import tables_of
from hpo_nni.platforms.maxcompute_edits import PARAMETER
from hpo_nni.platforms.maxcompute_models import CHECKPOINT, checkpoint_of
from hpo_nni.platforms.maxcompute_tables import TablePath, is_output, parse_table, tables_in
from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command
from hpo_nni.trial.day_settings import Missing
from hpo_nni.trial.steps import MAXCOMPUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.settings import TrialSettings

_OBJECTS = ("config", "script")  # parameters that name one object, which the job reads
_URI = re.compile(r"oss://[^\s,'\"]+")
_NO_TABLE = TablePath("", "")
_BY_STEP = "a step of the trial has to make it"
_LATE_DAY = "missing_policy says what becomes of its day"


@dataclass(frozen=True)
class Need:
    """One thing that has to be there.

    Attributes:
        kind: `project`, `xflow`, `table`; on OSS `object` (read), `checkpoint` (a beginning of
            names), `folder` (listed), `target` (written).
        what: its name or URI.
        where: `file:line key` of what names it.
        is_ours: whether trials themselves need it, and not only their jobs.
        table: of the kind `table`.
        may_be_empty: whether a table without rows will do.
        may_come_later: of whom it is known that they may make the table, in words; empty where it
            has to be there now.
    """

    kind: str
    what: str
    where: str
    is_ours: bool = True
    table: TablePath = _NO_TABLE
    may_be_empty: bool = False
    may_come_later: str = ""

    @property
    def is_in_maxcompute(self) -> bool:
        """Whether it is no matter of OSS."""
        return self.kind in {"project", "xflow", "table"}

    @property
    def bucket(self) -> str:
        """Of a URI on OSS."""
        return self.what.partition("://")[2].partition("/")[0]


def needs_of(settings: TrialSettings, environ: Mapping[str, str]) -> list[Need]:
    """Everything, once each: of each step a project before what is in it.

    Raises:
        SettingsError: the project is a reference that leads nowhere.
    """
    odps = settings.accounts.odps
    is_asked = settings.platform == MAXCOMPUTE or settings.metrics.kind == "table"
    project = odps.get("project", environ, settings.accounts.directory) if odps and is_asked else ""
    found = [
        *_of_steps(settings, project),
        *_of_data(settings),
        *_of_files(settings),
        *_of_metrics(settings, project),
    ]
    if settings.days.missing is not Missing.FAIL:
        found = [_late(need, settings) for need in found]
    unique: dict[tuple[str, str], Need] = {}
    for need in found:
        old = unique.get((need.kind, need.what))
        if (
            old is None
            or (need.is_ours and not old.is_ours)
            or (old.may_be_empty and not need.may_be_empty)
        ):
            unique[need.kind, need.what] = need
    return list(unique.values())


def _of_steps(settings: TrialSettings, project: str) -> Iterator[Need]:
    name = settings.path.name
    if settings.platform != MAXCOMPUTE:
        return
    odps = settings.accounts.odps
    if odps is not None:
        yield Need("project", project, odps.places.get("project", name))
    made = {file.target for file in settings.files}
    for step in settings.steps:
        where = f"{name}:{step.line} {step.key}"
        if not is_pai_command(step.command):
            found = tables_of(step.command)
            for table in (TablePath(one.project or project, one.name) for one in found.needed):
                if str(table) not in made:
                    yield from _named(table, where)
            made |= {str(TablePath(one.project or project, one.name)) for one in found.made}
            continue
        try:
            xflow = parse_pai_command(step.command)
        except CommandSyntaxError:  # `hpo-nni check` has told it
            continue
        yield Need("xflow", f"{xflow.project}.{xflow.name}", where)
        yield from _of_parameters(xflow, where, made)
        made.add(xflow.parameters.get("model_dir", "").rstrip("/"))


def _of_data(settings: TrialSettings) -> Iterator[Need]:
    """The tables that `[day_config]` names, beside those of the commands."""
    for step in settings.steps:
        where = f"{settings.path.name}:{step.line} {step.key}"
        for table in filter(None, map(parse_table, step.link.data)):
            yield Need("project", table.project, where)
            yield Need("table", str(table), where, table=table)


def _late(need: Need, settings: TrialSettings) -> Need:
    """The same, of which a trial knows what to do where it is not there."""
    if any(need.what in step.link.data for step in settings.steps):
        return replace(need, may_be_empty=True, may_come_later=_LATE_DAY)
    return need


def _of_parameters(xflow: XFlow, where: str, made: set[str]) -> Iterator[Need]:
    """What one command needs, save for what the trial itself has made by then."""
    for key, value in xflow.parameters.items():
        place = f"{where} -D{key}"
        yield from _of_tables(key, value, place, made)
        if key in _OBJECTS and value.startswith("oss://"):
            if value not in made:
                yield Need("object", value, place, is_ours=False)
        elif key in {PARAMETER, CHECKPOINT}:
            start = checkpoint_of({key: value})
            if start.startswith("oss://") and start.rstrip("/") not in made:
                yield Need("checkpoint", start, place, is_ours=False)
        else:
            for uri in _URI.findall(value):
                yield Need("folder", _bucket_of(uri), place, is_ours=False)


def _of_tables(key: str, value: str, place: str, made: set[str]) -> Iterator[Need]:
    """The tables of one parameter; those that the job writes are there for later steps."""
    for table in tables_in(value):
        yield Need("project", table.project, place)
        whole = str(TablePath(table.project, table.name))
        if is_output(key):
            made.add(whole)
        elif whole not in made:
            yield Need("table", str(table), place, table=table)


def _named(table: TablePath, where: str, *, may_come_later: str = "") -> Iterator[Need]:
    """A table in a statement, which may have a filter, or fill the table first."""
    yield Need("project", table.project, where)
    yield Need(
        "table",
        str(table),
        where,
        table=table,
        may_be_empty=True,
        may_come_later=may_come_later,
    )


def _bucket_of(uri: str) -> str:
    """The bucket of a URI, which some documents write with the endpoint behind it.

    >>> _bucket_of("oss://b.oss-cn-beijing-internal.aliyuncs.com/x"), _bucket_of("oss://b/x/y")
    ('oss://b/', 'oss://b/')
    """
    host = uri.removeprefix("oss://").partition("/")[0]
    return f"oss://{host.partition('.')[0]}/"


def _of_files(settings: TrialSettings) -> Iterator[Need]:
    for file in settings.files:
        where = f"{settings.path.name}:{file.line} {file.key}"
        if file.source.startswith("oss://"):
            yield Need("object", file.source, where)
        if file.target.startswith("oss://"):
            yield Need("target", f"{file.target.rpartition('/')[0]}/", where)


def _of_metrics(settings: TrialSettings, project: str) -> Iterator[Need]:
    metrics, name = settings.metrics, settings.path.name
    for key, source in metrics.sources:
        line = metrics.lines.get(key)
        where = f"{name}:{line} {key}" if line else f"{name} {key}"
        if metrics.kind == "table":
            for one in tables_of(source).needed:
                table = TablePath(one.project or project, one.name)
                yield from _named(table, where, may_come_later=_BY_STEP)
        elif source.startswith("oss://"):
            yield Need("folder", source, where)
