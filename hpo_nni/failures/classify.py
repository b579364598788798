"""From evidence to a class: the first row of the table that matches decides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpo_nni.failures.base import Failure, FailureKind, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.failures.base import Evidence, Rule

LONGEST_QUOTE = 200  # characters of a line or message
LONGEST_LINE = 4000  # characters of a line that are searched

_VARIABLE = re.compile(r"0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{6,}|\d+|(?:/[\w.+-]+)+", re.IGNORECASE)


def classify(evidence: Evidence, rules: Sequence[Rule] = ()) -> Failure:
    """The class of a failure, and what decided it.

    Args:
        evidence: what is known.
        rules: the user's own rows; they come before ours.

    >>> from hpo_nni.failures import Evidence
    >>> print(classify(Evidence(exit_code=1, message="exit code 1", log="MemoryError")))
    infeasible: out of memory: its log says 'MemoryError'
    """
    from hpo_nni.failures.rules import RULES  # noqa: PLC0415 - a trial that does well compiles none

    for rule in (*rules, *RULES):
        found = _match(rule, evidence)
        if found:
            return Failure(rule.kind, ": ".join(filter(None, [rule.why, found])))
    seen = _quote(evidence.message) if evidence.message else "nothing at all"
    return Failure(FailureKind.UNKNOWN, f"no rule knows {seen}")


def signature(kind: str, evidence: str, own_names: Sequence[str] = ()) -> str:
    """What two occurrences of the same failure have in common.

    Args:
        kind: a FailureKind's value.
        evidence: as `Failure` has it.
        own_names: words of this one trial only: its id, its folder.

    >>> signature("user", "its log says 'no file /a/x1/f.csv at line 17'")
    "user its log says 'no file # at line #'"
    """
    for name in own_names:
        if name:
            evidence = evidence.replace(name, "#")
    return f"{kind} {_VARIABLE.sub('#', evidence)}"


def _match(rule: Rule, evidence: Evidence) -> str:
    """What the rule found, in words; empty if it does not match."""
    if rule.platform and rule.platform != evidence.platform:
        return ""
    if rule.where is Where.EXIT:
        return evidence.message if evidence.exit_code in rule.codes else ""
    if rule.where is Where.LOG:
        return _match_log(rule, evidence.log)
    if rule.where is Where.MESSAGE:
        text = evidence.message
    elif rule.where is Where.STATE:
        text = evidence.state
    else:
        text = " ".join(evidence.errors)
    if not rule.expression.search(text):
        return ""
    return _quote(evidence.message) if evidence.message else text


def _match_log(rule: Rule, log: str) -> str:
    for line in reversed(log.splitlines()):  # what was written last says most
        if rule.expression.search(line[:LONGEST_LINE]):
            return f"its log says {_quote(line)}"
    return ""


def _quote(text: str) -> str:
    """One short line of a text, in quotes."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return repr(line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 3]}...")
