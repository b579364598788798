"""Sets the learning rates of a config; it is `hpo_nni.cli.modify_pipeline_config`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))  # an installed hpo_nni wins

from hpo_nni.cli.modify_pipeline_config import main

if __name__ == "__main__":
    sys.exit(main())
