"""The figures and tables of digits_gain.py."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from scipy.stats import t as student
from scipy.stats import ttest_rel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BASE = "base config"
BUDGETS = (6, 12, 18, 24)
PAIRS = (
    ("random search", BASE),
    ("tuned", BASE),
    ("tuned, stopping early", BASE),
    ("tuned", "random search"),
    ("tuned, stopping early", "random search"),
)


def compare_all(seeds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare test accuracies, in percent, seed by seed, for each of `PAIRS`."""
    return [
        {"better": better, "worse": worse}
        | compare(accuracies(seeds, better), accuracies(seeds, worse))
        for better, worse in PAIRS
    ]


def compare(better: Sequence[float], worse: Sequence[float]) -> dict[str, Any]:
    """Return the mean gain with its 95 % interval, and the paired t test's p."""
    gains = [a - b for a, b in zip(better, worse, strict=True)]
    mean = statistics.fmean(gains)
    half = student.ppf(0.975, len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
    return {
        "mean_gain": mean,
        "interval_95": [mean - half, mean + half],
        "wins": sum(gain > 0 for gain in gains),
        "ties": sum(gain == 0 for gain in gains),
        "losses": sum(gain < 0 for gain in gains),
        "paired_t_p": float(ttest_rel(better, worse).pvalue),
    }


def accuracies(seeds: Sequence[dict[str, Any]], name: str) -> list[float]:
    """The test accuracy in percent of one method, by seed."""
    return [100 * one["methods"][name]["test_accuracy"] for one in seeds]


def as_markdown(summary: dict[str, Any]) -> str:
    """The tables for the README."""
    seeds = summary["seeds"]
    names = list(seeds[0]["methods"])
    head = ["", "mean", "sd", "epochs", *(f"after {n}" for n in BUDGETS)]
    parts = [
        [f"Test accuracy in percent; {len(seeds)} seeds, {summary['trials']} trials each."],
        _table(head, (_spread(seeds, name) for name in names)),
        _table(
            ["", "gain", "95 % interval", "won, tied, lost", "p"],
            map(_gain, summary["comparisons"]),
        ),
        _table(["seed", *names], (_seed(one) for one in seeds)),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _spread(seeds: Sequence[dict[str, Any]], name: str) -> list[str]:
    values = accuracies(seeds, name)
    figures = [one["methods"][name] for one in seeds]
    after = [
        statistics.fmean(100 * one["test_accuracy_after"][str(n)] for one in figures)
        for n in BUDGETS
    ]
    epochs = statistics.fmean(one["epochs"] for one in figures)
    numbers = [statistics.fmean(values), statistics.stdev(values), *after]
    mean, deviation, *rest = (f"{number:.1f}" for number in numbers)
    return [name, mean, deviation, f"{epochs:.0f}", *rest]


def _gain(one: dict[str, Any]) -> list[str]:
    low, high = one["interval_95"]
    return [
        f"{one['better']} over {one['worse']}",
        f"{one['mean_gain']:+.1f}",
        f"{low:+.1f} to {high:+.1f}",
        f"{one['wins']}, {one['ties']}, {one['losses']}",
        f"{one['paired_t_p']:.2g}",
    ]


def _seed(one: dict[str, Any]) -> list[str]:
    return [str(one["seed"]), *(f"{100 * m['test_accuracy']:.1f}" for m in one["methods"].values())]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
