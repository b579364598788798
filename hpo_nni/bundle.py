"""What users get beside the package: the examples, the doors in `core/`, the sample configs.

In a checkout these folders lie at its root. A wheel has copies of them inside the package, made by
`setup.py`. Either way they keep their places to each other, for an example's `codeDirectory` is
`../../../core`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDERS = ("core", "examples", "finetune", "samples")  # those that are there are taken
FOLDER = "bundled"  # below the package, in a wheel
_LEFT_OUT = ("__pycache__", "*.pyc", "expdir", "exp", "hpo_nni_trials")  # what running leaves


def bundle_root() -> Path:
    """Where the folders are: inside an installed package, else the root of the checkout."""
    inside = Path(__file__).parent / FOLDER
    return inside if inside.is_dir() else Path(__file__).parent.parent


def doors() -> Path:
    """The folder that `codeDirectory` names; it need not exist."""
    return bundle_root() / "core"


def copy_bundle(source: Path, target: Path) -> list[Path]:
    """Copy the folders, without what running them has left there.

    Returns:
        the folders that were made.

    Raises:
        StoreError: something of that name is there already, or it cannot be written; then nothing
            that was there has changed.
    """
    folders = [name for name in FOLDERS if (source / name).is_dir()]
    if not folders:
        raise StoreError(f"there are no examples in {source}", uri=str(source))
    _refuse_to_overwrite(target / name for name in folders)
    made = []
    try:
        for name in folders:
            ignore = shutil.ignore_patterns(*_LEFT_OUT)
            made.append(Path(shutil.copytree(source / name, target / name, ignore=ignore)))
    except (OSError, shutil.Error) as error:
        message = f"{target} cannot be written: {getattr(error, 'strerror', None) or error}"
        raise StoreError(message, uri=str(target)) from error
    return made


def _refuse_to_overwrite(targets: Iterable[Path]) -> None:
    there = [path for path in targets if path.exists()]
    if there:
        names = " and ".join(map(str, there))
        raise StoreError(
            f"nothing is overwritten, and there is {names}",
            uri=str(there[0]),
            hint="name a folder that does not exist yet",
        )
