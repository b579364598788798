"""The process in which NNI runs tuner and assessor: whose experiment it is, and its ledger.

Both classes are built and called by NNI alone, in two threads of this process, so what they share
is found here from the process's environment and arguments.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from hpo_nni.core.preflight import refuse_doomed_experiment
from hpo_nni.direction import Direction
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import ExperimentRecord, InputKind
from hpo_nni.nni_api.environment import DispatcherEnvironment
from hpo_nni.nni_api.manager import find_manager
from hpo_nni.nni_api.repairs import survive_customised_trials

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dispatcher:
    """One experiment, as its tuner and its assessor see it.

    Attributes:
        rest_url: NNI's REST interface, up to `/api`; empty where NNI did not say.
    """

    environment: DispatcherEnvironment
    rest_url: str = ""

    @classmethod
    def of_process(cls, environ: Mapping[str, str], arguments: list[str]) -> Dispatcher | None:
        """Find the experiment that this process serves; None outside NNI's dispatcher."""
        environment = DispatcherEnvironment.from_process(environ, arguments)
        if environment is None:
            return None
        return cls(environment, rest_url(environ.get("NNI_TUNER_COMMAND_CHANNEL", "")))

    @property
    def experiment_id(self) -> str:
        """NNI's id of the experiment."""
        return self.environment.experiment_id

    @property
    def project(self) -> str:
        """What the experiment is a sweep of: its `experimentName`; empty where it has none."""
        return str(self.config.get("experimentName") or "")

    @property
    def config(self) -> Mapping[str, Any]:
        """The experiment's config, in NNI's spelling; empty where NNI did not pass it."""
        return self.environment.config

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the experiment; all threads share it."""
        return Ledger.open(self.environment.working_directory)

    def begin(
        self, own: Direction, settings: Mapping[str, Any] = MappingProxyType({})
    ) -> Direction:
        """Enter the experiment in the ledger and return the direction that holds.

        Tuner, assessor and ini each state a direction; where they disagree, the tuner's wins.

        Args:
            own: what the caller's arguments say.
            settings: what else was decided from the files, as JSON values.

        Raises:
            LedgerError: the ledger cannot be opened; no trial could work either.
        """
        direction = self._tuner_direction() or own
        if direction is not own:
            logger.warning(
                "experiment %s: optimize_mode is %s here and %s in the tuner; the tuner's is used",
                self.experiment_id,
                own.value,
                direction.value,
            )
        self.ledger.begin_experiment(
            ExperimentRecord(
                id=self.experiment_id,
                started=time.time(),
                direction=direction.value,
                project=self.project,
                rest_url=self.rest_url,
                settings={"max_trials": self.config.get("maxTrialNumber"), **settings},
            )
        )
        manager = find_manager(self.experiment_id)
        identity = ProcessIdentity.of(manager.pid) if manager else None
        if manager and identity:
            self.ledger.set_manager(self.experiment_id, identity, manager.rest_url)
        elif self.rest_url:
            self.ledger.set_rest_url(self.experiment_id, self.rest_url)
        return direction

    def note_space(self, space: Any) -> None:
        """Note the search space, as NNI hands it to the tuner at first, or later on."""
        self.ledger.note_input(self.experiment_id, InputKind.SPACE, "", json.dumps(space))

    def _tuner_direction(self) -> Direction | None:
        arguments = (self.config.get("tuner") or {}).get("classArgs") or {}
        stated = arguments.get("optimize_mode")
        return next((known for known in Direction if known.value == stated), None)


def rest_url(channel: str) -> str:
    """Where REST is, given the address on which the dispatcher reaches NNI's manager.

    >>> rest_url("ws://localhost:8080/prefix/tuner")
    'http://localhost:8080/prefix'
    >>> rest_url("")
    ''
    """
    parts = urlsplit(channel)
    if not parts.netloc:
        return ""
    return urlunsplit(("http", parts.netloc, parts.path.removesuffix("/tuner"), "", ""))


_OF_PROCESS: dict[str, Dispatcher] = {}
_LOCK = threading.Lock()


def this_dispatcher() -> Dispatcher | None:
    """The experiment that this process serves, the same object for all its threads.

    The first call also repairs the process: see `survive_customised_trials`.

    Raises:
        SettingsError: at the first call, if no trial of the experiment could run.
    """
    key = os.environ.get("NNI_LOG_DIRECTORY", "")
    with _LOCK:
        if key not in _OF_PROCESS:
            dispatcher = Dispatcher.of_process(os.environ, sys.argv)
            if dispatcher is None:
                return None
            survive_customised_trials()
            refuse_doomed_experiment(dispatcher.environment, os.environ)
            _OF_PROCESS[key] = dispatcher
        return _OF_PROCESS[key]
