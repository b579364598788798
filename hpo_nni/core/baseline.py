"""The parameters that NNI shows beside a trial of the untuned config: the values it has now."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import find_values, parse_document
from hpo_nni.errors import HpoNniError
from hpo_nni.stores.base import open_store
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.files import BASELINE
from hpo_nni.trial.settings import Substitutions, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hpo_nni.documents import ConfigDocument

logger = logging.getLogger(__name__)

UNKNOWN = "(as in the config)"


def baseline_point(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the point of an untuned trial: the current value of every key, and the mark.

    A key that selects several places has their value if they agree; where they differ, or where
    the key selects nothing that can be read from here, the point says "(as in the config)".

    Args:
        config: the experiment's, in NNI's spelling.
        keys: of the search space.
    """
    try:
        documents = _base_documents(config)
    except (HpoNniError, OSError) as error:
        logger.error(  # noqa: TRY400 - a letter, not a traceback
            "the base config cannot be read here, so the untuned trial is shown without values: %s",
            error,
        )
        documents = []
    return {key: _value(documents, key) for key in keys} | {BASELINE: True}


def _base_documents(config: Mapping[str, Any]) -> list[ConfigDocument]:
    command = str(config.get("trialCommand") or "")
    directory = Path(config.get("trialCodeDirectory") or ".")
    words = shlex.split(command)
    if words[:1] == ["cd"] and len(words) > 1:  # `hpo-nni run` where NNI cannot quote the path
        directory = directory / words[1]
    path = settings_file(command, directory)
    if path is None:
        logger.error("trialCommand names no --config, so the untuned trial is shown without values")
        return []
    settings = load_settings(path, Substitutions())
    return [
        parse_document(
            open_store(file.source).read_text(file.source),
            path=file.source,
            format=file.format or None,
        )
        for file in settings.files
    ]


def _value(documents: list[ConfigDocument], key: str) -> Any:
    for document in documents:
        try:
            values = find_values(document, key)
        except HpoNniError:
            continue
        if values and all(value == values[0] for value in values):
            return values[0]
    return UNKNOWN
