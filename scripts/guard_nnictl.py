"""A `nnictl` that refuses to start what NNI 2 could not run; written by `scripts/venv.sh`.

NNI 2 writes the paths of Python, of the working directory and of the code into shell lines without
quotes. In a checkout whose path has a space, `nnictl create` prints success, and every trial fails.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.quoting import breaks_nni

SCRIPT = """\
#!/bin/sh
case "${{1:-}}" in
create | resume)
    echo "error: NNI {version} leaves paths with spaces or other shell characters unquoted," >&2
    echo "so no trial could run in" {path} >&2
    echo "  hint: start the experiment with: hpo-nni run CONFIG" >&2
    exit 2
    ;;
esac
exec {python} -c 'import sys; from nni.tools.nnictl.nnictl import parse_args
sys.argv[0] = "nnictl"
sys.exit(parse_args())' "$@"
"""


def guard(nnictl: Path) -> bool:
    """Replace the script if its environment lies where NNI cannot work; returns whether."""
    python = Path(sys.executable)
    if nni_version() >= (3,) or not breaks_nni(python.parent):
        return False
    version = ".".join(map(str, nni_version()))
    checkout = python.parent.parent.parent
    text = SCRIPT.format(
        version=version, path=shlex.quote(str(checkout)), python=shlex.quote(str(python))
    )
    nnictl.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
