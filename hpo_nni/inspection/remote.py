"""Whether what an experiment needs in the cloud is there: tables with their rows, buckets, rights.

The configs that jobs are to edit are read, and the edits tried on them.

Nothing is submitted. Where trials will write to OSS, an empty object is put and deleted. What only
the jobs read or write, they do in their own role (`-Darn`): that this account may not is no fault.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from hpo_nni.errors import HpoNniError, PlatformError, Problem, SettingsError, StoreError
from hpo_nni.inspection.needs import Need, needs_of
from hpo_nni.platforms.maxcompute_edits import PARAMETER
from hpo_nni.platforms.maxcompute_tables import NOT_THERE, MaxComputeTables
from hpo_nni.secrets import Redactor
from hpo_nni.trial.handed_edits import apply_to_config, xflows_of
from hpo_nni.trial.retry import TRANSIENT, Patience, Retrier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.stores.oss_probes import OssProbes
    from hpo_nni.trial.settings import TrialSettings

T = TypeVar("T")

PATIENCE = Patience(first=0.5, longest=4.0, total=15.0)
_SEES_NO_ROWS = "did the job that writes it run?"


@dataclass
class RemoteInspection:
    """One pass over everything that is needed.

    Attributes:
        several: the settings with points from all over the search space, for the edits.
        report: what is there, for people.
        problems: what is not, each with what to do.
        keys: what is wrong with edits, `where` ending in the key.
    """

    settings: TrialSettings
    environ: Mapping[str, str]
    several: Sequence[TrialSettings] = ()
    pause: Callable[[float], object] = time.sleep
    report: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    keys: list[Problem] = field(default_factory=list)

    def run(self) -> None:
        """Look at everything; a service that cannot be reached is told once."""
        accounts = self.settings.accounts
        try:
            redact = Redactor(accounts.secrets(self.environ))
            needs = needs_of(self.settings, self.environ)
        except SettingsError as error:
            self.problems += error.problems
            return
        if not needs:
            self.report.append("nothing of this experiment is in a cloud")
        remote = [need for need in needs if need.is_in_maxcompute]
        stored = [need for need in needs if not need.is_in_maxcompute]
        for part, look in ((remote, self._look_at_maxcompute), (stored, self._look_at_oss)):
            try:
                if part:
                    look(part)
            except SettingsError as error:
                self.problems += error.problems
            except HpoNniError as error:
                self._fault(part[0], error)
        told = [Problem(p.where, redact(p.message), redact(p.hint)) for p in self.problems]
        self.problems = list(dict.fromkeys(told))

    def _look_at_maxcompute(self, needs: list[Need]) -> None:
        from hpo_nni.platforms.maxcompute_service import MaxComputeService  # noqa: PLC0415 - late

        connection = self.settings.accounts.connect_maxcompute(self.environ)
        tables = MaxComputeTables(MaxComputeService(connection))
        looks: Mapping[str, Callable[[Need], str]] = {
            "project": lambda need: self._project(tables, need.what),
            "xflow": lambda need: _xflow(tables, need.what),
            "table": lambda need: _table(tables, need),
        }
        missing: set[str] = set()
        for need in needs:
            if need.table.project in missing:
                continue
            try:
                self._note(need, self._retried(lambda: looks[need.kind](need)))  # noqa: B023
            except TRANSIENT:
                raise
            except HpoNniError as error:
                if need.kind == "xflow" and type(error.__cause__).__name__ == "NoPermission":
                    self._note(need, "not for this account to see; it may run it all the same")
                    continue
                if need.may_come_later and type(error.__cause__).__name__ in NOT_THERE:
                    self._note(need, f"not there yet; {need.may_come_later}")
                    continue
                if need.kind == "project":
                    missing.add(need.what)
                self._fault(need, error, self._partition_hint(tables, need))

    def _project(self, tables: MaxComputeTables, project: str) -> str:
        tables.check_project(project)
        return "there"

    def _partition_hint(self, tables: MaxComputeTables, need: Need) -> str:
        if not need.table.partition:
            return ""
        try:
            last = tables.last_partition(need.table)
        except HpoNniError:  # the first error says enough
            return ""
        return f"the last partition there is {last}" if last else "the table has no partitions"

    def _look_at_oss(self, needs: list[Need]) -> None:
        from hpo_nni.stores.oss_probes import DENIED, OssProbes  # noqa: PLC0415 - the SDK, late

        store = OssProbes(self.settings.accounts.connect_oss(self.environ))
        gone: set[str] = set()
        readable: list[str] = []
        for need in needs:
            if need.bucket in gone:
                continue
            try:
                self._note(need, self._retried(lambda: _asked(store, need)))  # noqa: B023
                readable += [need.what] if need.kind == "object" else []
            except TRANSIENT:
                raise
            except StoreError as error:
                if "NoSuchBucket" in error.message:
                    gone.add(need.bucket)
                if DENIED in error.message and not need.is_ours:
                    self._note(need, "not for this account; the job's role (-Darn) has to")
                else:
                    self._fault(need, error)
        self._try_edits(store, readable)

    def _try_edits(self, store: OssProbes, readable: list[str]) -> None:
        """Apply what jobs are handed to the configs that they name, as far as we may read them."""
        edited = [xflow for one in self.several for _, xflow in xflows_of(one)]
        edited = [xflow for xflow in edited if xflow.parameters.get(PARAMETER)]
        texts: dict[str, str] = {}
        for uri in dict.fromkeys(xflow.parameters.get("config", "") for xflow in edited):
            if uri in readable:
                texts[uri] = self._retried(lambda: store.read_text(uri))  # noqa: B023
        found: dict[str, Problem] = {}
        places: dict[str, int] = {}
        for xflow in edited:
            uri = xflow.parameters.get("config", "")
            touched, problems = apply_to_config(xflow, texts)
            for problem in problems:
                where = problem.where if problem.where == uri else f"{uri}: {problem.where}"
                found.setdefault(where, Problem(where, problem.message, problem.hint))
            places |= Counter(place.key for place in touched)
        self.keys += found.values()
        for key, count in () if found else places.items():
            self.report.append(f"{'selects':<11}  {key}: {count} place{'s' * (count != 1)}")

    def _retried(self, call: Callable[[], T]) -> T:
        return Retrier(self.pause, PATIENCE)(call)

    def _note(self, need: Need, fact: str) -> None:
        self.report.append(f"{need.kind:<11}  {need.what}: {fact}")

    def _fault(self, need: Need, error: HpoNniError, hint: str = "") -> None:
        hints = "; ".join(dict.fromkeys(one for one in (error.hint, hint) if one))
        self.problems.append(Problem(need.where, error.message, hints))


def _xflow(tables: MaxComputeTables, what: str) -> str:
    project, _, name = what.partition(".")
    if not tables.has_xflow(project, name):
        message = f"the project {project} has no algorithm {name}"
        raise PlatformError(message, hint="are -name and -project right?")
    return "there"


def _table(tables: MaxComputeTables, need: Need) -> str:
    path = need.table
    facts = tables.facts(path)
    if facts.rows == 0 and not need.may_be_empty:
        raise PlatformError(f"{path} has no rows", hint=_SEES_NO_ROWS)
    rows = "rows not counted" if facts.rows is None else f"{facts.rows} rows"
    parts = "s" * (facts.partitions != 1)
    return f"{rows} in {facts.partitions} partition{parts}" if facts.partitions > 1 else rows


def _asked(store: OssProbes, need: Need) -> str:
    if need.kind == "object":
        store.check_read(need.what)
        return "can be read"
    if need.kind == "checkpoint":
        store.check_beginning(need.what)
        return "there"
    if need.kind == "target":
        store.check_write(need.what)
        return "can be written to"
    store.check_list(need.what)
    return "can be listed"
