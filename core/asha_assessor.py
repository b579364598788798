"""What NNI loads for `asha_assessor.AshaAssessor`; it is `hpo_nni.core.asha_assessor`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.asha_assessor import AshaAssessor

__all__ = ["AshaAssessor"]
