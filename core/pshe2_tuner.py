"""What NNI loads for `className: pshe2_tuner.PSHE2Tuner`; it is `hpo_nni.core.pshe2_tuner`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.pshe2_tuner import PSHE2Tuner

__all__ = ["PSHE2Tuner"]
