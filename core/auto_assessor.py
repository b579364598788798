"""What NNI loads for `auto_assessor.AutoAssessor`; it is `hpo_nni.core.auto_assessor`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.auto_assessor import AutoAssessor

__all__ = ["AutoAssessor"]
