"""What the edits that a job is handed would do to the config that it reads, by our own editor.

EasyRec passes over a key of `-Dedit_config_json` that selects nothing, without a word: the job
would train the untuned config. So whoever has the config's text can ask here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.documents import apply_edits, parse_document
from hpo_nni.documents.formats import SUFFIXES
from hpo_nni.errors import HpoNniError, Problem, SettingsError
from hpo_nni.platforms.maxcompute_edits import PARAMETER, read_edits
from hpo_nni.platforms.pai_command import is_pai_command, parse_pai_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.documents.session import Touched
    from hpo_nni.platforms.pai_command import XFlow
    from hpo_nni.trial.settings import Step, TrialSettings


def xflows_of(settings: TrialSettings) -> Iterator[tuple[Step, XFlow]]:
    """The steps that are `PAI` commands."""
    for step in settings.steps:
        if is_pai_command(step.command):
            yield step, parse_pai_command(step.command)


def apply_to_config(
    xflow: XFlow, configs: Mapping[str, str]
) -> tuple[tuple[Touched, ...], tuple[Problem, ...]]:
    """What a command's `-Dedit_config_json` does to its config, by our own editor.

    Args:
        xflow: as it is submitted.
        configs: the texts of the pipeline configs by their URIs.

    Returns:
        What is touched, and what is wrong, `where` being the key.
    """
    uri = xflow.parameters.get("config", "")
    edits = read_edits(xflow.parameters.get(PARAMETER, ""))
    if uri not in configs or not edits:
        return (), ()
    suffix = uri[uri.rfind(".") :].lower()
    try:
        document = parse_document(
            configs[uri], path=uri, format=None if suffix in SUFFIXES else "prototext"
        )
        return apply_edits(document, edits).touched, ()
    except SettingsError as error:
        return (), error.problems
    except HpoNniError as error:
        return (), (Problem(uri, error.message.removeprefix(f"{uri}: "), error.hint),)
