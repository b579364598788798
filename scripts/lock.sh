#!/bin/sh
# Rewrites requirements/*.txt from pyproject.toml. Needs `uv` (pip install uv) and a package index.
# One universal lock per NNI line, for Python 3.10 to 3.12, and one for the
# development tools and the benchmarks' peers each.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --universal --python-version 3.10 --quiet --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}
for line in 2:2.10.1 3:3.0; do
    printf 'nni==%s\n' "${line#*:}" |
        compile pyproject.toml --extra examples --constraints - --output-file "requirements/nni${line%%:*}.txt"
done
for group in dev bench; do
    compile --group "pyproject.toml:$group" --constraints requirements/nni2.txt --output-file "requirements/$group.txt"
done
