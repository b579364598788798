"""`[cost_config]`: prices, what jobs take, and the budget. Without it, nothing has a cost."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.costs import Prices, resources_of_cluster
from hpo_nni.errors import CommandSyntaxError, SettingsError
from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command
from hpo_nni.trial.ini import read_ini, read_text
from hpo_nni.trial.part import load_part
from hpo_nni.trial.sections import Reading, SectionReader
from hpo_nni.trial.templates import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.steps import Step

SECTION = "cost_config"
_PRICES = {"cpu_hour": "cpu", "gpu_hour": "gpu", "memory_hour": "memory", "job_hour": "job"}
_PRICE = re.compile(r"(cpu|gpu|memory|job)_hour|gpu_hour_\w[\w.-]*")
_RESOURCES = ("cpu", "gpu", "memory")
_KEYS = (*_PRICES, "currency", "prices", *_RESOURCES, "gpu_type", "budget", "trial_cost")


@dataclass(frozen=True)
class CostSettings:
    """What `[cost_config]` says.

    Attributes:
        resources: what a job takes whose command does not say.
        gpu_type: of cards whose type a command does not say.
        budget: what the experiment may cost in all; None for no bound.
        trial_cost: what a trial costs at most, as the user expects; 0 for nothing said.
    """

    prices: Prices = field(default_factory=Prices)
    resources: Mapping[str, float] = field(default_factory=dict)
    gpu_type: str = ""
    budget: float | None = None
    trial_cost: float = 0.0

    @property
    def has_prices(self) -> bool:
        """Whether anything has a cost."""
        return bool(self.prices.per_hour)

    def facts(self) -> dict[str, str | float | None]:
        """What the ledger keeps of it."""
        return {
            "currency": self.prices.currency,
            "budget": self.budget,
            "trial_cost": self.trial_cost,
        }

    def charge(self, command: str) -> tuple[dict[str, float], float | None]:
        """What a job takes and what an hour of it costs; nothing, and None, without any prices."""
        resources = self.resources_of(command) if self.has_prices else {}
        return resources, self.prices.rate(resources)

    def resources_of(self, command: str) -> dict[str, float]:
        """What a job takes: by the `-Dcluster` of its `PAI` command, else as the section says.

        Raises:
            SettingsError: -Dcluster cannot be read.
        """
        if is_pai_command(command):
            cluster = parse_pai_command(command).parameters.get("cluster", "")
            if cluster:
                return resources_of_cluster(cluster, self.gpu_type)
        return dict(self.resources)


def read_costs(reading: Reading, directory: Path) -> CostSettings:
    """Read the section as far as it is there; faults go to `reading`."""
    section = SectionReader(reading, SECTION)
    currency, per_hour = _prices_of_file(section, directory)
    per_hour |= _prices(section)
    gpu_type = section.word("gpu_type").lower()
    gpu = f"gpu:{gpu_type}" if gpu_type else "gpu"
    declared = {kind: section.amount(kind) for kind in _RESOURCES}
    settings = CostSettings(
        prices=Prices(section.word("currency", currency), per_hour),
        resources={
            gpu if kind == "gpu" else kind: amount for kind, amount in declared.items() if amount
        },
        gpu_type=gpu_type,
        budget=section.amount("budget"),
        trial_cost=section.amount("trial_cost") or 0.0,
    )
    section.finish(_KEYS)
    if section.entries and not per_hour and not reading.problems:
        hint = (
            "as in cpu_hour=0.35, for a core; also gpu_hour, gpu_hour_TYPE, memory_hour, job_hour"
        )
        section.fault("", "there is no price, so nothing has a cost", hint)
    return settings


def check_costs(reading: Reading, costs: CostSettings, steps: Sequence[Step]) -> None:
    """Note what of the steps has no price: a fault where there is a budget, else a warning."""
    if not costs.has_prices:
        return
    section = SectionReader(reading, SECTION)
    unpriced: list[str] = []
    uncounted: dict[str, None] = {}
    for step in steps:
        try:
            resources = costs.resources_of(step.command)
        except SettingsError as error:
            for problem in error.problems:
                section.fault("", f"{problem.where} of {step.key}: {problem.message}", problem.hint)
            continue
        except CommandSyntaxError:
            continue  # it is a fault of its own, elsewhere
        if costs.prices.rate(resources) is None:
            unpriced.append(step.key)
        else:
            uncounted |= dict.fromkeys(costs.prices.unpriced(resources))
    if unpriced:
        _note_unpriced(section, costs, ", ".join(unpriced))
    for kind in uncounted:
        hint = f"{kind.partition(':')[0]}_hour=..."
        section.warn("", f"jobs take {kind}, which has no price and is not counted (hint: {hint})")


def load_costs(path: Path) -> CostSettings:
    """Read only the costs of a settings file of either kind, for a process that runs no trial.

    Raises:
        SettingsError: the file cannot be read, or the section has faults.
    """
    return load_part(path, read_costs)


def _note_unpriced(section: SectionReader, costs: CostSettings, steps: str) -> None:
    message = f"there is no price for {steps}: it is not known what such a job takes"
    hint = "say so, as in cpu=4 and memory=16, or give job_hour, the price of any job"
    if costs.budget is not None:
        section.fault("budget", f"{message}, so no budget can be kept", hint)
    else:
        section.warn("", f"{message} (hint: {hint})")


def _prices(section: SectionReader) -> dict[str, float]:
    """The prices in a section; `gpu_hour_TYPE` becomes `gpu:TYPE`."""
    found = {}
    for key in section.entries:
        if _PRICE.fullmatch(key):
            amount = section.amount(key)
            kind = _PRICES.get(key) or f"gpu:{key.removeprefix('gpu_hour_').lower()}"
            found[kind] = math.nan if amount is None else amount
    return found


def _prices_of_file(section: SectionReader, directory: Path) -> tuple[str, dict[str, float]]:
    """Currency and prices of the file that `prices` names; the section's own come before them."""
    entry: Entry | None = section.entries.get("prices")
    name = section.text("prices")
    if entry is None or not name:
        return "", {}
    path = directory / name
    try:
        ini = read_ini(render(read_text(path), path.name), path.name)
    except SettingsError as error:
        section.fault("prices", f"the price table cannot be used: {error.message}")
        return "", {}
    reading = Reading(ini, {}, keys_are_known=False)
    table = SectionReader(reading, SECTION)
    found = table.word("currency"), _prices(table)
    table.finish((*_PRICES, "currency"))
    if not table.entries:
        section.fault("prices", f"{path.name} has no section [{SECTION}]")
    for problem in reading.problems:
        section.fault("prices", str(problem))
    return found
