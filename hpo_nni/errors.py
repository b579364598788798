"""Everything that hpo_nni raises on purpose.

An error is a letter to a tired user: the fact and the place in the message, the next step in the
hint. The tree, which a test compares with the classes:

    HpoNniError
    ├── SettingsError (ValueError)           files the user wrote; carries every problem at once
    ├── DocumentError (ValueError)           a config that cannot be read in its format
    ├── KeyPathError (ValueError)
    │   ├── KeyPathSyntaxError               a key that cannot be parsed; carries the column
    │   └── NoMatchError (LookupError)       a key that selects nothing
    ├── CommandSyntaxError (ValueError)      a command that cannot be parsed; carries the place
    ├── ValueMismatchError (ValueError)      a value that does not fit the place it should go
    ├── MetricError (ValueError)             a metric source that cannot be read or never spoke
    │   ├── SilentMetricError                a job runs, and its metrics have stopped coming
    │   └── DivergedError                    a weighted metric became NaN or infinite
    ├── DayError (LookupError)               a day whose data is not there, or too few days
    ├── RegistryError (LookupError)          a name that no table knows
    ├── MissingExtraError (ImportError)      an optional dependency that is not installed
    ├── StoreError (OSError)                 a file or object that cannot be read or written
    │   └── TransientStoreError              it may go well when it is tried again
    ├── PlatformError (RuntimeError)         a platform that refused or did not answer
    │   └── TransientPlatformError           it may go well when it is tried again
    │       └── InDoubtError                 a request without an answer: it may have been done
    ├── JobError (RuntimeError)              a job that failed; carries the end of its log
    ├── LedgerError (RuntimeError)           the ledger cannot be opened or is newer than we are
    └── NniError (RuntimeError)              NNI is missing, unreachable or of an unknown version
        └── NniGoneError                     its manager does not answer: it stops, or is dead
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


LONGEST_LINE = 1000  # characters: a letter quotes the file that it is about, it does not copy it


class HpoNniError(Exception):
    """The base of all errors; `str(error)` is the message and, below it, the hint.

    Lines of more than `LONGEST_LINE` characters are cut.

    Args:
        message: the fact, the value and the place.
        hint: what to do next; empty where nothing is known.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = _shorten(message)
        self.hint = _shorten(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


def _shorten(text: str) -> str:
    if len(text) <= LONGEST_LINE:
        return text
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."
        for line in text.split("\n")
    )


@dataclass(frozen=True)
class Problem:
    """One fault in a file that the user wrote.

    Attributes:
        where: `file:line:column`, `file:line [section] key` or as much of that as is known.
        message: the fact.
        hint: what to do next; may be empty.
    """

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class SettingsError(HpoNniError, ValueError):
    """Files the user wrote have faults; `problems` holds all of them, in the files' order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def located(self, where: str) -> SettingsError:
        """The same problems, all at one place."""
        return SettingsError([Problem(where, one.message, one.hint) for one in self.problems])


def describe(error: HpoNniError) -> str:
    """The error as a command prints it; several faults begin with their number."""
    number = len(error.problems) if isinstance(error, SettingsError) else 1
    return f"error: {error}" if number == 1 else f"error: {number} faults\n{error}"


class DocumentError(HpoNniError, ValueError):
    """A config cannot be read in its format.

    Attributes:
        line: counted from 1; 0 where it is not known.
        column: counted from 1; 0 where it is not known.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column


class KeyPathError(HpoNniError, ValueError):
    """A key of the search space is wrong in itself or for the config it should edit."""


class KeyPathSyntaxError(KeyPathError):
    """A key cannot be parsed; the message shows the key with a caret under `column` (from 0)."""

    def __init__(self, text: str, *, column: int, expected: str, hint: str = "") -> None:
        begin = max(0, column - 60)  # of the part of a long key that is shown
        shown = text if len(text) <= 150 else text[begin : begin + 90]
        caret = " " * (column if shown == text else column - begin) + "^"
        super().__init__(f"expected {expected}\n    {shown}\n    {caret}", hint=hint)
        self.text = text
        self.column = column


class NoMatchError(KeyPathError, LookupError):
    """A key selects nothing in the config; the hint names what does exist."""


class CommandSyntaxError(HpoNniError, ValueError):
    """A command in a platform's own language cannot be parsed; a caret stands under the place.

    Attributes:
        line: of the command, counted from 1.
        column: counted from 1.
    """

    def __init__(self, text: str, offset: int, fact: str, *, hint: str = "") -> None:
        before = text[:offset]
        start = before.rfind("\n") + 1
        self.line, self.column = before.count("\n") + 1, offset - start + 1
        begin = max(0, offset - start - 60)  # of the part of a long line that is shown
        shown = text[start:].partition("\n")[0][begin : begin + 90].replace("\t", " ")
        caret = " " * (self.column - 1 - begin) + "^"
        super().__init__(f"line {self.line}: {fact}\n    {shown}\n    {caret}", hint=hint)


class ValueMismatchError(HpoNniError, ValueError):
    """A value does not fit the place it should go: a fraction for an integer, a wrong length."""


class MetricError(HpoNniError, ValueError):
    """A metric source cannot be read, is damaged, or never gave a metric that is needed."""


class SilentMetricError(MetricError):
    """A job runs, and its metrics have stopped coming: it hangs, or its place is out of reach."""


class DivergedError(MetricError):
    """A weighted metric became NaN or infinite, and the policy is that the trial fails."""


class DayError(HpoNniError, LookupError):
    """The data of a day is not there and the trial cannot do without, or too few days are left."""


class RegistryError(HpoNniError, LookupError):
    """A name is in no table; the hint offers the nearest ones."""


class MissingExtraError(HpoNniError, ImportError):
    """An optional dependency is not installed; the hint is the command that installs it."""


class StoreError(HpoNniError, OSError):
    """A file or object cannot be read or written.

    Attributes:
        uri: the file or object.
    """

    def __init__(self, message: str, *, uri: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.uri = uri


class TransientStoreError(StoreError):
    """A store was busy, out of order or out of reach; the caller may try again."""


class PlatformError(HpoNniError, RuntimeError):
    """A platform refused a request or did not answer it."""


class TransientPlatformError(PlatformError):
    """A platform was busy, out of order or out of reach and did nothing; the caller may retry."""


class InDoubtError(TransientPlatformError):
    """A submission whose answer never came, and which cannot be found yet.

    Attributes:
        name: ask `Platform.find` for it before it is submitted again.
    """

    def __init__(self, message: str, *, name: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name


class JobError(HpoNniError, RuntimeError):
    """A job failed.

    Attributes:
        job_id: the platform's id, or the job's name where it has none yet.
        log_tail: the last lines that the job wrote.
    """

    def __init__(self, message: str, *, job_id: str, log_tail: str = "", hint: str = "") -> None:
        tail = "".join(f"\n  | {line}" for line in log_tail.splitlines())
        super().__init__(message + tail, hint=hint)
        self.job_id = job_id
        self.log_tail = log_tail


class LedgerError(HpoNniError, RuntimeError):
    """The ledger cannot be opened, lies where files cannot be locked, or is newer than we are."""


class NniError(HpoNniError, RuntimeError):
    """NNI is missing, of an unsupported version, or did not answer."""


class NniGoneError(NniError):
    """NNI's manager did not answer, again and again: it is being stopped, or has died."""
