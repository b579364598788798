"""What a person sees while an experiment runs: a line per trial, and one that says how it stands.

On a terminal the last line is redrawn in place; in a file it is written once in a while, so that a
log reads well too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from hpo_nni.failures import FailureKind
from hpo_nni.ledger.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.ledger.records import TrialRecord

WORDS = {
    TrialState.RUNNING: "running",
    TrialState.SUCCEEDED: "succeeded",
    TrialState.STOPPED: "stopped early",
    TrialState.CANCELLED: "cancelled",
    TrialState.FAILED: "failed",
}
LOG_INTERVAL = 15.0  # seconds between two status lines in a file


@dataclass(frozen=True)
class Limits:
    """What bounds the experiment now; the web page may change all of it."""

    max_trials: int | None
    concurrency: int
    seconds_left: float | None


class Progress:
    """Writes what has changed since the last call.

    Args:
        stream: where to; a terminal is recognised.
        direction: which scores are better.
    """

    def __init__(self, stream: TextIO, direction: Direction) -> None:
        self._stream = stream
        self._direction = direction
        self._live = stream.isatty()
        self._told: set[str] = set()
        self._next_line = 0.0
        self._drawn = 0

    def show(
        self, trials: Sequence[TrialRecord], limits: Limits, elapsed: float, cost: str = ""
    ) -> None:
        """Write the trials that have ended since, and how the experiment stands.

        Args:
            trials: all trials so far.
            limits: as they are now.
            elapsed: seconds since the experiment began.
            cost: what it has cost, in words; empty where nothing has a price.
        """
        for trial in trials:
            if trial.state.is_final and trial.id not in self._told:
                self._told.add(trial.id)
                self._line(f"{clock(elapsed):>7}  {describe(trial)}")
        status = self._status(trials, limits, elapsed, cost)
        if self._live:
            self._stream.write("\r" + status.ljust(self._drawn))
            self._drawn = len(status)
        elif elapsed >= self._next_line:
            self._next_line = elapsed + LOG_INTERVAL
            self._stream.write(status + "\n")
        self._stream.flush()

    def finish(
        self, trials: Sequence[TrialRecord], limits: Limits, elapsed: float, cost: str = ""
    ) -> None:
        """Write how the experiment stands at its end, and an empty line."""
        self._next_line = elapsed
        self.show(trials, limits, elapsed, cost)
        self._stream.write("\n\n" if self._live else "\n")
        self._stream.flush()

    def _line(self, text: str) -> None:
        if self._live and self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._drawn = 0
        self._stream.write(text + "\n")

    def _status(
        self, trials: Sequence[TrialRecord], limits: Limits, elapsed: float, cost: str
    ) -> str:
        states = Counter(trial.state for trial in trials)
        done = sum(count for state, count in states.items() if state.is_final)
        of = f"/{limits.max_trials}" if limits.max_trials else ""
        parts = [
            f"{done}{of} trials done",
            f"{states[TrialState.RUNNING]} running",
            f"{states[TrialState.STOPPED]} stopped early",
            f"{states[TrialState.FAILED]} failed",
        ]
        if states[TrialState.CANCELLED]:
            parts.append(f"{states[TrialState.CANCELLED]} cancelled")
        best = best_trial(trials, self._direction)
        if best is not None:
            parts.append(f"best {best.score:.5g} (trial {best.number})")
        if cost:
            parts.append(cost)
        left = time_left(done, limits, elapsed)
        if left is not None:
            parts.append(f"about {clock(left)} left")
        return f"{clock(elapsed):>7}  [{' · '.join(parts)}]"


def describe(trial: TrialRecord) -> str:
    """One line about a trial that has ended."""
    text = f"trial {trial.number if trial.number >= 0 else trial.id}"
    if trial.is_baseline:
        text += " (untuned)"
    text = f"{text:<19} {WORDS[trial.state]:<14}"
    if trial.score is not None:
        text += f" score {trial.score:.5g}"
    if trial.reason and trial.state is not TrialState.SUCCEEDED:
        text += f" {trial.reason.splitlines()[0]}"
    if trial.failure and trial.failure != FailureKind.UNKNOWN.value:
        words = FailureKind(trial.failure).words
        text += "" if f"({words}: " in text else f" ({words})"
    return text.rstrip()


def best_trial(trials: Sequence[TrialRecord], direction: Direction) -> TrialRecord | None:
    """The succeeded trial with the best score; the earliest of equal ones."""
    scored = [
        trial for trial in trials if trial.state is TrialState.SUCCEEDED and trial.score is not None
    ]
    return max(scored, key=lambda trial: direction.sign * (trial.score or 0.0), default=None)


def time_left(done: int, limits: Limits, elapsed: float) -> float | None:
    """Seconds to go at the pace so far; None while nothing has ended or nothing bounds it."""
    bounds = [] if limits.seconds_left is None else [max(0.0, limits.seconds_left)]
    if limits.max_trials and done:
        bounds.append(max(0, limits.max_trials - done) * elapsed / done)
    return min(bounds, default=None)


def clock(seconds: float) -> str:
    """Seconds as people write them.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
