"""The peers' own classes as judges of the simulator."""

from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from nni.algorithms.hpo.curvefitting_assessor import CurvefittingAssessor
from nni.algorithms.hpo.medianstop_assessor import MedianstopAssessor

from hpo_nni.core.assessors import open_rule
from hpo_nni.direction import Direction
from hpo_nni.testing.simulator import NniJudge, RuleJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.testing.simulator import Curve, Judge

# NNI's curve fitting wants aliases that NumPy 1.24 dropped; without them, it stops nothing
for alias in (float, int):
    setattr(np, alias.__name__, alias)
optuna.logging.set_verbosity(optuna.logging.ERROR)
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


class OptunaJudge:
    """Asks a pruner of Optuna's, through a study in memory."""

    def __init__(self, pruner: optuna.pruners.BasePruner) -> None:
        self._study = optuna.create_study(
            direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
        )
        self._trials: dict[int, Any] = {}
        self._last: dict[int, float] = {}

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:  # noqa: ARG002 - the seam's signature
        """Report the newest score and ask."""
        while len(self._trials) <= number:
            self._trials[len(self._trials)] = self._study.ask()
        trial = self._trials[number]
        score = reported[-1]
        if not math.isfinite(score):
            return True  # a trainer that diverged would have failed
        self._last[number] = score
        trial.report(score, len(reported))
        return bool(trial.should_prune())

    def ended(self, number: int, *, complete: bool) -> None:
        """Tell it."""
        states = optuna.trial.TrialState
        if complete and number in self._last:
            self._study.tell(self._trials[number], self._last[number])
        else:
            self._study.tell(self._trials[number], state=states.PRUNED)


class StopDiverged:
    """Stops a trial at a score that is not finite, and asks the judge of the others only."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:
        """As the judge says."""
        return not math.isfinite(reported[-1]) or self._judge.stops(number, reported, curve)

    def ended(self, number: int, *, complete: bool) -> None:
        """Pass it on."""
        self._judge.ended(number, complete=complete)


def ours(name: str, **arguments: Any) -> Judge:
    """One of our assessors' rules."""
    return RuleJudge(open_rule(name, arguments, Direction.MAXIMIZE))


# name -> judge; all maximise, for the curves are oriented
PEERS: dict[str, Callable[[], Judge]] = {
    "NNI Medianstop, start 5": lambda: NniJudge(MedianstopAssessor("maximize", 5)),
    "NNI Curvefitting": lambda: NniJudge(CurvefittingAssessor(epoch_num=50)),
    "PAI median, start 5": lambda: ours("PAIAssessor", start_step=5),
    "PAI median, start 10": lambda: ours("PAIAssessor", start_step=10),
    "Optuna median": lambda: OptunaJudge(optuna.pruners.MedianPruner()),
    "Optuna percentile 25": lambda: OptunaJudge(optuna.pruners.PercentilePruner(25.0)),
    "Optuna SHA": lambda: OptunaJudge(optuna.pruners.SuccessiveHalvingPruner()),
    "Optuna Hyperband": lambda: OptunaJudge(optuna.pruners.HyperbandPruner(max_resource=50)),
    "Optuna Wilcoxon": lambda: OptunaJudge(optuna.pruners.WilcoxonPruner()),
}
# seconds to minutes for one replay: measured on a few tasks, a few times
SLOW = {
    "NNI Curvefitting": ("diabetes-sgd",),
    "Optuna Wilcoxon": ("diabetes-sgd", "digits-sgd"),
}
