"""What our tuners have in common: an optimizer by name, and the arguments that all of them take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import checked, one_of, whole
from hpo_nni.core.tuner import AskTellTuner
from hpo_nni.direction import Direction
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.optimizers.registry import OPTIMIZERS
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.core.arguments import Argument
    from hpo_nni.optimizers.base import Optimizer
    from hpo_nni.space import SearchSpace

COMMON = {
    "optimize_mode": one_of("maximize", "minimize"),
    "seed": whole(None, least=0),
    "baseline_trials": whole(0, least=0),
}


class SearchTuner(AskTellTuner):
    """An NNI tuner around one of our optimizers.

    Args:
        given: what the user wrote under `classArgs`.
        arguments: what the class takes besides `COMMON`.
        reads_metrics: as `AskTellTuner` says.
    """

    def __init__(
        self,
        given: Mapping[str, Any],
        arguments: Mapping[str, Argument],
        *,
        reads_metrics: bool = False,
    ) -> None:
        self.given = checked(type(self).__name__, given, {**COMMON, **arguments})
        super().__init__(
            self._optimizer_of,
            Direction(self.given["optimize_mode"]),
            baseline_trials=self.given["baseline_trials"],
            seed=self.given["seed"],
            reads_metrics=reads_metrics,
        )

    def _optimizer_of(self, space: SearchSpace, direction: Direction) -> Optimizer:
        """Import and build the optimizer; NNI waits 10 s for the constructor, not for this."""
        name, arguments = self.choose()
        made: Optimizer = OPTIMIZERS.load(name)(
            space, direction, seed=self.given["seed"], **arguments
        )
        return made

    def choose(self) -> tuple[str, dict[str, Any]]:
        """The optimizer's name in `OPTIMIZERS`, and its arguments."""
        raise NotImplementedError

    def check_space(self, space: SearchSpace) -> None:
        """Raise SettingsError for all of an `init` that does not fit the search space."""
        where = f"classArgs of {type(self).__name__}"
        problems = []
        for key, value in self.given.get("init", {}).items():
            if key not in space:
                message = f"init has {key!r}, which the search space has not"
                problems.append(Problem(where, message, did_you_mean(key, space)))
            elif not space[key].contains(value):
                problems.append(Problem(where, f"init: {key} cannot be {value!r}"))
        if problems:
            raise SettingsError(problems)
