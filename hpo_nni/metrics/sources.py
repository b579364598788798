"""Kinds of metric sources by name, and the one door that opens them.

Nothing of a kind is imported before it is asked for. A kind that needs a reader of a platform
(tables, job logs) will be given it by its caller; metrics do not import platforms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.errors import MetricError, Problem, RegistryError, SettingsError
from hpo_nni.registry import Registry, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from hpo_nni.metrics.base import MetricPoint, MetricSource
    from hpo_nni.metrics.events import EventFolder
    from hpo_nni.metrics.table_source import Statement

SOURCES = Registry(
    group="hpo_nni.metric_sources",
    builtin={
        "summary": "hpo_nni.metrics.events:EventSource",
        "stdout": "hpo_nni.metrics.stdout:StdoutSource",
        "json": "hpo_nni.metrics.json_source:JsonSource",
        "csv": "hpo_nni.metrics.csv_source:CsvSource",
        "table": "hpo_nni.metrics.table_source:TableSource",
    },
)
OPTIONS: Mapping[str, frozenset[str]] = {  # what each built-in kind understands
    "summary": frozenset(),
    "stdout": frozenset({"step_regex"}),
    "json": frozenset({"step_key"}),
    "csv": frozenset({"step_key"}),
    "table": frozenset({"step_key"}),
}
_PLANNED = {
    "api": "metrics from a service's own interface come with the platforms that have one",
}


def find_problems(kind: str, metrics: Collection[str], options: Mapping[str, str]) -> list[Problem]:
    """All faults of a source's settings, each with the key of the ini in `where`; opens nothing."""
    kind = kind.lower()
    if kind in _PLANNED:
        return [Problem("metric_type", f"{kind!r} is not there yet", _PLANNED[kind])]
    try:
        opener = SOURCES.load(kind)
    except RegistryError as error:
        return [Problem("metric_type", f"there is no kind of source {kind!r}", error.hint)]
    known = OPTIONS.get(kind, frozenset(options))
    found = [
        Problem(key, f"means nothing to metric_type = {kind}", _belongs_to(key))
        for key, value in options.items()
        if value and key not in known
    ]
    check = getattr(opener, "check", None)
    for where, text in [("metric_dict", name) for name in metrics] + [
        (key, options[key]) for key in known if options.get(key)
    ]:
        try:
            if check is not None:
                check(where, text)
        except MetricError as error:
            found.append(Problem(where, error.message, error.hint))
    return found


def open_source(
    kind: str,
    paths: Sequence[Path | EventFolder | Statement],
    metrics: Sequence[str],
    options: Mapping[str, str],
) -> MetricSource:
    """Open one metric source; its files need not exist yet.

    Args:
        kind: `metric_type` in the ini.
        paths: directories of event files, also remote ones, or files; several are read in this
            order at each poll.
            For `summary`, a `RemoteFolder` will do; `table` takes a `Statement`.
        metrics: the keys of `metric_dict`.
        options: `step_regex`, `step_key`; empty ones are as good as none.

    Raises:
        SettingsError: with all faults of kind, keys and options.
    """
    problems = find_problems(kind, metrics, options)
    if problems:
        raise SettingsError(problems)
    opener = SOURCES.load(kind)
    opened: list[MetricSource] = [opener.open(path, metrics, options) for path in paths]
    return opened[0] if len(opened) == 1 else MergedSource(opened)


def _belongs_to(key: str) -> str:
    kinds = sorted(kind for kind, known in OPTIONS.items() if key in known)
    if kinds:
        return f"it belongs to metric_type = {' or '.join(kinds)}"
    return did_you_mean(key, set().union(*OPTIONS.values()))


class MergedSource:
    """Several sources as one: the points of each poll, source after source.

    Positions (the k-th match, the k-th row) are counted in each file for itself.
    """

    def __init__(self, sources: Sequence[MetricSource]) -> None:
        self._sources = tuple(sources)

    @property
    def damaged(self) -> int:
        """How many records could not be used, over all."""
        return sum(source.damaged for source in self._sources)

    @property
    def seen(self) -> Collection[str]:
        """The names that occurred in any."""
        return {name: None for source in self._sources for name in source.seen}.keys()

    def poll(self) -> list[MetricPoint]:
        """Return what is new in each."""
        return [point for source in self._sources for point in source.poll()]

    def finish(self) -> list[MetricPoint]:
        """Return what is left in each."""
        return [point for source in self._sources for point in source.finish()]

    def account(self) -> str:
        """What each has found."""
        return "; ".join(source.account() for source in self._sources) or "there are no files"
