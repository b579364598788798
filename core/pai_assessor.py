"""What NNI loads for `className: pai_assessor.PAIAssessor`; it is `hpo_nni.core.pai_assessor`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.pai_assessor import (
    PAIAssessor,
    PaiAssessor,
    kill_instance,
    remove_filepath,
)

__all__ = ["PAIAssessor", "PaiAssessor", "kill_instance", "remove_filepath"]
