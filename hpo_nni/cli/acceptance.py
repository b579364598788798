"""What only NNI and the classes that it loads can say of an experiment: it costs a second.

NNI itself says it too late and not to the user: the dispatcher dies, and ten seconds later its
manager reports that nothing has connected.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hpo_nni.bundle import doors
from hpo_nni.cli.experiment_file import ExperimentFile
from hpo_nni.cli.install import ALGORITHMS
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.nni_api.launch import load_config
from hpo_nni.nni_api.registration import known_algorithms
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_OUR_CLASSES = {  # name -> module
    "PaiAssessor": "hpo_nni.core.pai_assessor",
    **{one.name: one.class_name.rpartition(".")[0] for one in ALGORITHMS},
}


def ask_nni(config: Path) -> None:
    """Raise SettingsError with what NNI, or a tuner or assessor of ours, would refuse."""
    load_config(config)
    file = ExperimentFile.read(config)
    problems = [problem for kind in ("tuner", "assessor") for problem in _faults(kind, file)]
    if problems:
        raise SettingsError(problems)


def _faults(kind: str, file: ExperimentFile) -> Iterator[Problem]:
    algorithm = file.algorithm(kind)
    name = algorithm.get("name")
    if name is not None:
        known = known_algorithms(kind)
        if str(name).lower() not in {one.lower() for one in known}:
            ours = "run `hpo-nni install`, which makes it known" if name in _OUR_CLASSES else ""
            message = f"NNI knows no {kind} {name!r}"
            yield Problem(file.where(kind, "name"), message, ours or did_you_mean(name, known))
    for problem in _argument_faults(kind, _our_class(algorithm, file.folder), algorithm):
        yield Problem(file.where(kind, "classArgs"), problem.message, problem.hint)


def _our_class(algorithm: Mapping[str, Any], folder: Path) -> str | None:
    """The name of the class if it is one of this package: people keep copies of old ones."""
    name = str(algorithm.get("name") or algorithm.get("className") or "")
    directory = algorithm.get("codeDirectory")
    module, _, name = name.rpartition(".")
    if name not in _OUR_CLASSES:
        return None
    is_ours = module == _OUR_CLASSES[name] or directory is None
    return name if is_ours or _is_door(folder / str(directory), f"{module}.py") else None


def _is_door(folder: Path, file: str) -> bool:
    """Whether a codeDirectory has our door, or a copy of it as `hpo-nni examples` makes."""
    try:
        return (folder / file).read_bytes() == (doors() / file).read_bytes()
    except OSError:
        return False


def _argument_faults(
    kind: str, name: str | None, algorithm: Mapping[str, Any]
) -> tuple[Problem, ...]:
    if name is None:
        return ()
    arguments = importlib.import_module("hpo_nni.core.arguments")
    table = importlib.import_module(_OUR_CLASSES[name]).ARGUMENTS
    if kind == "tuner":
        table = {**importlib.import_module("hpo_nni.core.search_tuner").COMMON, **table}
    try:
        arguments.checked(name, algorithm.get("classArgs") or {}, table)
    except SettingsError as error:
        return error.problems
    return ()
