"""Search spaces out of files: JSON, JSON with commas too many, YAML, or inside a config.yml."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import DocumentError, Problem, SettingsError
from hpo_nni.space.located import Located, read_json, read_yaml
from hpo_nni.space.parsing import parse_located

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hpo_nni.space.search_space import SearchSpace

logger = logging.getLogger(__name__)

_FILE_KEYS = ("searchSpaceFile", "search_space_file")
_INLINE_KEYS = ("searchSpace", "search_space")
_HINT = "searchSpaceFile names a file, searchSpace holds the space itself"


def load_space(path: Path) -> SearchSpace:
    """Read the file that `searchSpaceFile` names.

    What is odd but understood is logged and stands in the result's `warnings`.

    Raises:
        SettingsError: with every fault, each as `file:line:column`.
    """
    node, warnings = _read(_text(path), path)
    return _finish(node, path, warnings)


def load_experiment_space(path: Path, config: Mapping[str, Any]) -> SearchSpace:
    """Read the search space of an experiment: the file that its config names, or the space in it.

    Args:
        path: the experiment's config.yml.
        config: its content.

    Raises:
        SettingsError: with every fault, each as `file:line:column`.
    """
    file = next((config[key] for key in _FILE_KEYS if config.get(key)), None)
    if file is None:
        return load_inline_space(path)
    if any(config.get(key) for key in _INLINE_KEYS):
        message = "searchSpaceFile and searchSpace are both given, and NNI takes one"
        raise SettingsError([Problem(path.name, message, _HINT)])
    return load_space(path.parent / str(file))


def load_inline_space(path: Path) -> SearchSpace:
    """Read the search space that stands in an experiment's config under `searchSpace`.

    Raises:
        SettingsError: with every fault, each as `file:line:column`.
    """
    try:
        config = read_yaml(_text(path))
    except DocumentError as error:
        raise _as_settings_error(path, error) from error
    keys = dict(config.value) if config.kind == "mapping" else {}
    node = next((keys[key] for key in _INLINE_KEYS if key in keys), None)
    if node is None:
        raise SettingsError([Problem(path.name, "there is no searchSpace", _HINT)])
    return _finish(node, path, ())


def _finish(node: Located, path: Path, warnings: Sequence[str]) -> SearchSpace:
    space = parse_located(node, source=path.name, warnings=warnings)
    for warning in space.warnings:
        logger.warning("%s", warning)
    return space


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"the search space cannot be read: {error.strerror}"
        hint = f"looked for {path}"
        raise SettingsError([Problem(path.name, message, hint)]) from error
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8: {error.reason} at byte {error.start}"
        raise SettingsError([Problem(path.name, message)]) from error


def _read(text: str, path: Path) -> tuple[Located, Sequence[str]]:
    """JSON first, YAML where that fails, as NNI does; the fault reported is JSON's for `{`."""
    try:
        node, commas = read_json(text)
    except DocumentError as json_error:
        try:
            node = read_yaml(text)
        except DocumentError as yaml_error:
            is_json = text.lstrip().startswith("{")
            raise _as_settings_error(path, json_error if is_json else yaml_error) from None
        if path.suffix == ".json":
            place = f"{path.name}:{json_error.line}:{json_error.column}"
            return node, [f"{place}: this is not JSON ({json_error.message}); read as YAML"]
        return node, ()
    return node, [
        f"{path.name}:{line}: a comma before the closing bracket is not JSON; it is ignored here, "
        "and numbers such as 1e-3, which NNI then takes for strings, are numbers"
        for line in commas[:1]
    ]


def _as_settings_error(path: Path, error: DocumentError) -> SettingsError:
    where = f"{path.name}:{error.line}:{error.column}" if error.line else path.name
    return SettingsError([Problem(where, error.message, error.hint)])
