"""`python -m hpo_nni.trial --config=./trial.ini`: the trial command."""

from __future__ import annotations

import sys

from hpo_nni.trial.entry import main

if __name__ == "__main__":
    sys.exit(main())
