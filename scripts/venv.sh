#!/bin/sh
# Makes a virtual environment with locked versions: scripts/venv.sh DIR LOCKFILE...
# Each lock file is installed once; run again after a change, it brings the environment up to date.
set -eu
dir=$1
shift

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

if [ ! -x "$dir/bin/python" ]; then
    for python in ${PYTHON:-python3.12 python3.11 python3.10 python3}; do
        if supported "$python"; then found=$python; break; fi
    done
    if [ -z "${found:-}" ]; then
        echo "hpo_nni needs Python 3.10, 3.11 or 3.12; ${PYTHON:-what is in PATH} is none of them." >&2
        echo "Next: install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2
        exit 2
    fi
    echo "setting up $dir with $("$found" --version)" >&2
    if ! "$found" -m venv "$dir"; then
        rm -rf -- "$dir"
        echo "Next: on Debian and Ubuntu, install the package python3-venv, and run this again." >&2
        exit 2
    fi
fi
for lock in "$@"; do
    echo "installing $lock into $dir" >&2
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$lock"
done
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

# NNI 2 cannot start anything in a path that a shell would split; its own `nnictl create` says
# so minutes later, in a log. This one says it at once.
"$dir/bin/python" scripts/guard_nnictl.py "$dir/bin/nnictl"
