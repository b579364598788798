"""PSHE2Tuner: PaddleHub's particle swarm as an NNI tuner."""

from __future__ import annotations

from typing import Any

from hpo_nni.core.arguments import mapping, whole, yes_or_no
from hpo_nni.core.search_tuner import SearchTuner

ARGUMENTS = {
    "popsize": whole(5, least=1),
    "init": mapping(),
    "faithful": yes_or_no(False),
}


class PSHE2Tuner(SearchTuner):
    """Proposes points with PaddleHub's PSHE2, in rounds of `popsize` trials.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            seed: same seed and same order of results, same points; not given, different each time.
            baseline_trials: how many trials run the untuned config first; 0.
            popsize: how many points move at a time; 5.
            init: values to start from, by key; a key that is not given starts in the middle.
            faithful: whether to reproduce the published code with its defect; false.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; or no trial of this
            experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(arguments, ARGUMENTS)

    def choose(self) -> tuple[str, dict[str, Any]]:
        """As SearchTuner says."""
        return "pshe2", {
            "population": self.given["popsize"],
            "init": self.given["init"],
            "faithful": self.given["faithful"],
        }
