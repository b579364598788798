"""The parameters that NNI shows beside a trial of the untuned config: the values it has now."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.dialects.commands import loader_of
from hpo_nni.documents import find_values, load_schema, parse_document
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.ledger.records import BASELINE
from hpo_nni.space.parameters import Choice
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.substitutions import Substitutions, bare_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.documents import ConfigDocument, Schema
    from hpo_nni.space import SearchSpace
    from hpo_nni.space.parameters import Parameter
    from hpo_nni.trial.settings import TrialSettings

logger = logging.getLogger(__name__)

UNKNOWN = "(as in the config)"


@dataclass(frozen=True)
class _Base:
    """A base config as it lies there."""

    text: str
    document: ConfigDocument
    schema: Schema | None


def baseline_point(config: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Return the point of an untuned trial: the present value of every key, and the mark.

    Several places that differ, and configs that cannot be read from here, are shown as
    "(as in the config)".

    Args:
        config: the experiment's, in NNI's spelling.
        space: whose keys are shown.

    Raises:
        SettingsError: there is no untuned config, for some keys fill gaps in the user's files.
    """
    unknown = dict.fromkeys(space, UNKNOWN)
    try:
        settings = _settings(config, unknown)
        bases = list(_bases(settings)) if settings else []
    except (HpoNniError, OSError) as error:
        logger.error(  # noqa: TRY400 - a letter, not a traceback
            "the base config cannot be read here; the untuned trial is shown without values: %s",
            error,
        )
        return unknown | {BASELINE: True}
    point = {key: _value(bases, key, space[key]) for key in space}
    if settings is not None:
        _refuse_gaps(settings, bases, point)
    return point | {BASELINE: True}


def _settings(config: Mapping[str, Any], point: Mapping[str, Any]) -> TrialSettings | None:
    directory = Path(config.get("trialCodeDirectory") or ".")
    command = str(config.get("trialCommand") or "")
    path = settings_file(command, directory)
    if path is None:
        logger.error("trialCommand names no --config; the untuned trial is shown without values")
        return None
    return loader_of(command, path)(path, Substitutions(point=point))


def _bases(settings: TrialSettings) -> Iterator[_Base]:
    for file in settings.files:
        text = settings.accounts.store(file.source).read_text(file.source)
        document = parse_document(text, path=file.source, format=file.format or None)
        schema = load_schema(file.schema, settings.path.parent) if file.schema else None
        yield _Base(text, document, schema)


def _refuse_gaps(settings: TrialSettings, bases: list[_Base], point: Mapping[str, Any]) -> None:
    """Raise for keys that are `${...}` in the ini or in a base config: nothing stands there."""
    gaps = [
        key
        for key, value in point.items()
        if value == UNKNOWN
        and (
            key in settings.used_keys
            or settings.passes_point
            or any(f"${{{bare_name(key)}}}" in base.text for base in bases)
        )
    ]
    if gaps:
        raise SettingsError(
            [
                Problem(
                    settings.path.name,
                    f"there is no untuned config: {', '.join(gaps)} has no value but the tuner's",
                    "leave baseline_trials out, or let the key edit a config that has a value",
                )
            ]
        )


def _value(bases: list[_Base], key: str, parameter: Parameter) -> Any:
    """Return what the first config that has the key says."""
    for base in bases:
        try:
            return _shaped(find_values(base.document, key, schema=base.schema), parameter)
        except HpoNniError:
            continue
    return UNKNOWN


def _shaped(values: list[Any], parameter: Parameter) -> Any:
    """Put the values of all places into the shape that the search space has.

    One value where they agree, a list for a whole repeated field, `v1;v2` for tied keys.
    """
    agree = values and all(value == values[0] for value in values)
    one = values[0] if agree and values[0] is not None else UNKNOWN
    for shape in (one, values, ";".join(map(str, values))):
        if parameter.contains(shape):
            return shape
    is_list = isinstance(parameter, Choice) and isinstance(parameter.options[0], list)
    return values if is_list else one
