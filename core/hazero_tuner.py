"""What NNI loads for `className: hazero_tuner.HAZeroTuner`; it is `hpo_nni.core.hazero_tuner`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.hazero_tuner import HAZeroTuner

__all__ = ["HAZeroTuner"]
