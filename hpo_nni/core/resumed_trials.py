"""Trials that NNI carried over a resume: it never asks the assessor about them, so we do.

After `nnictl resume`, NNI (2.10.1 and 3.0) runs what had not ended again, under the same ids, and
calls neither `assess_trial` nor `trial_end` for it. The ledger has their metrics like all others. A
thread of the dispatcher follows them there; what a rule stops is cancelled through NNI's REST, as a
person would on the web page, and the ledger has the verdict before.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import JUDGED, TrialState
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.core.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# Trials that queued when NNI was stopped are carried over, too, and the ledger never heard of them;
# about any other, NNI asks within seconds of its first report.
SILENT_SECONDS = 30.0
REST_SECONDS = 30.0  # NNI 3.0 answers when the trial has ended


class ResumedTrials:
    """Has the running trials judged that NNI does not ask about.

    Args:
        dispatcher: of the experiment; made when its tuner and assessor start.
        judge: whether a trial may go on.
        is_asked_about: whether NNI has asked about a trial since then.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        judge: Callable[[str], bool],
        is_asked_about: Callable[[str], bool],
    ) -> None:
        self._dispatcher = dispatcher
        self._judge = judge
        self._is_asked_about = is_asked_about
        self._known = {trial.id for trial in dispatcher.ledger.trials(dispatcher.experiment_id)}

    def follow(self) -> None:
        """Look after them as long as this process lives, if this is a resumed experiment."""
        if self._known:
            threading.Thread(target=self._follow, name="resumed-trials", daemon=True).start()

    def look(self) -> None:
        """Judge each of them once, by what the ledger has now."""
        for trial_id in self._carried_over():
            if not self._judge(trial_id):
                threading.Thread(target=self._cancel, args=(trial_id,), daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            try:
                self.look()
            except Exception:
                logger.exception("resumed trials could not be judged; another look follows")

    def _carried_over(self) -> list[str]:
        ledger = self._dispatcher.ledger
        return [
            trial.id
            for trial in ledger.trials(self._dispatcher.experiment_id)
            if trial.state is TrialState.RUNNING
            and not self._is_asked_about(trial.id)
            and (trial.id in self._known or self._is_silent(trial.id))
        ]

    def _is_silent(self, trial_id: str) -> bool:
        """Whether a trial has reported for so long that NNI should have asked about it."""
        first = next(
            (
                one.time
                for one in self._dispatcher.ledger.evaluations(trial_id)
                if one.source == JUDGED and one.score is not None
            ),
            None,
        )
        return first is not None and time.time() - first > SILENT_SECONDS

    def _cancel(self, trial_id: str) -> None:
        try:
            RestClient(self._dispatcher.rest_url, timeout=REST_SECONDS).cancel_trial(trial_id)
        except HpoNniError as error:  # the verdict stands in the ledger: the next look repeats it
            logger.warning("trial %s: NNI does not end it: %s", trial_id, error.message)
