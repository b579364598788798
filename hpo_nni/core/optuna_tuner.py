"""OptunaTuner: one of Optuna's samplers as an NNI tuner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import checked, one_of, whole
from hpo_nni.core.tuner import AskTellTuner
from hpo_nni.direction import Direction
from hpo_nni.optimizers.optuna_bridge import SAMPLERS, OptunaBridge

if TYPE_CHECKING:
    from hpo_nni.optimizers.base import Optimizer
    from hpo_nni.space import SearchSpace

ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "seed": whole(None, least=0),
    "baseline_trials": whole(0, least=0),
    "sampler": one_of(*SAMPLERS),
    "startup_trials": whole(None, least=1),
}


class OptunaTuner(AskTellTuner):
    """Proposes points with one of Optuna's samplers; TPE for all dimensions together, by default.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            seed: same seed and same order of results, same points; not given, different each time.
            baseline_trials: how many trials run the untuned config first; 0.
            sampler: `tpe` (default) or `random`.
            startup_trials: how many random points TPE draws before it models; Optuna's own 10.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; a search space with
            faults; or no trial of this experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        given = checked(type(self).__name__, arguments, ARGUMENTS)
        startup = given["startup_trials"]
        tuned = {} if startup is None else {"n_startup_trials": startup}

        def optimizer(space: SearchSpace, direction: Direction) -> Optimizer:
            return OptunaBridge(
                space,
                direction,
                seed=given["seed"],
                sampler=given["sampler"],
                arguments=tuned if given["sampler"] == "tpe" else {},
            )

        super().__init__(
            optimizer,
            Direction(given["optimize_mode"]),
            baseline_trials=given["baseline_trials"],
            seed=given["seed"],
        )
