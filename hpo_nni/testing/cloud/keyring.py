"""Whose requests a server accepts, and how far their clocks may be off."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

MAX_SKEW = 15 * 60.0


@dataclass(frozen=True)
class Keyring:
    """Who may come in; both can be changed while a server runs.

    Attributes:
        secrets: access key id to secret.
        tokens: access key id to the security token that must come with it.
        versions: the kinds of signatures of what was accepted: `V1`, `V2`, `V4`.
    """

    secrets: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)


def seconds(date: str) -> float:
    """The time that a header gives; 0 where it gives none."""
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0
