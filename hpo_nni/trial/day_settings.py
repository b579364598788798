"""`[day_config]`: what a day needs and makes, and what becomes of one that is missing or failed.

A day is a step with a metric source of its own: `cmd_20220617` and `metric_source_20220617`. Each
goes on from the model of the one before, so a day that is left out changes what the next one starts
from.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.platforms.maxcompute_tables import parse_table
from hpo_nni.trial.steps import METRIC_SOURCE, Link, days_of, step_of
from hpo_nni.trial.substitutions import PER_TRIAL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.sections import SectionReader
    from hpo_nni.trial.steps import Step

SECTION = "day_config"
_CODE, _REUSE = "code", "reuse"
POLICIES = (
    _CODE,
    _REUSE,
    "missing_policy",
    "failed_policy",
    "wait_seconds",
    "poll_seconds",
    "after_wait",
    "least_share",
)
_START, _DATA, _MODEL = "start", "data", "model"
KEYS = (*POLICIES, _START, f"{_DATA}_20220617", f"{_MODEL}_20220617")


class Gap(enum.Enum):
    """What becomes of a day that cannot be had, as users spell it."""

    FAIL = "fail"  # the trial fails
    SKIP = "skip"  # the day is left out, for all trials of the experiment


class Missing(enum.Enum):
    """What becomes of a day whose data is not there, as users spell it."""

    FAIL = "fail"
    SKIP = "skip"
    WAIT = "wait"  # it is looked for until a deadline


@dataclass(frozen=True)
class DaySettings:
    """What `[day_config]` says of missing and failed days, and of those that were trained before.

    Attributes:
        looks: whether the data of a day is looked for before its job; without the section, the job
            itself finds out.
        missing: the policy for a day whose data is not there.
        failed: that for a day whose job has failed, as often as `[failure_config]` lets it.
        wait_seconds: from the experiment's first look at a day until nobody waits for it any more.
        poll_seconds: between two looks.
        after_wait: what becomes of a day that has not come by then.
        least_share: of the days, from 0 to 1: a trial with fewer fails.
        reuse: whether a day that was trained before, with the same of everything, is not trained.
        code: paths, URIs and versions of what trains, beside what the commands name.
    """

    looks: bool = False
    missing: Missing = Missing.FAIL
    failed: Gap = Gap.FAIL
    wait_seconds: float = 6 * 3600.0
    poll_seconds: float = 300.0
    after_wait: Gap = Gap.FAIL
    least_share: float = 0.5
    reuse: bool = True
    code: tuple[str, ...] = ()

    @property
    def gives_up(self) -> Gap:
        """What a missing day comes to in the end."""
        return self.after_wait if self.missing is Missing.WAIT else Gap(self.missing.value)

    @property
    def can_skip(self) -> bool:
        """Whether a day may be left out."""
        return Gap.SKIP in {self.failed, self.gives_up}


def read_policies(
    section: SectionReader, steps: Sequence[Step], sources: Sequence[str], folder: Path
) -> DaySettings:
    """Read the policies; faults go to the section's reader, which the caller finishes.

    Args:
        section: reads `[day_config]`.
        steps: of the trial.
        sources: the names of its metric sources.
        folder: what relative paths of code are relative to.
    """
    default = DaySettings()
    settings = DaySettings(
        looks=section.line > 0,
        missing=section.choice("missing_policy", default.missing),
        failed=section.choice("failed_policy", default.failed),
        wait_seconds=section.seconds("wait_seconds", default.wait_seconds),
        poll_seconds=section.seconds("poll_seconds", default.poll_seconds),
        after_wait=section.choice("after_wait", default.after_wait),
        least_share=_share(section, default.least_share),
        reuse=section.boolean(_REUSE, default=True) and _can_reuse(section, steps, sources),
        code=_code(section, folder),
    )
    if settings.missing is not Missing.WAIT:
        for key in ("wait_seconds", "poll_seconds", "after_wait"):
            if key in section.entries:
                section.fault(key, "nobody waits", "missing_policy=wait")
    if section.line and settings.poll_seconds == 0:
        section.fault("poll_seconds", "between two looks there is some time", "poll_seconds=300")
    if settings.can_skip and len(steps) > 1:
        _check_skipping(section, steps, days_of([step.key for step in steps], sources))
    return settings


def read_links(
    section: SectionReader, steps: Sequence[str], folder: Path, accounts: Accounts
) -> dict[str, Link]:
    """Read what each step needs, starts from and makes: step -> that.

    Args:
        section: reads `[day_config]`; faults go there.
        steps: the keys of all steps, in their order.
        folder: what relative paths of data are relative to.
        accounts: tell which URIs can be reached.
    """
    start = section.text(_START)
    data = _by_step(section, _DATA, steps)
    models = _by_step(section, _MODEL, steps)
    if models and not start:
        message = f"{_START} is missing: what does the first day start from?"
        section.fault("", message, "as in start=../exp/base")
    elif start and not models and _START in section.entries:
        message = "no day says where its model goes"
        section.fault(_START, message, "as in model_20220617=${NNI_OUTPUT_DIR}/20220617")
    links: dict[str, Link] = {}
    for step in steps:
        needed = _places(section, data[step], folder, accounts) if step in data else ()
        model = _model(section, models[step]) if step in models else ""
        links[step] = Link(needed, start if model else "", model)
        start = model or start
    return links


def _check_skipping(section: SectionReader, steps: Sequence[Step], days: Collection[str]) -> None:
    """Note what would make it wrong to leave out one of these days."""
    if not days:
        message = "a day that is left out must be left out of the score, and no day has its own"
        hint = "each needs a source, as in metric_source_20220617 for cmd_20220617"
        section.fault("", message, hint)
    in_order = [step for step in steps if step.key in days]
    for before, after in itertools.pairwise(in_order):
        if not before.link.model or after.link.start != before.link.model:
            message = f"nothing says that {after.key} goes on from the model of {before.key}"
            section.warn("", f"{message}, so it runs as written where {before.key} is left out")
            return


def _can_reuse(section: SectionReader, steps: Sequence[Step], sources: Sequence[str]) -> bool:
    """Whether it is known what each day has measured; a day that is not trained writes nothing."""
    keys = [step.key for step in steps]
    odd = [name for name in sources if not step_of(name.removeprefix(METRIC_SOURCE), keys)]
    if not odd or len(steps) == 1 or not any(step.link.model for step in steps):
        return True
    message = f"{odd[0]} belongs to no day, so every trial trains all of its days"
    section.warn("", f"{message} (hint: a source for each, as in metric_source_20220617)")
    return False


def _code(section: SectionReader, folder: Path) -> tuple[str, ...]:
    """Paths and URIs; what looks like neither is a version, as in `code=v12`."""
    found = []
    for part in section.text(_CODE).split(","):
        text = part.strip()
        if "/" in text and "://" not in text and not (folder / text).exists():
            hint = f"looked for {folder / text}; a version is a word without a slash"
            section.fault(_CODE, f"there is no {text}", hint)
        if text:
            found.append(text)
    return tuple(found)


def _share(section: SectionReader, default: float) -> float:
    share = section.amount("least_share")
    if share is not None and share > 1:
        section.fault("least_share", f"{share:g} is no share", "from 0 to 1, as in 0.8")
    return default if share is None else min(share, 1.0)


def _by_step(section: SectionReader, word: str, steps: Sequence[str]) -> dict[str, Entry]:
    """The entries `data_20220617` by the step whose key ends like theirs."""
    found: dict[str, Entry] = {}
    for entry in section.prefixed(f"{word}_"):
        step = step_of(entry.key.removeprefix(word), steps)
        if step:
            found[step] = entry
        else:
            end = entry.key.removeprefix(word)
            section.fault(entry.key, f"there is not exactly one step whose key ends in {end}")
    return found


def _places(
    section: SectionReader, entry: Entry, folder: Path, accounts: Accounts
) -> tuple[str, ...]:
    """What a step needs: absolute paths, and URIs that can be asked for."""
    found = []
    for part in section.text(entry.key).split(","):
        place = part.strip()
        if not place:
            section.fault(
                entry.key, "a place is missing", "as in days/20220617.csv, days/20220618.csv"
            )
        elif place.startswith("odps://"):
            _check_table(section, entry.key, place, accounts)
        elif "://" in place and (problem := accounts.find_problem(place)) is not None:
            section.fault(entry.key, problem.message, problem.hint)
        found.append(place if "://" in place else str(folder / place))
    return tuple(found)


def _model(section: SectionReader, entry: Entry) -> str:
    """Where a model goes: a trial that finds another one's would go on from it."""
    if not any(name in entry.value for name in PER_TRIAL):
        message = "the models of all trials would go to one place"
        section.fault(entry.key, message, "put ${NNI_OUTPUT_DIR} or ${exp_id}_${trial_id} in")
    return section.text(entry.key)


def _check_table(section: SectionReader, key: str, place: str, accounts: Accounts) -> None:
    if parse_table(place) is None:
        hint = "as in odps://project/tables/name/dt=20220617"
        section.fault(key, f"{place} names no table", hint)
    elif accounts.odps is None:
        hint = "project_name, odps_endpoint, keys"
        section.fault(key, "tables are asked for with an account: [odps_config] is missing", hint)
