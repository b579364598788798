"""OptunaTuner: one of Optuna's samplers as an NNI tuner."""

from __future__ import annotations

import importlib.util
from typing import Any

from hpo_nni.core.arguments import mapping, one_of, whole
from hpo_nni.core.search_tuner import SearchTuner
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.optimizers.optuna_bridge import SAMPLERS, find_sampler

_CLASSES = [class_name for class_name, _ in SAMPLERS.values()]
_WITH_STARTUP = {"TPESampler", "CmaEsSampler", "GPSampler"}

ARGUMENTS = {
    "sampler": one_of(*SAMPLERS, *_CLASSES),
    "sampler_arguments": mapping(),
    "startup_trials": whole(None, least=1),
}


class OptunaTuner(SearchTuner):
    """Proposes points with one of Optuna's samplers; TPE for all dimensions together, by default.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            seed: same seed and same order of results, same points; not given, different each time.
            baseline_trials: how many trials run the untuned config first; 0.
            sampler: `tpe` (default), `random`, `cmaes`, `gp`, `nsgaii`, `nsgaiii` or `qmc`; or the
                name of the class, as `CmaEsSampler`.
            sampler_arguments: of that class, as Optuna documents them.
            startup_trials: how many random points `tpe`, `cmaes` and `gp` draw before they model;
                Optuna's own 10 (`cmaes`: 1).

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; or no trial of this
            experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(arguments, ARGUMENTS)
        class_name, _ = find_sampler(self.given["sampler"])
        if class_name == "GPSampler" and importlib.util.find_spec("torch") is None:
            message = "sampler gp needs PyTorch, which is not installed"
            hint = "AutoTuner has a Gaussian process that needs none"
            raise SettingsError([Problem("classArgs of OptunaTuner", message, hint)])

    def choose(self) -> tuple[str, dict[str, Any]]:
        """As SearchTuner says."""
        class_name, _ = find_sampler(self.given["sampler"])
        arguments = dict(self.given["sampler_arguments"])
        if self.given["startup_trials"] is not None and class_name in _WITH_STARTUP:
            arguments["n_startup_trials"] = self.given["startup_trials"]
        return "optuna", {"sampler": self.given["sampler"], "arguments": arguments}
