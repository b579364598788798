"""`hpo-nni cost`: what an experiment has cost, by how its trials ended, and what it will cost."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hpo_nni.cli.find import add_directory, find_experiment
from hpo_nni.cli.progress import WORDS
from hpo_nni.costs import money, spending
from hpo_nni.ledger.records import TrialState
from hpo_nni.trial.spending import Account, range_words

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger import Ledger
    from hpo_nni.trial.settings import TrialSettings

HELP = "show what an experiment has cost, and what it will cost in all"
NO_PRICES = (
    "nothing has a price in this experiment: prices stand in [cost_config] of its settings file"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "experiment", nargs="?", metavar="EXPERIMENT", help="its id; by default, the newest one"
    )
    parser.add_argument("--json", action="store_true", help="the same, for programs")
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 where nothing has a price."""
    ledger, experiment = find_experiment(arguments.experiment, arguments.dir)
    account = Account.read(ledger, experiment.id, time.time())
    if account is None:
        print("{}" if arguments.json else NO_PRICES)
        return 1
    max_trials = experiment.settings.get("max_trials")
    if arguments.json:
        print(json.dumps(_facts(account, max_trials), indent=2))
        return 0
    print(f"experiment   {experiment.id} in {ledger.path.parent}")
    print(_table(account))
    print("\n".join(_outlook(account, max_trials)))
    return 0


def cost_words(ledger: Ledger, experiment_id: str, max_trials: int | None) -> str:
    """What an experiment has cost, for the line that shows its progress; empty without prices."""
    account = Account.read(ledger, experiment_id, time.time())
    return "" if account is None else account.words(max_trials)


def cost_lines(ledger: Ledger, experiment_id: str) -> list[str]:
    """The same for a summary, by how trials ended; and why the budget lets no more begin."""
    account = Account.read(ledger, experiment_id, time.time())
    if account is None:
        return []
    parts = spending(account.trials.values())
    shown = [
        f"{money(parts[state.value].amount)} {WORDS[state]}"
        for state in TrialState
        if state.value in parts
    ]
    lines = [f"cost         {money(account.spent, account.currency)}: {', '.join(shown)}"]
    if account.stopped:
        lines.append(f"budget       {account.stopped}")
    return lines


def cost_facts(ledger: Ledger, experiment_id: str) -> dict[str, Any] | None:
    """The same for programs; None without prices."""
    account = Account.read(ledger, experiment_id, time.time())
    experiment = ledger.experiment(experiment_id)
    if account is None or experiment is None:
        return None
    return _facts(account, experiment.settings.get("max_trials"))


def rate_lines(settings: TrialSettings) -> list[str]:
    """What an hour of each step costs, a line for those that cost the same; none without prices."""
    steps: dict[str, list[str]] = {}
    for step in settings.steps:
        resources, rate = settings.costs.charge(step.command)
        if rate is not None:
            takes = ", ".join(f"{kind} {amount:g}" for kind, amount in resources.items())
            said = f"{money(rate, settings.costs.prices.currency)} an hour"
            steps.setdefault(said + (takes and f", for {takes}"), []).append(step.key)
    return [
        f"cost         {keys[0]}{f' and {len(keys) - 1} more' * (len(keys) > 1)}: {said}"
        for said, keys in steps.items()
    ]


def _table(account: Account) -> str:
    parts = spending(account.trials.values())
    rows = [("", "trials", "hours", "cost")]
    for state in TrialState:
        part = parts.get(state.value)
        if part is not None:
            hours = f"{part.seconds / 3600:.2f}"
            note = f"  ({part.unpriced} jobs have no price)" if part.unpriced else ""
            rows.append((WORDS[state], str(part.trials), hours, money(part.amount) + note))
    seconds = sum(part.seconds for part in parts.values())
    count, total = str(len(account.trials)), money(account.spent, account.currency)
    rows.append(("all", count, f"{seconds / 3600:.2f}", total))
    return "\n".join(
        f"{name:<13} {trials:>6} {hours:>9}  {cost}" for name, trials, hours, cost in rows
    )


def _outlook(account: Account, max_trials: int | None) -> list[str]:
    lines = []
    if account.budget is not None:
        lines.append(f"budget        {money(account.budget, account.currency)}")
    if account.stopped:
        lines.append(f"stopped       {account.stopped}")
    found = account.forecast(max_trials)
    if not account.is_running:
        return lines
    if found is None:
        return [*lines, "forecast      none yet: no trial has ended"]
    few = f", going by {found.basis} ended trial{'s' * (found.basis > 1)}"
    return [*lines, f"forecast      {range_words(found, account.budget)}{few}"]


def _facts(account: Account, max_trials: int | None) -> dict[str, Any]:
    found = account.forecast(max_trials) if account.is_running else None
    return {
        "currency": account.currency,
        "budget": account.budget,
        "budget_stop": account.stopped or None,
        "spent": account.spent,
        "by_state": {
            state: asdict(part) for state, part in spending(account.trials.values()).items()
        },
        "trials": {name: asdict(trial) for name, trial in account.trials.items()},
        "forecast": None if found is None else asdict(found),
    }
