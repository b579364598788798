"""Runs to tables: mean regrets with intervals, ratios to a peer, paired tests."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POINTS = (30, 50, 100, 200)
OURS, LIGHT = "AutoTuner", "Optuna TPE"

Regrets = dict[str, dict[tuple[str, int], list[list[float]]]]


def regret_at(steps: Sequence[Sequence[float]], evaluations: int) -> float:
    """The regret after so many evaluations."""
    return steps[bisect_right([step[0] for step in steps], evaluations) - 1][1]


def complete_runs(runs: Sequence[Mapping[str, Any]], workers: int, evaluations: int) -> Regrets:
    """Sort runs into peer -> (task, seed) -> steps, for the pairs that every light peer has."""
    by_peer: Regrets = defaultdict(dict)
    for run in runs:
        if run["workers"] == workers and run["budget"] >= evaluations:
            by_peer[run["peer"]][run["task"], run["seed"]] = run["steps"]
    if not by_peer:
        return {}
    most = max(len(found) for found in by_peer.values())
    light = {peer: found for peer, found in by_peer.items() if len(found) > most / 3}
    shared = set.intersection(*(set(found) for found in light.values()))
    return {
        peer: {pair: steps for pair, steps in found.items() if pair in shared}
        for peer, found in by_peer.items()
    }


def report(runs: Sequence[Mapping[str, Any]], parts: Mapping[str, str]) -> str:
    """All tables, as Markdown."""
    sections = ["# Tuners: what was measured", _HEAD]
    for part in dict.fromkeys(reversed(list(parts.values()))):
        for workers in (1, 4):
            chosen = [run for run in runs if parts.get(run["task"]) == part]
            section = _section(chosen, workers)
            if section:
                how = "one at a time" if workers == 1 else f"{workers} at a time"
                sections += [
                    f"## Tasks that constants were {part}, {how}".replace(
                        "constants were reported", "only the report uses"
                    ),
                    section,
                ]
    return "\n\n".join(sections) + "\n"


_HEAD = """\
Made by `make bench-tuners`; every run is in `runs.jsonl`. Regret: 0 is the best known value, 1 the
median random configuration. ± is the half width of a 95 % interval of the mean over runs; a task
with a seed is one run. The ratio is that of AutoTuner's mean to Optuna TPE's, the better of its two
spellings (choices of numbers as names, or as ordered integers) at that point. p is that of a paired
t test of AutoTuner against that tuner over runs, after the last count. Where there is no figure,
nobody has run it for so long yet: the measurement goes on where it was when it is started again."""


def _section(runs: Sequence[Mapping[str, Any]], workers: int) -> str:
    found = {point: complete_runs(runs, workers, point) for point in POINTS}
    found = {point: each for point, each in found.items() if each.get(OURS)}
    if not found:
        return ""
    peers = {peer for each in found.values() for peer in each}
    first = min(found)
    rows = []
    for peer in sorted(peers, key=lambda peer: _mean(found[first].get(peer, {}), first)):
        cells = [_cell(each.get(peer, {}), point) for point, each in found.items()]
        last = max(point for point, each in found.items() if peer in each)
        tested = _compared(found[last][OURS], found[last][peer], last)
        rows.append([peer, *cells, tested, _thinking(runs, peer, workers)])
    ratios = ["AutoTuner / Optuna TPE", *(_ratio(each, point) for point, each in found.items())]
    counts = ["runs", *(str(len(each[OURS])) for each in found.values())]
    head = ["tuner", *(f"after {point}" for point in found), "p", "s per proposal"]
    pairs = found[first][OURS]
    seeds, tasks = {seed for _, seed in pairs}, {task for task, _ in pairs}
    intro = f"{len(tasks)} tasks, {len(seeds)} seeds."
    table = _table(head, [*rows, [*ratios, "", ""], [*counts, "", ""]])
    most = max(point for point, each in found.items() if len(each[OURS]) == len(pairs))
    return "\n\n".join([intro, table, _by_task(found[most], most)])


def _by_task(found: Regrets, evaluations: int) -> str:
    peers = [OURS, *sorted(set(found) - {OURS})]
    names = sorted({task for task, _ in found[OURS]})
    rows = []
    for name in names:
        row = [name]
        for peer in peers:
            steps = [steps for (task, _), steps in found[peer].items() if task == name]
            mean = np.mean([regret_at(s, evaluations) for s in steps]) if steps else None
            row.append("" if mean is None else f"{mean:.4f}")
        rows.append(row)
    return f"Mean regret after {evaluations}, by task:\n\n" + _table(["task", *peers], rows)


def _values(found: Mapping[tuple[str, int], Any], point: int) -> np.ndarray:
    return np.array([regret_at(found[pair], point) for pair in sorted(found)])


def _mean(found: Mapping[tuple[str, int], Any], point: int) -> float:
    return float(_values(found, point).mean()) if found else math.inf


def _cell(found: Mapping[tuple[str, int], Any], point: int) -> str:
    if not found:
        return ""
    values = _values(found, point)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) if len(values) > 1 else math.nan
    return f"{values.mean():.4f} ± {half:.4f}"


def _ratio(found: Regrets, point: int) -> str:
    best = min(_mean(found[peer], point) for peer in found if peer.startswith(LIGHT))
    return f"**{_mean(found[OURS], point) / best:.2f}**"


def _compared(ours: Any, theirs: Any, point: int) -> str:
    shared = sorted(set(ours) & set(theirs))
    left, right = (
        np.array([regret_at(one[pair], point) for pair in shared]) for one in (ours, theirs)
    )
    if not (left != right).any():
        return ""
    return f"{stats.ttest_rel(left, right).pvalue:.2g}"


def _thinking(runs: Sequence[Mapping[str, Any]], peer: str, workers: int) -> str:
    spent = [run for run in runs if run["peer"] == peer and run["workers"] == workers]
    return f"{sum(r['seconds'] for r in spent) / sum(r['budget'] for r in spent):.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
