"""A project's days as a drawing: one SVG that needs nothing else, and a page around it.

Panels stand below one another over one axis of days: scores of champion and challenger, the
champion's drift, what the days cost. A day without a score is a gap in the line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from hpo_nni.costs import money
from hpo_nni.reports.days import moment
from hpo_nni.reports.history_text import counts, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpo_nni.reports.history import Day, History

WIDTH = 960
_LEFT, _RIGHT, _TOP = 84, 28, 96
_GAP = 44  # between two panels
_X_TICKS = 10
_INK, _QUIET, _GRID = "#1f2328", "#656d76", "#d8dee4"
_CHAMPION, _CHALLENGER, _SHIPPED, _FAILED = "#0969da", "#bf8700", "#1a7f37", "#cf222e"
_DRIFT, _COST = "#8250df", "#8c959f"
_FONT = "font-family='system-ui, sans-serif'"


def svg(history: History) -> str:
    """The drawing as a file of its own."""
    drawing = _Drawing(history)
    drawing.draw()
    return drawing.text()


def page(history: History) -> str:
    """The drawing in a page, with the table below it."""
    rows = "\n".join(escape(line) for line in table(history))
    title = escape(f"{history.project}: daily project")
    return (
        f"<!doctype html>\n<html lang='en'><meta charset='utf-8'><title>{title}</title>\n"
        "<style>body{margin:2rem auto;max-width:960px;background:#fff;color:#1f2328}"
        "svg{max-width:100%;height:auto}pre{font-size:12px;overflow-x:auto}</style>\n"
        f"{svg(history)}\n<pre>{rows}</pre>\n</html>\n"
    )


@dataclass(frozen=True)
class _Panel:
    """A part of the drawing with an axis of its own.

    Attributes:
        top, height: in pixels.
        low, high: the values at its bottom and its top.
    """

    name: str
    top: float
    height: float
    low: float
    high: float

    @classmethod
    def around(cls, name: str, top: float, height: float, values: Sequence[float]) -> _Panel:
        """With some room above and below the values."""
        low, high = min(values), max(values)
        room = (high - low or abs(high) or 1.0) * 0.08
        return cls(name, top, height, low - room, high + room)

    def y(self, value: float) -> float:
        """Where a value stands."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values between the ends, about one for each 45 pixels."""
        wanted = (self.high - self.low) / max(2.0, self.height / 45)
        power = 10.0 ** math.floor(math.log10(wanted))
        step = next(power * by for by in (1, 2, 5, 10) if power * by >= wanted)
        first = math.ceil(self.low / step)
        return [step * number for number in range(first, math.floor(self.high / step) + 1)]


