"""The configs of one trial: base files, with the trial's point written into them.

A key of the search space does something or is a fault: it is substituted in the ini, it is a
placeholder `${key}` in a base file, or it selects values in exactly one base file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import (
    apply_edits,
    find_values,
    load_schema,
    parse_document,
    unified_diff,
)
from hpo_nni.errors import HpoNniError, KeyPathError, Problem, SettingsError
from hpo_nni.ledger.records import BASELINE
from hpo_nni.stores.base import open_store
from hpo_nni.trial.shell import fill_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.documents import Schema, Touched
    from hpo_nni.trial.settings import ConfigFile, TrialSettings
    from hpo_nni.trial.substitutions import Substitutions


@dataclass(frozen=True)
class PreparedFile:
    """One config as this trial will see it.

    Attributes:
        source: the base file.
        target: where the trial's own copy goes.
        base: the base file's text.
        text: the edited text.
        touched: what was edited, place by place.
    """

    source: str
    target: str
    base: str
    text: str
    touched: tuple[Touched, ...]

    def diff(self) -> str:
        """The change as a unified diff; empty where nothing changed."""
        return unified_diff(self.base, self.text, self.source)


@dataclass
class _Draft:
    """A base file while keys are being given out."""

    file: ConfigFile
    base: str
    text: str
    schema: Schema | None
    edits: dict[str, Any]

    def resolves(self, key: str) -> bool:
        document = parse_document(self.text, path=self.file.source, format=self.file.format or None)
        try:
            find_values(document, key, schema=self.schema)
        except KeyPathError:
            return False
        return True


def is_baseline(point: Mapping[str, Any]) -> bool:
    """Whether the point stands for the config as it is, unedited."""
    return bool(point.get(BASELINE))


def prepare_files(
    settings: TrialSettings, point: Mapping[str, Any], substitutions: Substitutions
) -> list[PreparedFile]:
    """Edit the base files by the point; nothing is written.

    Args:
        settings: name the files, and the keys that the ini itself uses.
        point: the trial's, with its mark if it is the untuned one: then no key path is edited.
        substitutions: what `${...}` stands for, as in the ini.

    Raises:
        SettingsError: with every key that matches nothing, or more than one file, every value that
            does not fit, and every base file that cannot be read.
    """
    values = {} if is_baseline(point) else dict(point)
    drafts = [_open(file, settings.path.parent) for file in settings.files]
    problems: list[Problem] = []
    replaced = [_fill_placeholders(draft, substitutions) for draft in drafts]
    taken = settings.used_keys.union(*replaced)
    for key, value in _keys_and_values(values, taken, drafts):
        problem = _give_out(key, value, drafts, optional=settings.passes_point)
        if problem is not None:
            problems.append(problem)
    prepared = []
    for draft in drafts:
        try:
            prepared.append(_apply(draft))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return prepared


def write_files(prepared: Sequence[PreparedFile]) -> None:
    """Write each trial's copy, atomically."""
    for file in prepared:
        open_store(file.target).write_text(file.target, file.text)


def _open(file: ConfigFile, base: Path) -> _Draft:
    text = open_store(file.source).read_text(file.source)
    schema = load_schema(file.schema, base) if file.schema else None
    return _Draft(file=file, base=text, text=text, schema=schema, edits={})


def _fill_placeholders(draft: _Draft, substitutions: Substitutions) -> frozenset[str]:
    """Replace `${key}` by the key's value, as in the ini; returns the keys that were found."""
    filled = fill_text(draft.text, substitutions.words())
    draft.text = filled.text
    return frozenset().union(*(substitutions.keys_of(name) for name in filled.used))


def _keys_and_values(
    values: Mapping[str, Any], taken: frozenset[str], drafts: Sequence[_Draft]
) -> list[tuple[str, Any]]:
    """What is left to edit; a dict under a key that selects nothing is a bundle of keys."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        if key in taken:
            continue
        if isinstance(value, dict) and not any(draft.resolves(key) for draft in drafts):
            inner = {name: item for name, item in value.items() if name != "_name"}
            pairs += _keys_and_values(inner, taken, drafts)
        else:
            pairs.append((key, value))
    return pairs


def _give_out(key: str, value: Any, drafts: Sequence[_Draft], *, optional: bool) -> Problem | None:
    """Note the edit with the one file that it is meant for; an optional one may have none."""
    able = [draft for draft in drafts if draft.resolves(key)]
    if optional and not able:
        return None
    if not drafts:
        return Problem(
            key,
            "this key of the search space is used nowhere",
            f"name a base config under params_src_dst_filepath, or write ${{{key}}} in the ini",
        )
    if len(able) > 1:
        names = " and ".join(Path(draft.file.source).name for draft in able)
        return Problem(key, f"selects values in {names}", "make the paths differ, or tie two keys")
    # where no file has it, the first one is asked, for its words about what it does have
    (able or drafts)[0].edits[key] = value
    return None


def _apply(draft: _Draft) -> PreparedFile:
    file = draft.file
    try:
        document = parse_document(draft.text, path=file.source, format=file.format or None)
        result = apply_edits(document, draft.edits, schema=draft.schema)
    except SettingsError as error:
        name = Path(file.source).name
        raise SettingsError(
            [Problem(f"{name}: {p.where}", p.message, p.hint) for p in error.problems]
        ) from error
    except HpoNniError as error:
        raise SettingsError([Problem(file.source, error.message, error.hint)]) from error
    return PreparedFile(file.source, file.target, draft.base, result.text, tuple(result.touched))
