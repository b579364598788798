"""One section of trial.ini as its reader sees it: keys are taken, what is left over is a fault."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from hpo_nni.errors import Problem
from hpo_nni.registry import did_you_mean
from hpo_nni.secrets import Reference
from hpo_nni.trial.shell import fill_sql, fill_text

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping, Sequence

    from hpo_nni.trial.ini import Entry, Ini
    from hpo_nni.trial.shell import Filled

    E = TypeVar("E", bound=enum.Enum)

_TRAILING_COMMENT = re.compile(r"\s+[#;].*", re.DOTALL)
_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass
class Reading:
    """What gathers while a file is read.

    Attributes:
        words: what `${name}` stands for.
        keys_are_known: False where the search space is not known: no name is a misspelling then.
        used: names that were replaced somewhere.
    """

    ini: Ini
    words: dict[str, tuple[str, ...]]
    keys_are_known: bool = True
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class SectionReader:
    """Takes the keys of one section; a section that is not there has none."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading = reading
        self.name = name
        section = reading.ini.sections.get(name)
        self.line = section.line if section else 0
        self.entries: dict[str, Entry] = {e.key: e for e in section.entries} if section else {}
        self._taken: set[str] = set()

    def text(self, key: str, default: str = "") -> str:
        """The value of a key, with everything substituted."""
        entry = self._take(key)
        return self.fill(entry, fill_text(entry.value, self._reading.words)) if entry else default

    def sql(self, key: str) -> str:
        """As `text`, for a statement: each value stays one value."""
        entry = self._take(key)
        return self.fill(entry, fill_sql(entry.value, self._reading.words)) if entry else ""

    def word(self, key: str, default: str = "") -> str:
        """As `text`, for a value that has no spaces: a comment behind it is cut off."""
        return _TRAILING_COMMENT.sub("", self.text(key)) or default

    def reference(self, key: str) -> Reference:
        """Where the value of a key is; nothing is substituted, for `${NAME}` is a variable here."""
        entry = self._take(key)
        return Reference.parse(_TRAILING_COMMENT.sub("", entry.value) if entry else "")

    def choice(self, key: str, default: E) -> E:
        """One of an enum's values, in any case."""
        word = self.word(key, str(default.value))
        kind = type(default)
        try:
            return kind(word.lower())
        except ValueError:
            allowed = [str(member.value) for member in kind]
            message = f"{word!r} is not one of {', '.join(allowed)}"
            self.fault(key, message, did_you_mean(word, allowed))
            return default

    def boolean(self, key: str, *, default: bool) -> bool:
        """0 or 1, also true, false, yes and no."""
        word = self.word(key)
        if word and word.lower() not in _BOOLEANS:
            self.fault(key, f"{word!r} is neither 0 nor 1")
        return _BOOLEANS.get(word.lower(), default)

    def seconds(self, key: str, default: float) -> float:
        """A number of seconds, zero or more."""
        word = self.word(key)
        try:
            number = float(word) if word else default
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            self.fault(key, f"{word!r} is not a number of seconds")
            return default
        return number

    def amount(self, key: str) -> float | None:
        """A number that is not negative; None where the key is not there."""
        word = self.word(key)
        if key not in self.entries:
            return None
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            self.fault(key, f"{word!r} is no amount", "a number of 0 or more")
            return None
        return number

    def whole(self, key: str, default: int) -> int:
        """A whole number, zero or more."""
        word = self.word(key, str(default))
        if not (word.isdecimal() and len(word) < 10):
            self.fault(key, f"{word!r} is not a whole number of at least 0")
            return default
        return int(word)

    def where(self, key: str) -> str:
        """The place of a key, as problems give it."""
        entry = self.entries.get(key)
        return self._reading.ini.where(entry.line if entry else self.line, self.name, key)

    def prefixed(self, prefix: str) -> list[Entry]:
        """All entries whose keys begin so, in the order of the file."""
        found = [entry for key, entry in self.entries.items() if key.startswith(prefix)]
        self._taken.update(entry.key for entry in found)
        return found

    def fill(self, entry: Entry, filled: Filled, *, in_shell: bool = False) -> str:
        """Note what a substitution used and could not do; return its text."""
        self._reading.used |= filled.used
        for fault in filled.faults:
            self.fault(entry.key, fault, _shell_hint(fault))
        if self._reading.keys_are_known and not in_shell:
            for name in filled.unknown:
                hint = did_you_mean(name, self._reading.words)
                self.fault(entry.key, f"nothing is known of ${{{name}}}", hint)
        return filled.text

    def fault(self, key: str, message: str, hint: str = "") -> None:
        """Note a problem with a key, or with the section as a whole if the key is empty."""
        self._reading.problems.append(Problem(self.where(key), message, hint))

    def warn(self, key: str, message: str) -> None:
        """Note something odd that does no harm by itself."""
        self._reading.warnings.append(f"{self.where(key)}: {message}")

    def finish(self, known: Sequence[str], hints: Mapping[str, str] | None = None) -> None:
        """Make every key that nobody took a fault; `known` are the names to offer instead."""
        for key in self.entries:
            if key not in self._taken:
                hint = (hints or {}).get(key) or did_you_mean(key, known)
                self.fault(key, f"[{self.name}] has no key {key!r}", hint)

    def _take(self, key: str) -> Entry | None:
        self._taken.add(key)
        return self.entries.get(key)


def _shell_hint(fault: str) -> str:
    if "cannot be quoted safely" in fault:
        return (
            "put it into a variable in front, as in X=${name} bash -c 'echo \"$X\"', or into a file"
        )
    return ""
