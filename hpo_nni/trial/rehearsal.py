"""A rehearsal: one experiment whose services are servers on this machine, for as long as it runs.

`hpo-nni rehearse` starts the servers and describes them in one environment variable, which NNI
hands down to every process of that experiment. Nothing else redirects, and this does so narrowly:
the servers are ports of 127.0.0.1; a process that is not below the rehearsal's own directory, or
that outlives the command, is refused rather than sent to the real services. No file is written,
so nothing can be left behind.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.secrets import Credentials, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.trial.settings import TrialSettings

VARIABLE = "HPO_NNI_REHEARSAL"
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.5  # nobody here counts requests
_PLACES = ("NNI_SYS_DIR", "NNI_LOG_DIRECTORY")  # of a trial, of the dispatcher
_UNSET = f"unset {VARIABLE}; only `hpo-nni rehearse` sets it, for its own experiment"


@dataclass(frozen=True)
class Rehearsal:
    """Which servers stand for the services, and for whom.

    Attributes:
        directory: the experiment's working directory; only processes below it are redirected.
        oss_port, odps_port: of 127.0.0.1.
        key_id, key_secret: made up for this one run; good for these servers only.
        owner: the command, which has the servers in it.
    """

    directory: str
    oss_port: int
    odps_port: int
    key_id: str
    key_secret: str
    owner: ProcessIdentity

    @classmethod
    def of_process(cls, environ: Mapping[str, str] = os.environ) -> Rehearsal | None:
        """The rehearsal that this process belongs to; None where there is none.

        Raises:
            SettingsError: the variable is set, and this process must not be redirected: it belongs
                to another experiment, or the rehearsal is over.
        """
        text = environ.get(VARIABLE, "")
        if not text:
            return None
        rehearsal = _parse(text)
        if not _is_ours(rehearsal, environ):
            raise _refusal("is set, but this process is not part of that rehearsal")
        if not (rehearsal.owner.is_here and rehearsal.owner.is_alive()):
            raise _refusal("is that of a rehearsal which is over")
        return rehearsal

    def to_text(self) -> str:
        """The variable's value."""
        return json.dumps(asdict(self))

    @property
    def oss_endpoint(self) -> str:
        """Of the server that stands for OSS."""
        return f"http://{LOOPBACK}:{self.oss_port}"

    @property
    def odps_endpoint(self) -> str:
        """Of the server that stands for MaxCompute."""
        return f"http://{LOOPBACK}:{self.odps_port}/api"

    @property
    def credentials(self) -> Credentials:
        """The key pair of both servers."""
        return Credentials(Secret(self.key_id), Secret(self.key_secret))

    def adapt(self, settings: TrialSettings) -> TrialSettings:
        """Poll often, wait for no window and no day, tell nobody; copies of events come here."""
        seconds = min(settings.metrics.poll_interval, POLL_SECONDS)
        mirror = settings.mirror and str(Path(self.directory, "exp", Path(settings.mirror).name))
        return replace(
            settings,
            metrics=replace(settings.metrics, poll_interval=seconds),
            mirror=mirror,
            window=None,
            monitor=None,
            days=replace(settings.days, looks=False),
        )


def _parse(text: str) -> Rehearsal:
    try:
        found = json.loads(text)
        return Rehearsal(
            directory=str(found["directory"]),
            oss_port=int(found["oss_port"]),
            odps_port=int(found["odps_port"]),
            key_id=str(found["key_id"]),
            key_secret=str(found["key_secret"]),
            owner=ProcessIdentity(**found["owner"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _refusal("is set to something that is no rehearsal") from error


def _is_ours(rehearsal: Rehearsal, environ: Mapping[str, str]) -> bool:
    """Whether this is the command itself, or a process of the experiment that it started."""
    if rehearsal.owner == ProcessIdentity.current():
        return True
    whole = Path(rehearsal.directory).resolve()
    given = [Path(environ[name]).resolve() for name in _PLACES if environ.get(name)]
    return any(whole in place.parents for place in given)


def _refusal(fact: str) -> SettingsError:
    return SettingsError([Problem("", f"the environment variable {VARIABLE} {fact}", _UNSET)])
