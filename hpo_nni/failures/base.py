"""What a failure is made of: what was seen, which row of the table decided, and the class."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import cached_property


class FailureKind(enum.Enum):
    """What a failure says about what to do next."""

    TRANSIENT = "transient"  # the same again may go well: it is tried again in the same trial
    INFEASIBLE = "infeasible"  # the point cannot work: the tuner learns to keep away
    USER = "user"  # it fails until somebody mends something
    UNKNOWN = "unknown"  # no row of the table matches

    @property
    def words(self) -> str:
        """As people read it."""
        return "user error" if self is FailureKind.USER else self.value


class Where(enum.Enum):
    """Which part of the evidence a rule looks at."""

    LOG = "log"  # each line of the end of what the job wrote
    MESSAGE = "message"  # the platform's own words about the job, or those of our error
    EXIT = "exit"  # the exit code; negative for a signal
    STATE = "state"  # the state that the job ended in
    ERROR = "error"  # the classes of our own error, where no job failed


@dataclass(frozen=True)
class Evidence:
    """What is known of a failure.

    Attributes:
        message: the platform's own words about the job, or those of our error.
        log: the end of what the job wrote.
        exit_code: negative for a signal; None where there is none.
        state: the job's last state; empty where no job failed.
        errors: the names of our error's classes; empty where a job failed.
        platform: the platform's name.
    """

    message: str = ""
    log: str = ""
    exit_code: int | None = None
    state: str = ""
    errors: tuple[str, ...] = ()
    platform: str = ""


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        kind: the class of what it matches.
        where: what it looks at.
        pattern: a regular expression, searched; for exit codes numbers with commas between them.
        why: what a match means, or where the row stands, in a few words.
        platform: where it counts; empty for everywhere.

    Raises:
        ValueError: the pattern is no regular expression, or no list of exit codes.
    """

    kind: FailureKind
    where: Where
    pattern: str
    why: str = ""
    platform: str = ""

    def __post_init__(self) -> None:
        try:
            _ = self.codes if self.where is Where.EXIT else self.expression
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{self.pattern!r} is no regular expression: {error}") from error

    @cached_property
    def codes(self) -> frozenset[int]:
        """The exit codes of a rule about those."""
        words = self.pattern.split(",")
        if not all(re.fullmatch(r"\s*-?\d{1,4}\s*", word) for word in words):
            raise ValueError(f"{self.pattern!r} is no exit code, nor several with commas between")
        return frozenset(int(word) for word in words)

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern)


@dataclass(frozen=True)
class Failure:
    """A failure with its class.

    Attributes:
        evidence: what decided, in words: the line, the message or the exit code.
    """

    kind: FailureKind
    evidence: str

    def __str__(self) -> str:
        return f"{self.kind.words}: {self.evidence}"
