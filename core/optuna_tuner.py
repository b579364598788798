"""What NNI loads for `className: optuna_tuner.OptunaTuner`; it is `hpo_nni.core.optuna_tuner`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.optuna_tuner import OptunaTuner

__all__ = ["OptunaTuner"]
