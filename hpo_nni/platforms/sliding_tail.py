"""A log of which only the end can be asked for, put together again from many such ends."""

from __future__ import annotations

_MARK = 64  # characters by which the beginning of an end is looked for in the one before


class SlidingTail:
    """Gives each line of a log once, as far as the ends overlap.

    Attributes:
        gaps: how often an end had nothing in common with the one before: lines between them are
            lost, for more was written than an end holds.
    """

    def __init__(self) -> None:
        self._last = ""
        self._line = ""  # the beginning of a line whose end has not been seen
        self.gaps = 0

    def lines(self, tail: str) -> str:
        r"""Return the whole lines that are new since the last call.

        >>> log = SlidingTail()
        >>> log.lines("step 1\nstep 2\nst"), log.lines("step 1\nstep 2\nstep 3\n")
        ('step 1\nstep 2\n', 'step 3\n')
        """
        news = self._line + self._news(tail)
        self._last = tail
        whole, end, self._line = news.rpartition("\n")
        return whole + end

    def rest(self) -> str:
        """Return the last line if it has no end; to be called when nothing is written any more."""
        rest, self._line = self._line, ""
        return rest and f"{rest}\n"

    def _news(self, tail: str) -> str:
        if tail.startswith(self._last):
            return tail[len(self._last) :]
        at = self._last.find(tail[:_MARK])
        while at >= 0:
            known = self._last[at:]
            if tail.startswith(known):
                return tail[len(known) :]
            at = self._last.find(tail[:_MARK], at + 1)
        self.gaps += 1
        self._line = ""
        return tail.partition("\n")[2]  # its first line may have lost its beginning
