"""What the days of a trial take, before the first begins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError
from hpo_nni.trial.files import at_targets, prepare_files
from hpo_nni.trial.training_hashes import Rendered, shared_names, works_of
from hpo_nni.trial.versions import Versions
from hpo_nni.trial.walk import WalkPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from hpo_nni.trial.files import BaseFile
    from hpo_nni.trial.retry import Retrier
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.substitutions import Substitutions

logger = logging.getLogger(__name__)


class WalkPlanner:
    """Plans the walk of one trial; where it cannot be told what goes into days, all are trained.

    Args:
        load: reads the settings file, for any names.
        point: the trial's.
        retrier: tries again what may pass.
    """

    def __init__(
        self,
        load: Callable[[Substitutions], TrialSettings],
        point: Mapping[str, Any],
        retrier: Retrier,
    ) -> None:
        self._load = load
        self._point = point
        self._retrier = retrier

    def plan(self, own: Rendered, words: Substitutions, bases: Sequence[BaseFile]) -> WalkPlan:
        """The plan for settings that have been read under these names."""
        settings = own.settings
        if not (settings.days.reuse and any(step.link.model for step in settings.steps)):
            return WalkPlan()
        versions = Versions(settings.path.parent, settings.accounts, self._retrier)
        try:
            return WalkPlan(works_of(own, self._shared(words, bases)), versions.of)
        except HpoNniError as error:
            hint = f" (hint: {error.hint})" if error.hint else ""
            logger.warning(
                "all days are trained, for what goes in cannot be told: %s%s", error, hint
            )
            return WalkPlan()

    def _shared(self, words: Substitutions, bases: Sequence[BaseFile]) -> Rendered:
        names = shared_names(words)
        settings = self._load(names)
        files = prepare_files(settings, self._point, names, at_targets(bases, settings.files))
        return Rendered(settings, files)
