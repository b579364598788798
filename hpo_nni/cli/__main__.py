"""`python -m hpo_nni.cli` is `hpo-nni`."""

from __future__ import annotations

import sys

from hpo_nni.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
