"""Run one job, which comes as JSON on standard input."""

from __future__ import annotations

import json
import sys

from google.protobuf.text_format import ParseError

from hpo_nni.testing.cloud.trainer.job import run, say
from hpo_nni.testing.cloud.trainer.storage import StorageError


def main() -> int:
    """Return 0 if the job is done; its last words say why if not."""
    try:
        run(json.load(sys.stdin))
    except (ValueError, ParseError, StorageError, OSError) as error:
        say(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
