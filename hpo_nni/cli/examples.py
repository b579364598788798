"""`hpo-nni examples`: the examples, for people who installed the package and have no checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.bundle import bundle_root, copy_bundle

if TYPE_CHECKING:
    import argparse

HELP = "write the examples into a new folder, ready to run"

_FIRST = "examples/digits_local/begin/config.yml"
_NEEDED = ("sklearn", "tensorboardX")  # by the trainer of that example


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to write them")


def run(arguments: argparse.Namespace) -> int:
    """Write them; raises StoreError where something is there already."""
    for folder in copy_bundle(bundle_root(), arguments.directory):
        count = sum(path.is_file() for path in folder.rglob("*"))
        print(f"{folder}  {count} files")
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        print("digits_local trains with scikit-learn:\n  pip install 'hpo-nni[examples]'")
    config = arguments.directory / _FIRST
    print(f"next:\n  hpo-nni check {config}\n  hpo-nni run {config}")
    return 0
