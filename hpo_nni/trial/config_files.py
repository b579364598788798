"""`[params_config]`: base configs, and where each trial's own copy of them goes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.trial.substitutions import PER_TRIAL

if TYPE_CHECKING:
    from hpo_nni.trial.accounts import Accounts
    from hpo_nni.trial.ini import Entry
    from hpo_nni.trial.sections import Reading, SectionReader

_KEY = "params_src_dst_filepath"


@dataclass(frozen=True)
class ConfigFile:
    """A base config and where a trial's own copy of it goes.

    Attributes:
        source, target: absolute paths, or URIs.
        schema: what `schema*` says: a folder, a file or an importable package; may be empty.
        format: the format's name where the suffix does not tell it; may be empty.
    """

    key: str
    source: str
    target: str
    line: int
    schema: str = ""
    format: str = ""


def read_files(
    section: SectionReader,
    reading: Reading,
    folder: Path,
    accounts: Accounts,
    *,
    is_remote: bool,
) -> tuple[ConfigFile, ...]:
    """Read the section; faults go to its reader, and `${config}` becomes known.

    Args:
        section: reads `[params_config]`.
        reading: of the whole file.
        folder: what relative paths are relative to.
        accounts: tell which URIs can be reached.
        is_remote: whether jobs run where they cannot read files of this machine.
    """
    files: list[ConfigFile] = []
    for entry in section.prefixed(_KEY):
        suffix = entry.key.removeprefix(_KEY)
        source, target = _read_paths(section, entry, reading, folder)
        if target in {file.target for file in files}:
            section.fault(entry.key, "two files go to the same place", "give each a place")
        _check_schemes(section, entry, (source, target), accounts)
        if is_remote and "://" not in target:
            hint = "as in base.config,oss://bucket/configs/${exp_id}_${trial_id}.config"
            section.fault(entry.key, f"jobs on MaxCompute cannot read {target}", hint)
        file = ConfigFile(
            key=entry.key,
            source=source,
            target=target,
            line=entry.line,
            schema=section.text(f"schema{suffix}") or section.text("schema"),
            format=(section.word(f"format{suffix}") or section.word("format")).lower(),
        )
        files.append(file)
    section.finish([_KEY, "schema", "format"])
    reading.words.update({f"config{n}": (file.target,) for n, file in enumerate(files, start=1)})
    if len(files) == 1:
        reading.words["config"] = (files[0].target,)
    return tuple(files)


def _check_schemes(
    section: SectionReader, entry: Entry, paths: tuple[str, str], accounts: Accounts
) -> None:
    for path in paths:
        problem = accounts.find_problem(path) if "://" in path else None
        if problem is not None:
            section.fault(entry.key, problem.message, problem.hint)
            return


def _read_paths(
    section: SectionReader, entry: Entry, reading: Reading, folder: Path
) -> tuple[str, str]:
    """Source and target of `source,target`, or of `source` alone, both absolute."""
    given, _, target = (part.strip() for part in section.text(entry.key).partition(","))
    source = given if "://" in given else str(folder / given)
    name = source.rpartition("/")[2]
    if "://" not in given:
        _check_is_there(section, entry, Path(source), given)
    if not target:
        return source, str(Path(reading.words["NNI_OUTPUT_DIR"][0], name))
    goal = target if "://" in target else str(folder / target)
    if target.endswith("/"):
        goal = f"{goal.rstrip('/')}/{name}"
    if goal == source or Path(goal).resolve() == Path(source).resolve():
        section.fault(entry.key, "the edited config would overwrite its source")
    elif not any(word in entry.value.partition(",")[2] for word in PER_TRIAL):
        message = "all trials would write their configs to the same place"
        hint = "put ${NNI_OUTPUT_DIR} or ${trial_id} into the target, or leave the target out"
        section.fault(entry.key, message, hint)
    return source, goal


def _check_is_there(section: SectionReader, entry: Entry, file: Path, given: str) -> None:
    if not file.is_file():
        names = [other.name for other in file.parent.glob("*") if other.is_file()]
        near = difflib.get_close_matches(file.name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"looked for {file}"
        section.fault(entry.key, f"there is no file {given}", hint)
