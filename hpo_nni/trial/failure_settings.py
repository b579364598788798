"""`[failure_config]`: the user's own rows of the table of failures, and what is done about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.failures import FailureKind, Rule, Where
from hpo_nni.trial.ini import read_ini, read_text, split_lines
from hpo_nni.trial.retry import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hpo_nni.trial.ini import Entry, Ini
    from hpo_nni.trial.sections import SectionReader

SECTION = "failure_config"
KEYS = ("retries", "retry_seconds", "pause_after", "rules_file")
KINDS = (FailureKind.TRANSIENT, FailureKind.INFEASIBLE, FailureKind.USER)
LONGEST_PAUSE = 600.0  # seconds between two attempts
_PLACES = (Where.LOG, Where.MESSAGE, Where.EXIT)


@dataclass(frozen=True)
class FailureSettings:
    """What is done about failures.

    Attributes:
        rules: the user's own rows; they come before ours.
        retries: how often a step is tried again after a transient failure.
        retry_seconds: the pause before the first of these; each further one is twice as long.
        pause_after: how many trials fail alike, one after another, before the experiment pauses;
            0 for never.
    """

    rules: tuple[Rule, ...] = ()
    retries: int = 3
    retry_seconds: float = 30.0
    pause_after: int = 3

    @property
    def patience(self) -> Patience:
        """The pauses between attempts."""
        return Patience(first=self.retry_seconds, longest=LONGEST_PAUSE)


def read_failures(section: SectionReader, folder: Path) -> FailureSettings:
    """Read the section; its faults, and those of the file that it names, go to its reader.

    Args:
        section: reads `[failure_config]`.
        folder: what `rules_file` is relative to.
    """
    default = FailureSettings()
    rules = [_rule(section, entry) for entry in _rows(section)]
    name = section.text("rules_file")
    if name:
        rules += _rules_of_file(section, folder / name)
    settings = FailureSettings(
        rules=tuple(rule for rule in rules if rule is not None),
        retries=section.whole("retries", default.retries),
        retry_seconds=section.seconds("retry_seconds", default.retry_seconds),
        pause_after=section.whole("pause_after", default.pause_after),
    )
    section.finish([*KEYS, *(kind.value for kind in KINDS)])
    return settings


def _rows(section: SectionReader) -> list[Entry]:
    found = [entry for kind in KINDS for entry in section.prefixed(kind.value)]
    return sorted(found, key=lambda entry: entry.line)


def _rule(section: SectionReader, entry: Entry) -> Rule | None:
    where = section.where(entry.key)
    try:
        return parse_rule(entry, where)
    except ValueError as error:
        section.fault(entry.key, str(error), "as in log: NCCL error, or exit: 77")
        return None


def parse_rule(entry: Entry, where: str) -> Rule:
    """One row: `transient_nccl = log: NCCL error`, `user_2 = exit: 77`; bare patterns are of logs.

    Raises:
        ValueError: the pattern is wrong or missing.
    """
    kind = next(kind for kind in KINDS if entry.key.startswith(kind.value))
    place, pattern = Where.LOG, entry.value
    for one in _PLACES:
        if entry.value.startswith(f"{one.value}:"):
            place, pattern = one, entry.value.partition(":")[2].strip()
    if not pattern:
        raise ValueError("the pattern is missing")
    return Rule(kind, place, pattern, where)


def _rules_of_file(section: SectionReader, path: Path) -> Iterator[Rule]:
    """The rows of a file that several settings files share."""
    try:
        ini = read_ini(split_lines(read_text(path)), path.name)
    except SettingsError as error:
        section.fault("rules_file", error.problems[0].message, error.problems[0].hint)
        return
    problems = list(ini.problems)
    for entry in _entries(ini, problems):
        place = ini.where(entry.line, SECTION, entry.key)
        try:
            yield parse_rule(entry, place)
        except ValueError as error:
            problems.append(Problem(place, str(error)))
    for problem in problems:
        section.fault("rules_file", str(problem))


def _entries(ini: Ini, problems: list[Problem]) -> Iterator[Entry]:
    found = ini.sections.get(SECTION)
    if found is None:
        problems.append(Problem(ini.name, f"the section [{SECTION}] is missing"))
        return
    for entry in found.entries:
        if entry.key.startswith(tuple(kind.value for kind in KINDS)):
            yield entry
        else:
            where = ini.where(entry.line, SECTION, entry.key)
            problems.append(Problem(where, "only rows of the table stand in such a file"))
