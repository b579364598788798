"""A project's days as a table for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hpo_nni.costs import money
from hpo_nni.reports.columns import padded, width_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpo_nni.reports.history import Champion, Day, History

HEADS = ("day", "verdict", "champion", "score", "drift", "tried", "gain", "p", "cost")
_LEFT = 3  # columns of words; the others are of figures
_DIGITS = 5


def table(history: History) -> list[str]:
    """A row for each day."""
    rows = [HEADS, *(_row(day) for day in history.days)]
    kept = [at for at, head in enumerate(HEADS) if head != "cost" or history.currency]
    widths = [max(width_of(row[at]) for row in rows) for at in kept]
    return [
        "  ".join(
            padded(row[at], width) if at < _LEFT else row[at].rjust(width)
            for at, width in zip(kept, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def counts(history: History) -> str:
    """How many days came to what."""
    states = [day.run.state for day in history.days]
    said = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"{len(states)} day{'s' * (len(states) != 1)}: {', '.join(said)}"


def notes(history: History, width: int) -> Iterator[str]:
    """What the columns mean, who the champions were, and why days failed."""
    drifts = [day for day in history.days if day.drift is not None]
    better = "larger is better in both"
    yield from wrapped(f"gain: challenger minus champion over the held-out days; {better}.", width)
    yield from wrapped(
        "drift: how the champion's lead over the untuned config has changed since it was shipped, "
        "paired by day."
        if all(day.is_paired for day in drifts)
        else "drift: how the champion's lead over the untuned config has changed since it was "
        "shipped, paired by day; with ~, where no untuned trial ran, how its own score has.",
        width,
    )
    yield ""
    for champion in history.champions:
        yield from _champion(champion, width)
    for day in history.days:
        if day.run.state == "failed":
            yield from _indented(f"{day.run.day} failed: {day.run.message}", width)


def _row(day: Day) -> Sequence[str]:
    verdict = day.run.verdict
    return (
        day.run.day,
        day.run.state,
        day.champion.name,
        _number(day.score, ".5f"),
        _number(day.drift, "+.5f") + ("" if day.is_paired or day.drift is None else "~"),
        str(day.tried) if day.tried else "-",
        _number(verdict.get("difference"), "+.5f"),
        _number(verdict.get("p_value"), ".3g"),
        "-" if day.run.cost is None else money(day.run.cost),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _champion(champion: Champion, width: int) -> Iterator[str]:
    point = ", ".join(f"{key} = {_text(value)}" for key, value in champion.point.items())
    began = "from the first day on" if not champion.number else f"shipped on {champion.since}"
    yield from _indented(f"{champion.name:<8} {began}{': ' if point else ''}{point}", width)


def _indented(text: str, width: int) -> Iterator[str]:
    first, *rest = wrapped(text, width - 9)
    yield first
    yield from (f"         {line}" for line in rest)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
