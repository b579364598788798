"""An experiment's config.yml as people wrote it: its values in NNI's spelling, and their places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.registry import did_you_mean
from hpo_nni.space.located import YAML_FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALGORITHMS = ("tuner", "assessor", "advisor")
_ALGORITHM_KEYS = ("name", "className", "codeDirectory", "classArgs")
_SERVICE = "trainingService"
_KEYS = """
    experimentName experimentType searchSpaceFile searchSpace trialCommand trialCodeDirectory
    trialConcurrency trialGpuNumber maxExperimentDuration maxTrialNumber maxTrialDuration
    nniManagerIp useAnnotation debug logLevel experimentWorkingDirectory tunerGpuIndices tuner
    assessor advisor trainingService sharedStorage
""".split()  # noqa: SIM905  (a table to be read, not typed)

Keys = tuple[str, ...]

_KNOWN: Mapping[Keys, Sequence[str]] = {
    (): _KEYS,
    **{(kind,): _ALGORITHM_KEYS for kind in ALGORITHMS},
}


@dataclass(frozen=True)
class ExperimentFile:
    """A config for `nnictl create`.

    Attributes:
        path: as the user named it.
        content: the values, under the keys of NNI's documents: NNI takes upper and lower case as
            one and ignores underscores, so `trial_command` is `trialCommand`.
        places: `("tuner", "name")` -> `config.yml:7:3`.
        unknown: keys that NNI does not have, each with the place and the keys beside it.
    """

    path: Path
    content: Mapping[str, Any]
    places: Mapping[Keys, str]
    unknown: tuple[Problem, ...]

    @classmethod
    def read(cls, path: Path) -> ExperimentFile:
        """Read the file; raises SettingsError if it is not there or not a mapping in YAML."""
        loader, root = _compose(path)
        reader = _Reader(loader, path.name)
        try:
            content = reader.mapping(root, ())
        except (yaml.YAMLError, *YAML_FAULTS, RecursionError) as error:
            raise _not_yaml(path, error) from error
        return cls(path, content, reader.places, tuple(reader.unknown))

    @property
    def folder(self) -> Path:
        """What relative paths in it are relative to."""
        return self.path.absolute().parent

    @property
    def code_directory(self) -> Path:
        """Where trial commands run."""
        return self.folder / str(self.content.get("trialCodeDirectory") or ".")

    @property
    def working_directory(self) -> Path:
        """Where NNI and the ledger keep the experiment."""
        stated = self.content.get("experimentWorkingDirectory") or "~/nni-experiments"
        return self.folder / Path(str(stated)).expanduser()

    def algorithm(self, kind: str) -> Mapping[str, Any]:
        """What stands under `tuner` or `assessor`; empty where there is nothing."""
        algorithm = self.content.get(kind)
        return algorithm if isinstance(algorithm, dict) else {}

    def where(self, *keys: str) -> str:
        """The place of a key and its name, or the file's name where it is not there."""
        place = self.places.get(keys, self.path.name)
        return " ".join([place, ".".join(keys)])


def _compose(path: Path) -> tuple[yaml.SafeLoader, yaml.MappingNode]:
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
    except OSError as error:
        message = f"the experiment's config cannot be read: {error.strerror}"
        raise SettingsError(
            [Problem(str(path), message, f"looked for {path.absolute()}")]
        ) from error
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8: {error.reason} at byte {error.start}"
        raise SettingsError([Problem(str(path), message)]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(path, error) from error
    if not isinstance(node, yaml.MappingNode):
        message = "the file should hold keys and values, as in trialConcurrency: 2"
        raise SettingsError([Problem(path.name, message)])
    return loader, node


def _not_yaml(path: Path, error: Exception) -> SettingsError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else path.name
    is_deep = isinstance(error, RecursionError)
    words = "it is nested too deeply" if is_deep else str(getattr(error, "problem", None) or error)
    if words.startswith("but "):  # "expected a single document", "but found another one"
        words = f"{getattr(error, 'context', '')}, {words}"
    return SettingsError([Problem(where, f"this is not YAML: {words}")])


class _Reader:
    """Collects values, places and unknown keys."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader = loader
        self._name = name
        self.places: dict[Keys, str] = {}
        self.unknown: list[Problem] = []

    def mapping(self, node: yaml.MappingNode, above: Keys) -> dict[Any, Any]:
        """The values of a mapping that NNI reads itself, or of an algorithm's arguments."""
        known = _KNOWN.get(above, ())
        self._loader.flatten_mapping(node)  # resolves `<<`
        values = {}
        for key_node, value_node in node.value:
            key = _spelt(self._loader.construct_object(key_node, deep=True), known)
            keys = (*above, str(key))
            mark = key_node.start_mark
            self.places[keys] = f"{self._name}:{mark.line + 1}:{mark.column + 1}"
            if known and key not in known:
                message = f"NNI has no key {key!r}" + "".join(f" in {name}" for name in above)
                self.unknown.append(
                    Problem(self.places[keys], message, did_you_mean(str(key), known))
                )
            values[key] = self._value(value_node, keys)
        return values

    def _value(self, node: yaml.Node, keys: Keys) -> Any:
        if isinstance(node, yaml.MappingNode) and keys[0] in (*ALGORITHMS, _SERVICE):
            return self.mapping(node, keys)
        return self._loader.construct_object(node, deep=True)


def _spelt(key: Any, known: Sequence[str]) -> Any:
    """The key as NNI's documents spell it, if it is one of those."""
    folded = str(key).lower().replace("_", "")
    return next((name for name in known if name.lower() == folded), key)
