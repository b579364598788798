"""What goes wrong on purpose, by rule or by seed, so that a failing run can be repeated."""

from __future__ import annotations

import enum
import random
import re
import threading
from dataclasses import dataclass


class Action(enum.Enum):
    """What happens to a request."""

    DELAY = "delay"  # done and answered `seconds` late
    ANSWER_LATE = "answer late"  # done at once, answered `seconds` late
    REFUSE = "refuse"  # answered with `status` and `code`; nothing is done
    FAIL_AFTER = "fail after"  # done, then answered with `status` and `code`
    DROP_BEFORE = "drop before"  # the connection closes; nothing is done
    DROP_AFTER = "drop after"  # done, then the connection closes without an answer
    DUPLICATE = "duplicate"  # delivered twice, `seconds` apart; see `RequestFault.seconds`


class Fate(enum.Enum):
    """What happens to a job."""

    WAITS = "waits"  # stays in the queue until somebody stops it
    FAILS = "fails"  # ends as failed after its first evaluation, and says `message`
    DIES = "dies"  # ends as failed after its first evaluation, without a word
    VANISHES = "vanishes"  # its process ends after its first evaluation; the service says running


@dataclass(frozen=True)
class RequestFault:
    """A fault of requests; without limits it hits the first request only.

    Attributes:
        action: see `Action`.
        method: of the request; empty for any.
        path: a regular expression, searched in the decoded path, as `/instances$`.
        query: one that is searched in the decoded query, where actions are: `taskstatus`.
        first: which matching request, from 1, is the first one hit.
        times: how many matching requests from there on are hit; 0 for all of them.
        probability: with which each of these is really hit, decided by the seed of `Faults`.
        status: the HTTP status of the error answers.
        code: their service code; empty for the service's own word for that status.
        message: their text.
        seconds: how late the answer of `DELAY` and `ANSWER_LATE` is. A duplicate without
            seconds is delivered before the answer, which is the second delivery's; with seconds
            it comes so long after the answer, which is the first one's.
    """

    action: Action
    method: str = ""
    path: str = ""
    query: str = ""
    first: int = 1
    times: int = 1
    probability: float = 1.0
    status: int = 503
    code: str = ""
    message: str = ""
    seconds: float = 0.0

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether the rule is about such a request at all."""
        is_place = re.search(self.path, path) and re.search(self.query, query)
        return self.method in {"", method} and is_place is not None


@dataclass(frozen=True)
class JobFault:
    """A fault of jobs; without limits it hits the first job only.

    Attributes:
        fate: see `Fate`.
        source: a regular expression, searched in the XML that was submitted.
        first: which matching job, from 1, is the first one hit.
        times: how many matching jobs from there on are hit; 0 for all of them.
        probability: as for requests.
        message: what the failed job says.
    """

    fate: Fate
    source: str = ""
    first: int = 1
    times: int = 1
    probability: float = 1.0
    message: str = "ODPS-0010000:System internal error - worker 0 exited with code 139"

    def matches(self, source: str) -> bool:
        """Whether the rule is about such a job at all."""
        return re.search(self.source, source) is not None


class Faults:
    """The faults of one server; same seed, same order of requests: same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._lock = threading.Lock()
        self._rules: list[RequestFault | JobFault] = []
        self._met: list[int] = []

    def add(self, *faults: RequestFault | JobFault) -> None:
        """Let these happen from now on; each counts what it meets from here."""
        with self._lock:
            self._rules.extend(faults)
            self._met.extend(0 for _ in faults)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._rules.clear()
            self._met.clear()

    def of_request(self, method: str, path: str, query: str) -> list[RequestFault]:
        """Which faults hit this request; asking counts."""
        with self._lock:
            return [
                rule
                for place, rule in enumerate(self._rules)
                if isinstance(rule, RequestFault)
                and rule.matches(method, path, query)
                and self._strikes(place, rule)
            ]

    def of_job(self, source: str) -> JobFault | None:
        """Which fault hits this job; asking counts."""
        with self._lock:
            struck = [
                rule
                for place, rule in enumerate(self._rules)
                if isinstance(rule, JobFault)
                and rule.matches(source)
                and self._strikes(place, rule)
            ]
        return struck[0] if struck else None

    def _strikes(self, place: int, rule: RequestFault | JobFault) -> bool:
        self._met[place] += 1
        beyond = self._met[place] - rule.first
        if beyond < 0 or (rule.times and beyond >= rule.times):
            return False
        return rule.probability >= 1.0 or self._random.random() < rule.probability
