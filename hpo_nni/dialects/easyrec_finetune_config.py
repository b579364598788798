"""A config for finetuning: as it was, but for the learning rates that the schedules begin with."""

from __future__ import annotations

import argparse
import configparser
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.dialects.easyrec_rates import find_schedules, new_first_rate, rate_to_continue_with
from hpo_nni.documents import apply_edits, find_values, parse_document
from hpo_nni.errors import KeyPathError, Problem, SettingsError
from hpo_nni.secrets import CredentialReferences, Reference
from hpo_nni.stores.base import STORES, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from hpo_nni.documents import ConfigDocument
    from hpo_nni.stores.base import Store

STEPS = "train_config.num_steps"
_SECTION = "Credentials"
_KEYS = {"endpoint": "endpoint", "key_id": "accessKeyID", "key_secret": "accessKeySecret"}
_STS = "ststoken"


@dataclass(frozen=True)
class FinetuneConfig:
    """An edited config.

    Attributes:
        text: the config.
        report: what was changed, a line each.
    """

    text: str
    report: tuple[str, ...]


def finetune_config(
    text: str, path: str, *, rate: float | None = None, steps: int | None = None
) -> FinetuneConfig:
    """Let every schedule of a config begin at a new rate.

    Args:
        text: EasyRec's config.
        path: its name, for messages.
        rate: for all of them; without it, each begins where it had come to.
        steps: how long was trained; without it, the config's own `num_steps`.

    Raises:
        DocumentError: it cannot be read.
        SettingsError: it has no schedules, or one that has come to 0.
    """
    document = parse_document(text, path=path, format="prototext")
    schedules = find_schedules(document)
    if rate is None and steps is None:
        steps = _own_steps(document)
    edits: dict[str, Any] = {}
    report = []
    for schedule in schedules:
        first = rate if rate is not None else rate_to_continue_with(schedule, steps or 0)
        if rate is None:
            report.append(f"{schedule.key} comes to {first:g} after {steps} steps")
        change = new_first_rate(schedule, first)
        edits.update(change.edits)
        report += [f"{schedule.key}: {note}" for note in change.notes]
    result = apply_edits(document, edits)
    report += [
        f"{touched.place}, line {touched.line}: {touched.old or '(absent)'} -> {touched.new}"
        for touched in result.touched
    ]
    return FinetuneConfig(result.text, tuple(report))


def open_place(uri: str, oss_config: Path | None, environ: Mapping[str, str]) -> Store:
    """The store of a path or URI.

    Args:
        uri: a path, or `oss://BUCKET/KEY`.
        oss_config: ossutil's file; its values may be references.
        environ: where references of `env:` look.

    Raises:
        SettingsError: the file cannot be read or lacks something.
        StoreError: no store reads such URIs, or the account is missing.
    """
    if not uri.startswith("oss://") or oss_config is None:
        return open_store(uri)
    STORES.load("oss")  # says which extra is missing
    from hpo_nni.stores.oss import OssConnection  # noqa: PLC0415 - the SDK takes its time

    values = _read_ossutil(oss_config)
    directory = oss_config.parent
    places = tuple((name, f"{oss_config} [{_SECTION}] {key}") for name, key in _KEYS.items())
    token = values.get(_STS, "")
    references = CredentialReferences(
        Reference.parse(values[_KEYS["key_id"].lower()]),
        Reference.parse(values[_KEYS["key_secret"].lower()]),
        Reference.parse(token) if token else None,
        places,
    )
    return open_store(
        uri,
        {
            "oss": OssConnection(
                endpoint=values[_KEYS["endpoint"]],
                credentials=references.resolve(environ, directory),
                region=values.get("region", ""),
            )
        },
    )


def positive_rate(text: str) -> float:
    """A learning rate on the command line; raises ArgumentTypeError for anything else."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a learning rate, as in 1e-6")
    return rate


def _own_steps(document: ConfigDocument) -> int:
    try:
        (steps,) = find_values(document, STEPS)
    except (KeyPathError, ValueError):
        steps = None
    if not isinstance(steps, int) or isinstance(steps, bool) or steps <= 0:
        hint = "say how long was trained, as in --steps 8000, or which rate to begin with"
        raise SettingsError([Problem(STEPS, "the config does not say how long it trains", hint)])
    return steps


def _read_ossutil(path: Path) -> Mapping[str, str]:
    """The section of the account, keys in lower case; every key that is missing at once."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # the parser's own words would quote the line, which may be the key
        reason = error.strerror if isinstance(error, OSError) else "it is not an INI file"
        raise SettingsError([Problem(str(path), f"it cannot be read: {reason}")]) from None
    section: Mapping[str, str] = parser[_SECTION] if parser.has_section(_SECTION) else {}
    problems = [
        Problem(f"{path} [{_SECTION}]", f"{key} is missing", "as `ossutil config` writes it")
        for key in _KEYS.values()
        if not section.get(key)
    ]
    if problems:
        raise SettingsError(problems)
    return {key.lower(): value for key, value in section.items()}
