"""HAZeroTuner: CMA-ES as PaddleHub had it, as an NNI tuner."""

from __future__ import annotations

from typing import Any

from hpo_nni.core.arguments import mapping, whole, yes_or_no
from hpo_nni.core.search_tuner import SearchTuner

ARGUMENTS = {
    "popsize": whole(None, least=2),
    "init": mapping(),
    "restarts": yes_or_no(True),
}


class HAZeroTuner(SearchTuner):
    """Proposes points with CMA-ES; needs some 200 trials, and shines on numbers.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            seed: same seed and same order of results, same points; not given, different each time.
            baseline_trials: how many trials run the untuned config first; 0.
            popsize: how many points there are in a generation; 4 + 3 ln(dimensions).
            init: values to start from, by key; a key that is not given starts in the middle.
            restarts: whether to start anew after convergence; true.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; or no trial of this
            experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(arguments, ARGUMENTS)

    def choose(self) -> tuple[str, dict[str, Any]]:
        """As SearchTuner says."""
        return "hazero", {
            "population": self.given["popsize"],
            "init": self.given["init"],
            "restarts": self.given["restarts"],
        }
