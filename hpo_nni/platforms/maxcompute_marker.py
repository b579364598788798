"""How jobs are recognised: the service gives ids, we give names, and write them into the jobs.

The name stands in a parameter and a property of an XFlow, and in the settings of a statement. To
find it again, the account's instances are listed and the sources of those not seen yet are read.
"""

from __future__ import annotations

import json
import re
import time
from calendar import timegm
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from hpo_nni.errors import TransientPlatformError
from hpo_nni.platforms.maxcompute_errors import MissingInstanceError

if TYPE_CHECKING:
    from hpo_nni.platforms.maxcompute_service import MaxComputeService

MARKER = "hpo_nni_job"
SLACK_SECONDS = 900.0  # by which this machine's clock and the service's may differ
_STAMP = re.compile(r"\d{14}")


class Known(NamedTuple):
    """What the source of an instance tells.

    Attributes:
        name: empty if it is none of ours.
        is_xflow: whether it may start other instances.
    """

    name: str = ""
    is_xflow: bool = False


class Markers:
    """Which instance has which name, as far as their sources have been read; each is read once."""

    def __init__(self, service: MaxComputeService) -> None:
        self._service = service
        self._known: dict[str, Known] = {}

    def find(self, name: str, since: float) -> list[str]:
        """The ids of all instances of this name since then, the oldest first.

        Raises:
            TransientPlatformError: a source could not be read. All others have been, so that the
                next search asks for those alone: a service that loses a tenth of all requests
                would never let a long list through from its beginning to its end.
        """
        found, faults = [], []
        for one in sorted(self._service.recent(since)):
            try:
                if self.of(one).name == name:
                    found.append(one)
            except TransientPlatformError as error:
                faults.append(error)
        if faults:
            raise faults[-1]
        return found

    def of(self, instance_id: str) -> Known:
        """What is known of an instance; of one that has been forgotten, nothing."""
        if instance_id not in self._known:
            try:
                self._known[instance_id] = read_source(self._service.source(instance_id))
            except MissingInstanceError:
                self._known[instance_id] = Known()
        return self._known[instance_id]

    def note(self, instance_id: str, known: Known = Known()) -> None:  # noqa: B008 - a value
        """Take something as known, so that the source need not be read."""
        self._known.setdefault(instance_id, known)


def read_source(source: str) -> Known:
    """Read the XML of a job.

    >>> read_source("<Parameter><Key>hpo_nni_job</Key><Value>exp-trial-cmd1</Value></Parameter>")
    Known(name='exp-trial-cmd1', is_xflow=False)
    """
    try:
        root = ET.fromstring(source)  # noqa: S314 - the service's own answer over our connection
    except ET.ParseError:
        return Known()
    is_xflow = next(root.iter("XflowInstance"), None) is not None
    for pair in (*root.iter("Parameter"), *root.iter("Property")):
        key = pair.findtext("Key") or pair.findtext("Name")
        value = pair.findtext("Value") or ""
        if key == MARKER:
            return Known(value, is_xflow)
        if key == "settings" and MARKER in value:
            return Known(_in_settings(value), is_xflow)
    return Known("", is_xflow)


def _in_settings(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return str(found.get(MARKER, "")) if isinstance(found, dict) else ""


def submitted_at(instance_id: str) -> float:
    """When an instance was submitted: its id begins with the time; 0 where it does not.

    >>> submitted_at("20220617000000123gabc")
    1655424000.0
    """
    stamp = _STAMP.match(instance_id)
    try:
        return float(timegm(time.strptime(stamp[0], "%Y%m%d%H%M%S"))) if stamp else 0.0
    except ValueError:
        return 0.0