@dataclass
class _Drawing:
    history: History
    parts: list[str] = field(default_factory=list)
    bottom: float = _TOP

    def draw(self) -> None:
        days = self.history.days
        scores = [one for day in days for one in _scores(day, self.history.direction.sign)]
        if scores:
            self._scores(self._panel("score", 280, scores))
        drifts = [day.drift for day in days if day.drift is not None]
        if drifts:
            self._drift(self._panel("drift of the champion", 110, [0.0, *drifts]))
        costs = [day.run.cost for day in days if day.run.cost is not None]
        if costs:
            name = f"cost ({self.history.currency})" if self.history.currency else "cost"
            self._cost(self._panel(name, 90, [0.0, *costs]))

    def text(self) -> str:
        height = self.bottom + 34
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:g}' "
            f"width='{WIDTH}' height='{height:g}' {_FONT} font-size='12' fill='{_INK}'>"
        )
        title = escape(self.history.project)
        heading = [
            f"<title>{title}: daily project</title>",
            f"<rect width='{WIDTH}' height='{height:g}' fill='#fff'/>",
            f"<text x='{_LEFT}' y='32' font-size='18' font-weight='600'>{title}</text>",
            f"<text x='{_LEFT}' y='52' fill='{_QUIET}'>{escape(counts(self.history))}</text>",
            *_legend(self.history.days),
        ]
        return "\n".join([head, *heading, *self._dates(), *self.parts, "</svg>"]) + "\n"

    def _panel(self, name: str, height: float, values: Sequence[float]) -> _Panel:
        top = self.bottom if self.bottom == _TOP else self.bottom + _GAP
        panel = _Panel.around(name, top, height, values)
        self.bottom = top + height
        self._text(_LEFT, top - 8, name, fill=_QUIET)
        right = WIDTH - _RIGHT
        for value in panel.ticks():
            y = panel.y(value)
            self.parts.append(_line(_LEFT, y, right, y, _GRID))
            self._text(_LEFT - 8, y + 4, f"{value:.6g}", fill=_QUIET, anchor="end")
        return panel

    def _scores(self, panel: _Panel) -> None:
        for day in self.history.days:
            self._event(day, panel)
        for before, day in pairwise(self.history.days):
            if before.score is not None and day.score is not None and _is_next(before, day):
                ends = (self._x(before), panel.y(before.score), self._x(day), panel.y(day.score))
                self.parts.append(_line(*ends, _CHAMPION, width=2))
        for day in self.history.days:
            self._challenger(day, panel)
            if day.score is not None:
                said = f"{day.run.day}: champion {day.champion.name}, {day.score:.5f}"
                self._dot(self._x(day), panel.y(day.score), said, fill=_CHAMPION, ring=_CHAMPION)

    def _challenger(self, day: Day, panel: _Panel) -> None:
        if day.challenger_score is None:
            return
        if day.interval is not None and day.score is not None:
            sign = self.history.direction.sign
            ends = (panel.y(day.score + sign * one) for one in day.interval)
            self.parts.append(
                _line(self._x(day), next(ends), self._x(day), next(ends), _CHALLENGER)
            )
        said = f"{day.run.day}: challenger, {day.challenger_score:.5f}, {day.run.state}"
        y = panel.y(day.challenger_score)
        self._dot(self._x(day), y, said, fill="#fff", ring=_CHALLENGER)

    def _event(self, day: Day, panel: _Panel) -> None:
        x, foot = self._x(day), panel.top + panel.height
        if day.is_shipped:
            number = next(
                (
                    one.name
                    for one in self.history.champions
                    if one.since == day.run.day and one.number
                ),
                "",
            )
            self.parts.append(_line(x, panel.top, x, foot, _SHIPPED, dash="4 4"))
            self._text(x, panel.top - 8, number, fill=_SHIPPED, anchor="middle")
            self.parts.append(
                f"<path d='M{x - 6:.1f} {foot:.1f} h12 l-6 -10 z' fill='{_SHIPPED}'/>"
            )
        elif day.run.state == "failed":
            said = escape(f"{day.run.day} failed: {day.run.message}")
            cross = f"M{x - 5:.1f} {foot - 11:.1f} l10 10 m0 -10 l-10 10"
            self.parts.append(
                f"<path d='{cross}' stroke='{_FAILED}' stroke-width='2' fill='none'>"
                f"<title>{said}</title></path>"
            )

    def _drift(self, panel: _Panel) -> None:
        zero = panel.y(0.0)
        self.parts.append(_line(_LEFT, zero, WIDTH - _RIGHT, zero, _QUIET))
        for before, day in pairwise(self.history.days):
            if before.drift is None or day.drift is None or before.champion != day.champion:
                continue  # another champion has a lead of its own
            if _is_next(before, day):
                ends = (self._x(before), panel.y(before.drift), self._x(day), panel.y(day.drift))
                self.parts.append(_line(*ends, _DRIFT, width=2))
        for day in self.history.days:
            if day.drift is not None:
                paired = "" if day.is_paired else ", not paired"
                said = f"{day.run.day}: {day.champion.name}, {day.drift:+.5f}{paired}"
                fill = _DRIFT if day.is_paired else "#fff"
                self._dot(self._x(day), panel.y(day.drift), said, fill=fill, ring=_DRIFT)

    def _cost(self, panel: _Panel) -> None:
        width = max(2.0, min(24.0, 0.6 * self._spacing()))
        foot = panel.y(0.0)
        for day in self.history.days:
            if day.run.cost is not None:
                top = panel.y(day.run.cost)
                said = f"{day.run.day}: {money(day.run.cost, self.history.currency)}"
                self.parts.append(
                    f"<rect x='{self._x(day) - width / 2:.1f}' y='{top:.1f}' width='{width:.1f}' "
                    f"height='{foot - top:.1f}' rx='1' fill='{_COST}'>"
                    f"<title>{escape(said)}</title></rect>"
                )

    def _dates(self) -> Iterator[str]:
        days = self.history.days
        every = math.ceil(len(days) / _X_TICKS)
        for number, day in enumerate(days):
            if number % every == 0:
                when = moment(day.run.day)
                form = "%Y-%m-%d" if number == 0 else "%m-%d"
                form += " %H:00" if len(day.run.day) > len("20261001") else ""
                x = self._x(day)
                yield _line(x, self.bottom, x, self.bottom + 5, _QUIET)
                yield _label(x, self.bottom + 20, when.strftime(form), _QUIET, "middle")

    def _x(self, day: Day) -> float:
        first, last = (moment(self.history.days[at].run.day) for at in (0, -1))
        span = (last - first).total_seconds()
        share = (moment(day.run.day) - first).total_seconds() / span if span else 0.5
        inset = 24.0
        return _LEFT + inset + share * (WIDTH - _LEFT - _RIGHT - 2 * inset)

    def _spacing(self) -> float:
        places = [self._x(day) for day in self.history.days]
        return min((b - a for a, b in pairwise(places)), default=40.0)

    def _dot(self, x: float, y: float, said: str, *, fill: str, ring: str) -> None:
        self.parts.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{fill}' stroke='{ring}' "
            f"stroke-width='2'><title>{escape(said)}</title></circle>"
        )

    def _text(self, x: float, y: float, text: str, *, fill: str, anchor: str = "start") -> None:
        self.parts.append(_label(x, y, text, fill, anchor))


