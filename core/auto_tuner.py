"""What NNI loads for `className: auto_tuner.AutoTuner`; it is `hpo_nni.core.auto_tuner`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.auto_tuner import AutoTuner

__all__ = ["AutoTuner"]
