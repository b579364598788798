"""Runs to tables: the trials that a warm start needs for the cold result, and what it loses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DRAWS = 2000

_HEAD = """\
# Warm starts: what was measured

Made by `make bench-warm`; every run is in `results.json`. Regret: 0 is the best known place, 1 the
median random point, of the trial with the best score so far. *Trials needed*: after how many the
warm sweep is first as good as the cold one is at the end of its budget, divided by after how many
the cold one first was (never: infinitely many). Intervals hold 95 % of 2,000 draws of tasks with
replacement. *Loss*: mean regret of the warm sweeps at the end, over that of the cold ones, less 1;
below 0 it is a gain."""


def tables(runs: Sequence[Mapping[str, Any]]) -> str:
    """All tables, as Markdown."""
    kinds = list(dict.fromkeys(run["kind"] for run in runs))
    groups: list[tuple[str, list[Mapping[str, Any]]]] = []
    for kind in kinds:
        chosen = [run for run in runs if run["kind"] == kind]
        groups.append((f"**{kind}**", chosen))
        groups.append(("space as it was", [run for run in chosen if not run["changed"]]))
        groups.append(("space changed", [run for run in chosen if run["changed"]]))
        groups.append(("with early stopping", [run for run in chosen if run["stops"]]))
    head = [
        "tasks", "number", "seeds", "trials needed, median", "cold result reached",
        "regret cold", "regret warm", "loss",
    ]  # fmt: skip
    rows = [_row(name, chosen) for name, chosen in groups if chosen]
    sections = [_HEAD, _table(head, rows)]
    for kind in kinds:
        sections += [f"## {kind}, task by task", _by_task([r for r in runs if r["kind"] == kind])]
    return "\n\n".join(sections) + "\n"


def ratio(run: Mapping[str, Any]) -> float:
    """Trials that the warm sweep needed, of those that the cold one needed for its result."""
    goal = run["cold"][-1]
    return _reached(run["warm"], goal) / _reached(run["cold"], goal)


def _reached(regrets: Sequence[float | None], goal: float) -> float:
    hits = (number for number, one in enumerate(regrets, 1) if one is not None and one <= goal)
    return next(hits, math.inf)


def _row(name: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    numbers = sorted({run["task"] for run in runs})
    by_task = [[run for run in runs if run["task"] == number] for number in numbers]
    ratios = [ratio(run) for run in runs]
    spread = _interval(by_task, lambda some: np.median([ratio(run) for run in some]))
    return [
        name,
        str(len(numbers)),
        str(len({run["seed"] for run in runs})),
        f"{np.median(ratios):.2f} {spread}",
        f"{np.mean(np.isfinite(ratios)):.0%}",
        f"{_end(runs, 'cold'):.3f}",
        f"{_end(runs, 'warm'):.3f}",
        f"{_loss(runs):+.0%} {_interval(by_task, _loss, '+.0%')}",
    ]


def _end(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.mean([run[name][-1] for run in runs]))


def _loss(runs: Sequence[Mapping[str, Any]]) -> float:
    return _end(runs, "warm") / _end(runs, "cold") - 1


def _interval(
    by_task: Sequence[Sequence[Mapping[str, Any]]],
    figure: Callable[[Sequence[Mapping[str, Any]]], Any],
    form: str = ".2f",
) -> str:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        taken = rng.integers(len(by_task), size=len(by_task))
        drawn.append(float(figure([run for index in taken for run in by_task[index]])))
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return f"({low:{form}} to {high:{form}})"


def _by_task(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for number in sorted({run["task"] for run in runs}):
        some = [run for run in runs if run["task"] == number]
        needed = np.median([ratio(run) for run in some])
        first = some[0]
        rows.append(
            [
                str(number),
                str(first["sweeps"]),
                str(first["trials"]),
                "changed" if first["changed"] else "",
                f"{needed:.2f}",
                f"{_end(some, 'cold'):.3f}",
                f"{_end(some, 'warm'):.3f}",
            ]
        )
    head = ["task", "earlier sweeps", "trials", "space", "trials needed", "cold", "warm"]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
