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
    from collections.abc import Sequence

    from hpo_nni.platforms.maxcompute_service import MaxComputeService

MARKER = "hpo_nni_job"
SLACK_SECONDS = 900.0  # by which this machine's clock and the service's may differ
_IN_VAIN = 2  # rounds without any answer, after which a search is given up for now
_DOWN = 3  # requests that fail at the beginning of a round, after which it is given up
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

        Sources that cannot be read are asked for again at once, as long as others can: this is one
        question in many requests. A service that loses a tenth of them would else hardly ever
        answer it, and each pause brings new instances that have to be read, too.

        Raises:
            TransientPlatformError: twice in a row, none of the sources that were left could be
                read. What has been read by then is not asked for again.
        """
        instances = sorted(self._service.recent(since))
        left, in_vain = instances, 0
        while left:
            missing, fault = self._read(left)
            in_vain = in_vain + 1 if len(missing) == len(left) else 0
            if fault is not None and in_vain == _IN_VAIN:
                raise fault
            left = missing
        return [one for one in instances if self._known[one].name == name]

    def _read(self, instances: Sequence[str]) -> tuple[list[str], TransientPlatformError | None]:
        """Read each source once; return those that could not be, and the last fault."""
        missing, fault = [], None
        for number, one in enumerate(instances):
            try:
                self.of(one)
            except TransientPlatformError as error:
                missing.append(one)
                fault = error
                if number + 1 == len(missing) == _DOWN:  # it is out of order, not busy
                    return list(instances), fault
        return missing, fault

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
