"""`hpo-nni install`: make NNI know our classes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.nni_api.registration import Algorithm, register

if TYPE_CHECKING:
    import argparse

HELP = "register our assessor and tuners with NNI, so that `name: PAIAssessor` works in a config"

ALGORITHMS = (
    Algorithm("assessor", "PAIAssessor", "hpo_nni.core.pai_assessor.PAIAssessor"),
    Algorithm("assessor", "AutoAssessor", "hpo_nni.core.auto_assessor.AutoAssessor"),
    Algorithm("assessor", "AshaAssessor", "hpo_nni.core.asha_assessor.AshaAssessor"),
    Algorithm("assessor", "DayRaceAssessor", "hpo_nni.core.day_race_assessor.DayRaceAssessor"),
    Algorithm("tuner", "AutoTuner", "hpo_nni.core.auto_tuner.AutoTuner"),
    Algorithm("tuner", "HAZeroTuner", "hpo_nni.core.hazero_tuner.HAZeroTuner"),
    Algorithm("tuner", "PSHE2Tuner", "hpo_nni.core.pshe2_tuner.PSHE2Tuner"),
    Algorithm("tuner", "OptunaTuner", "hpo_nni.core.optuna_tuner.OptunaTuner"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to say: there is one NNI in an environment, and all classes are registered."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Register every class; a second time is harmless."""
    del arguments
    file = register(ALGORITHMS)
    for algorithm in ALGORITHMS:
        print(f"{algorithm.kind} {algorithm.name} is {algorithm.class_name}")
    print(f"registered in {file}")
    return 0
