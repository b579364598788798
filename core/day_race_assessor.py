"""What NNI loads for `day_race_assessor.DayRaceAssessor`: `hpo_nni.core.day_race_assessor`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # an installed hpo_nni wins

from hpo_nni.core.day_race_assessor import DayRaceAssessor

__all__ = ["DayRaceAssessor"]
