"""NNI's register of algorithms, which makes `name: PAIAssessor` work in an experiment's config."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import NniError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Algorithm:
    """A class that NNI should know by name.

    Attributes:
        kind: `tuner` or `assessor`.
        name: what stands under `name:` in a config; NNI takes upper and lower case as one.
        class_name: the class with its module, importable in NNI's environment.
    """

    kind: str
    name: str
    class_name: str


def register(algorithms: Sequence[Algorithm]) -> Path:
    """Register the classes as `nnictl algo register` does, over what has these names already.

    Returns:
        the file that NNI keeps them in: `registered_algorithms.yml` in `$NNI_CONFIG_DIR`, else in
        the virtual environment, else in `~/.config/nni`.

    Raises:
        NniError: a name is taken by one of NNI's own, or the file cannot be written.
    """
    config: Any = importlib.import_module("nni.runtime.config")
    try:
        for algorithm in algorithms:
            _register(algorithm)
        file: Path = config.get_config_file("registered_algorithms.yml")
    except OSError as error:
        raise NniError(
            f"NNI's register of algorithms cannot be written: {error}",
            hint="NNI_CONFIG_DIR names another directory for it",
        ) from error
    return file


def known_algorithms(kind: str) -> list[str]:
    """What `name:` may say under `tuner` or `assessor`: NNI's own, their other names, and ours."""
    package_utils: Any = importlib.import_module("nni.tools.package_utils")
    known = [meta for meta in package_utils.get_all_algo_meta() if meta.algo_type == kind]
    return [name for meta in known for name in (meta.name, meta.alias) if name]


def _register(algorithm: Algorithm) -> None:
    package_utils: Any = importlib.import_module("nni.tools.package_utils")
    old = package_utils.get_algo_meta(algorithm.name)
    if old is not None and old.is_builtin:
        raise NniError(f"{algorithm.name} is the name of one of NNI's own algorithms")
    meta = {
        "algoType": algorithm.kind,
        "builtinName": algorithm.name,
        "className": algorithm.class_name,
        "nniVersion": importlib.import_module("nni").__version__,
    }
    package_utils.register_algo_meta(package_utils.AlgoMeta.load(meta))