def _scores(day: Day, sign: int) -> list[float]:
    """All values that stand on a day: scores, and the ends of the challenger's interval."""
    found = [one for one in (day.score, day.challenger_score) if one is not None]
    if day.score is not None and day.interval is not None:
        found += [day.score + sign * one for one in day.interval]
    return found


def _is_next(before: Day, day: Day) -> bool:
    """Whether no calendar day, and with hours no hour, lies between two days."""
    hours = 1 if len(day.run.day) > len("20261001") else 24
    return (moment(day.run.day) - moment(before.run.day)).total_seconds() <= hours * 3600


def _line(  # noqa: PLR0913, PLR0917  (coordinates)
    x: float, y: float, x2: float, y2: float, ink: str, width: float = 1, dash: str = ""
) -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    ends = f"x1='{x:.1f}' y1='{y:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{ink}' stroke-width='{width:g}'{dashes}/>"


def _label(x: float, y: float, text: str, fill: str, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' fill='{fill}' text-anchor='{anchor}'"
    return f"<text {place}>{escape(text)}</text>"


def _legend(days: Sequence[Day]) -> Iterator[str]:
    shown = {day.run.state for day in days}
    entries = [
        ("champion", _mark(_CHAMPION, _CHAMPION)),
        ("challenger", _mark("#fff", _CHALLENGER)),
    ]
    if "shipped" in shown:
        entries.append(("shipped", f"<path d='M-6 4 h12 l-6 -10 z' fill='{_SHIPPED}'/>"))
    if "failed" in shown:
        cross = "M-5 -5 l10 10 m0 -10 l-10 10"
        entries.append(("failed", f"<path d='{cross}' stroke='{_FAILED}' stroke-width='2'/>"))
    x = WIDTH - _RIGHT - 100 * len(entries) + 14
    for name, mark in entries:
        yield f"<g transform='translate({x} 28)'>{mark}</g>"
        yield _label(x + 10, 32, name, _QUIET)
        x += 100


def _mark(fill: str, ring: str) -> str:
    return f"<circle r='4' fill='{fill}' stroke='{ring}' stroke-width='2'/>"
