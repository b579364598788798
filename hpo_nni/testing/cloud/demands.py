"""What the files of an experiment name on the services: the cloud must have it, or jobs fail."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.platforms.maxcompute_models import checkpoint_of
from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.settings import TrialSettings

TABLE = re.compile(
    r"odps://(?P<project>[^/,\s]+)/tables/(?P<name>[^/,\s]+)(?P<partition>/[^,\s]*)?"
)
_OBJECT = re.compile(r"oss://(?P<bucket>[^/.,\s'\"]+)")
_FROM = re.compile(r"\b(?:from|join)\s+(?:(\w+)\s*\.\s*)?(\w+)", re.IGNORECASE)


class TableName(NamedTuple):
    """A table; `project` is empty for that of the account."""

    project: str
    name: str


@dataclass
class Demands:
    """What is named anywhere, by any of the points that were looked at.

    Attributes:
        buckets: of OSS.
        tables: with the partitions that are read; none for a table that is read whole.
        configs: URIs of the base configs that jobs or trials read from OSS.
        checkpoints: URIs that training begins from.
    """

    buckets: set[str] = field(default_factory=set)
    tables: dict[TableName, set[str]] = field(default_factory=dict)
    configs: dict[str, None] = field(default_factory=dict)
    checkpoints: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, several: Sequence[TrialSettings]) -> Demands:
        """What these settings name: those of one file, each with another point."""
        found = cls()
        for settings in several:
            found._add(settings)
        return found

    def _add(self, settings: TrialSettings) -> None:
        written = {file.target for file in settings.files}
        texts = [text for file in settings.files for text in (file.source, file.target)]
        texts += [text for _, text in settings.metrics.sources]
        read = [file.source for file in settings.files]
        for step in settings.steps:
            texts += step.link.data
            if is_pai_command(step.command):
                xflow = parse_pai_command(step.command)
                texts += xflow.parameters.values()
                read.append(xflow.parameters.get("config", ""))
                self._add_checkpoint(xflow)
            else:
                texts.append(step.command)
                self._add_statement(step.command)
        self.configs.update(
            (uri, None) for uri in read if uri.startswith("oss://") and uri not in written
        )
        for text in texts:
            self.buckets.update(buckets_in(text))
            for table, partition in tables_in(text):
                self.tables.setdefault(table, set()).update(partition)

    def _add_checkpoint(self, xflow: XFlow) -> None:
        start = checkpoint_of(xflow.parameters)
        if start.startswith("oss://"):
            self.checkpoints.add(start)

    def _add_statement(self, statement: str) -> None:
        for project, name in _FROM.findall(statement):
            self.tables.setdefault(TableName(project, name), set())


def buckets_in(text: str) -> Iterator[str]:
    """The buckets of all `oss://` paths in a text.

    >>> list(buckets_in("oss://a/x,oss://b.oss-cn-beijing.aliyuncs.com/"))
    ['a', 'b']
    """
    return (found["bucket"] for found in _OBJECT.finditer(text))


def tables_in(text: str) -> Iterator[tuple[TableName, Iterable[str]]]:
    """The tables of all `odps://` paths in a text, each with its partition, if it has one.

    >>> list(tables_in("odps://p/tables/t/dt=1,odps://p/tables/u"))
    [(TableName(project='p', name='t'), ['dt=1']), (TableName(project='p', name='u'), [])]
    """
    for found in TABLE.finditer(text):
        partition = (found["partition"] or "").strip("/")
        yield TableName(found["project"], found["name"]), [partition] if partition else []
