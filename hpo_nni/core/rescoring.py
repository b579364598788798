"""Scores of recorded trials under other weights: from the raw metric vectors, nothing is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.direction import Direction
from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import EARLIER, JUDGED
from hpo_nni.metrics import Evaluation, FinalMode, Scoring, condense
from hpo_nni.metrics.score import EvaluationState
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import EvaluationRecord, ExperimentRecord


@dataclass(frozen=True)
class Rescoring:
    """How a recorded experiment is scored anew.

    Attributes:
        weights: metric -> signed weight.
        mode, source_mode: `final_mode` and `source_list_final_mode`, as in the trials' ini.
    """

    weights: Mapping[str, float]
    direction: Direction
    mode: FinalMode = FinalMode.BEST
    source_mode: FinalMode = FinalMode.BEST

    @classmethod
    def of(cls, experiment: ExperimentRecord, weights: Mapping[str, float]) -> Rescoring:
        """With the experiment's own direction and final modes."""
        facts: Mapping[str, Any] = experiment.settings.get("score") or {}
        mode = FinalMode(facts.get("final_mode", FinalMode.BEST.value))
        source_mode = FinalMode(facts.get("source_list_final_mode", mode.value))
        return cls(dict(weights), Direction(experiment.direction), mode, source_mode)

    def score(self, evaluation: EvaluationRecord) -> float | None:
        """The weighted sum; None where a metric is missing or not finite."""
        scoring = Scoring(self.weights)
        if not scoring.weighted.keys() <= evaluation.values.keys():
            return None
        total = scoring.sum(evaluation.values)
        return total if math.isfinite(total) else None

    def final(self, ledger: Ledger, trial_id: str) -> float | None:
        """What the trial ends with, over the steps of each source, then over its sources."""
        by_source: dict[str, list[Evaluation]] = {}
        for one in ledger.evaluations(trial_id):
            if not one.source.startswith(EARLIER):
                by_source.setdefault(one.source, []).append(
                    Evaluation(
                        one.source, one.step, one.values, self.score(one), EvaluationState.OK
                    )
                )
        if len(by_source) > 1:  # the judged series repeats what the sources have
            by_source.pop(JUDGED, None)
        condensed = [
            found
            for evaluations in by_source.values()
            if (found := condense(evaluations, self.mode, self.direction)) is not None
        ]
        if len(condensed) == 1:
            return condensed[0].score
        numbered = [
            Evaluation(one.source, number, one.values, one.score, one.state)
            for number, one in enumerate(condensed, start=1)
        ]
        final = condense(numbered, self.source_mode, self.direction)
        return None if final is None else final.score


def refuse_unknown_metrics(ledger: Ledger, experiment_id: str, wanted: Mapping[str, float]) -> None:
    """Raise for a metric that no evaluation of the experiment has.

    Raises:
        RegistryError: with the names that there are.
    """
    known = {
        name for evaluation in ledger.news(experiment_id).evaluations for name in evaluation.values
    }
    for name in wanted:
        if name not in known:
            raise RegistryError(
                f"no trial of {experiment_id} has a metric {name!r}",
                hint=did_you_mean(name, sorted(known)) or "none was recorded",
            )
