"""A plot of scores by day, in signs: a column for each day, gaps where there is no score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpo_nni.reports.history import Day, History

HEIGHT = 8  # lines
_AXIS = 10  # places for the figures on the left
_WIDEST = 4  # places for a day


@dataclass(frozen=True)
class Signs:
    """What is drawn with."""

    champion: str
    challenger: str
    both: str
    shipped: str
    failed: str
    side: str
    corner: str
    line: str


UNICODE = Signs("●", "○", "◉", "▲", "×", "│", "└", "─")
ASCII = Signs("*", "o", "@", "^", "x", "|", "+", "-")


def text_plot(history: History, width: int, signs: Signs) -> list[str]:
    """Lines of at most `width` places; none where no day has a score."""
    days = list(history.days)[-max(1, width - _AXIS - 1) :]
    scores = [one for day in days for one in (day.score, day.challenger_score) if one is not None]
    if not scores:
        return []
    low, high = min(scores), max(scores)
    step = min(_WIDEST, (width - _AXIS - 1) // len(days))
    rows = [[" "] * len(days) for _ in range(HEIGHT)]
    for column, day in enumerate(days):
        for row, sign in _points(day, low, high, signs):
            rows[row][column] = signs.both if rows[row][column] != " " else sign
    lines = []
    for number, places in enumerate(rows):
        is_end = number == 0 or (number == HEIGHT - 1 and high > low)
        value = f"{high if number == 0 else low:.5f}" if is_end else ""
        lines.append(f"{value:>{_AXIS}}{signs.side}{_spread(places, step)}".rstrip())
    lines.append(" " * _AXIS + signs.corner + signs.line * (step * len(days)))
    below = _spread([_event(day, signs) for day in days], step)
    lines += [f"{'':>{_AXIS}} {below}".rstrip()] if below.strip() else []
    ends = days[0].run.day if len(days) == 1 else f"{days[0].run.day} to {days[-1].run.day}"
    return [*lines, f"{'':>{_AXIS}} {ends}", "", *_legend(days, signs, len(history.days))]


def _points(day: Day, low: float, high: float, signs: Signs) -> Iterator[tuple[int, str]]:
    for score, sign in ((day.challenger_score, signs.challenger), (day.score, signs.champion)):
        if score is not None:
            share = (high - score) / (high - low) if high > low else 0.0
            yield round(share * (HEIGHT - 1)), sign


def _spread(row: Sequence[str], step: int) -> str:
    return "".join(sign + " " * (step - 1) for sign in row)


def _event(day: Day, signs: Signs) -> str:
    return signs.shipped if day.is_shipped else signs.failed if day.run.state == "failed" else " "


def _legend(days: Sequence[Day], signs: Signs, count: int) -> Iterator[str]:
    parts = [f"{signs.champion} champion", f"{signs.challenger} challenger", f"{signs.both} both"]
    if any(day.is_shipped for day in days):
        parts.append(f"{signs.shipped} shipped")
    if any(day.run.state == "failed" for day in days):
        parts.append(f"{signs.failed} failed")
    yield " " * (_AXIS + 1) + "   ".join(parts)
    if len(days) < count:
        yield " " * (_AXIS + 1) + f"the last {len(days)} of {count} days"
