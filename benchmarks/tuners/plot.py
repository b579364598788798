"""Mean regret against evaluations, as an SVG that needs nothing but a browser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 420, 60, 45
COLOURS = ("#d62728", "#1f77b4", "#17becf", "#2ca02c", "#9467bd", "#7f7f7f", "#8c564b", "#e377c2")


def curves(runs: Sequence[Mapping[str, Any]], parts: Mapping[str, str]) -> str:
    """One curve for each tuner, on the reported tasks, one trial at a time."""
    reported = [run for run in runs if parts.get(run["task"]) == "reported"]
    budget = _most_complete(reported)
    found = tables.complete_runs(reported, 1, budget)
    counts = np.unique(np.geomspace(5, max(budget, 6), 40).astype(int))
    means = {
        peer: [np.mean([tables.regret_at(s, int(n)) for s in pairs.values()]) for n in counts]
        for peer, pairs in found.items()
        if len(pairs) == max(len(each) for each in found.values())
    }
    top = max((max(mean) for mean in means.values()), default=1.0)
    least = max(min((min(mean) for mean in means.values()), default=0.01), 1e-3)

    def x(count: float) -> float:
        share = math.log(count / counts[0]) / math.log(counts[-1] / counts[0])
        return LEFT + share * (WIDTH - LEFT - 150)

    def y(regret: float) -> float:
        share = math.log(regret / least) / math.log(top / least)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 20)

    parts_of = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text { font: 12px sans-serif; }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="14">mean normalised regret, one trial at a time</text>',
        f'<text x="{WIDTH / 2 - 90}" y="{HEIGHT - 8}">evaluations</text>',
    ]
    for count in (5, 10, 20, 30, 50, 100, 200):
        if count <= counts[-1]:
            parts_of.append(_line(x(count), 20, x(count), HEIGHT - BOTTOM, "#eeeeee"))
            parts_of.append(
                f'<text x="{x(count) - 8:.1f}" y="{HEIGHT - BOTTOM + 16}">{count}</text>'
            )
    for regret in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        if least <= regret <= top:
            parts_of.append(_line(LEFT, y(regret), WIDTH - 150, y(regret), "#eeeeee"))
            parts_of.append(
                f'<text x="{LEFT - 6}" y="{y(regret) + 4:.1f}" text-anchor="end">{regret}</text>'
            )
    ordered = sorted(means, key=lambda peer: means[peer][-1])
    for number, peer in enumerate(ordered):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(
            f"{x(n):.1f},{y(max(m, least)):.1f}" for n, m in zip(counts, means[peer], strict=True)
        )
        thick = 3 if peer == tables.OURS else 1.5
        parts_of.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'
        )
        parts_of.append(_line(WIDTH - 142, 30 + 18 * number, WIDTH - 122, 30 + 18 * number, colour))
        parts_of.append(f'<text x="{WIDTH - 116}" y="{34 + 18 * number}">{peer}</text>')
    return "\n".join([*parts_of, "</svg>\n"])


def _most_complete(runs: Sequence[Mapping[str, Any]]) -> int:
    """The most evaluations that more than half of AutoTuner's runs have."""
    done = [run["budget"] for run in runs if run["peer"] == tables.OURS and run["workers"] == 1]
    return max((n for n in set(done) if sum(b >= n for b in done) > len(done) / 2), default=0)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="1.5"/>'
    )
