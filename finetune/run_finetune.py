"""What `trialCommand` runs; it is `hpo_nni.dialects.easyrec_finetune`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # an installed hpo_nni wins

from hpo_nni.dialects.easyrec_finetune import main

if __name__ == "__main__":
    sys.exit(main())
