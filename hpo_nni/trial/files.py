"""The configs of one trial: base files, with the trial's point written into them.

A key of the search space does something or is a fault: it is substituted in the ini, it is a
placeholder `${key}` in a base file, or it selects values in exactly one base file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hpo_nni.documents import (
    apply_edits,
    find_values,
    load_schema,
    parse_document,
    unified_diff,
)
from hpo_nni.errors import (
    DocumentError,
    HpoNniError,
    KeyPathError,
    Problem,
    SettingsError,
    TransientStoreError,
)
from hpo_nni.ledger.records import BASELINE, visible_point
from hpo_nni.trial.shell import fill_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.documents import ConfigDocument, Schema, Touched
    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.settings import ConfigFile, TrialSettings
    from hpo_nni.trial.substitutions import Substitutions

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class BaseFile:
    """A base config as it lies there, read once for any number of points."""

    file: ConfigFile
    text: str
    schema: Schema | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return Path(self.file.source).name


@dataclass(frozen=True)
class PreparedFile:
    """One config as this trial will see it.

    Attributes:
        source: the base file.
        target: where the trial's own copy goes.
        base: the base file's text.
        text: the edited text.
        touched: what was edited, place by place.
        filled: the keys whose placeholders stood in the base file.
    """

    source: str
    target: str
    base: str
    text: str
    touched: tuple[Touched, ...]
    filled: frozenset[str] = frozenset()

    def diff(self) -> str:
        """The change as a unified diff; empty where nothing changed."""
        return unified_diff(self.base, self.text, self.source)


@dataclass(frozen=True)
class _Draft:
    """A base file while keys are being given out, its placeholders filled."""

    base: BaseFile
    document: ConfigDocument
    filled: frozenset[str]
    edits: dict[str, Any] = field(default_factory=dict)

    def resolves(self, key: str) -> bool:
        try:
            find_values(self.document, key, schema=self.base.schema)
        except KeyPathError:
            return False
        return True


def is_baseline(point: Mapping[str, Any]) -> bool:
    """Whether the point stands for the config as it is, unedited."""
    return bool(point.get(BASELINE))


def read_bases(settings: TrialSettings) -> list[BaseFile]:
    """Read the base files and their schemas; raises SettingsError with all that cannot be read."""
    folder = settings.path.parent
    return _all(
        lambda file: BaseFile(
            file=file,
            text=settings.accounts.store(file.source).read_text(file.source),
            schema=load_schema(file.schema, folder) if file.schema else None,
        ),
        settings.files,
        lambda file: f"{settings.path.name}:{file.line} {file.key}",
    )


def prepare_files(
    settings: TrialSettings,
    point: Mapping[str, Any],
    substitutions: Substitutions,
    bases: Sequence[BaseFile] | None = None,
) -> list[PreparedFile]:
    """Edit the base files by the point; nothing is written.

    Args:
        settings: name the files, and the keys that the ini itself uses.
        point: the trial's, with our marks; that of the untuned one means that nothing is edited.
        substitutions: what `${...}` stands for, as in the ini.
        bases: the base files, where they have been read before.

    Raises:
        SettingsError: with every key that matches nothing, or more than one file, every value that
            does not fit, and every base file that cannot be read.
    """
    values = {} if is_baseline(point) else visible_point(point)
    bases = read_bases(settings) if bases is None else bases
    drafts = _all(lambda base: _draft(base, substitutions), bases, lambda base: base.name)
    problems: list[Problem] = []
    taken = settings.used_keys.union(*(draft.filled for draft in drafts))
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


def at_targets(bases: Sequence[BaseFile], files: Sequence[ConfigFile]) -> list[BaseFile]:
    """The same base files, going where the settings of another name put them."""
    return [replace(base, file=file) for base, file in zip(bases, files, strict=True)]


def write_files(prepared: Sequence[PreparedFile], accounts: Accounts) -> None:
    """Write each trial's copy, atomically."""
    for file in prepared:
        accounts.store(file.target).write_text(file.target, file.text)


def _all(make: Callable[[S], T], things: Sequence[S], where: Callable[[S], str]) -> list[T]:
    """Make something of each; raises SettingsError with all that cannot be made.

    What may go well when it is tried again is raised as it is.
    """
    made: list[T] = []
    problems: list[Problem] = []
    for thing in things:
        try:
            made.append(make(thing))
        except SettingsError as error:
            problems += error.problems
        except TransientStoreError:
            raise
        except HpoNniError as error:
            problems.append(Problem(where(thing), error.message, error.hint))
    if problems:
        raise SettingsError(problems)
    return made


def _draft(base: BaseFile, substitutions: Substitutions) -> _Draft:
    """Replace `${key}` by the key's value, as in the ini, and parse what results."""
    file, filled = base.file, fill_text(base.text, substitutions.words())
    try:
        document = parse_document(filled.text, path=file.source, format=file.format or None)
    except DocumentError as error:
        place = f"{base.name}:{error.line}:{error.column}" if error.line else base.name
        message = error.message.removeprefix(f"{file.source}: ")
        message = message.removeprefix(f"line {error.line}, column {error.column}: ")
        raise SettingsError([Problem(place, message, error.hint)]) from error
    keys = (substitutions.keys_of(name) for name in filled.used)
    return _Draft(base, document, frozenset().union(*keys))


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
        names = " and ".join(draft.base.name for draft in able)
        return Problem(key, f"selects values in {names}", "make the paths differ, or tie two keys")
    # where no file has it, the first one is asked, for its words about what it does have
    (able or drafts)[0].edits[key] = value
    return None


def _apply(draft: _Draft) -> PreparedFile:
    base = draft.base
    try:
        result = apply_edits(draft.document, draft.edits, schema=base.schema)
    except SettingsError as error:
        raise SettingsError(
            [Problem(f"{base.name}: {p.where}", p.message, p.hint) for p in error.problems]
        ) from error
    except HpoNniError as error:
        raise SettingsError([Problem(base.name, error.message, error.hint)]) from error
    return PreparedFile(
        source=base.file.source,
        target=base.file.target,
        base=base.text,
        text=result.text,
        touched=tuple(result.touched),
        filled=draft.filled,
    )
