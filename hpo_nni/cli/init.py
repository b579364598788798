"""`hpo-nni init`: a working experiment from a command and a config, as they are used today."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.cli.acceptance import ask_nni
from hpo_nni.cli.check import Check
from hpo_nni.documents.formats import SUFFIXES
from hpo_nni.documents.values import as_number
from hpo_nni.drafts.experiment import CONFIG, MAX_TRIALS, SPACE, TRIAL, draft_experiment
from hpo_nni.drafts.pai import KEY_ID, KEY_SECRET
from hpo_nni.drafts.request import Request
from hpo_nni.errors import Problem, SettingsError, StoreError
from hpo_nni.platforms.pai_command import is_pai_command
from hpo_nni.stores.base import open_store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from hpo_nni.drafts.experiment import ExperimentDraft

HELP = "make an experiment out of a command (PAI or of this machine) and the config it trains with"

_METRIC = "--metric"
_TYPES = ("summary", "stdout", "json", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=Path("tuning"),
        metavar="DIR",
        help="where the experiment goes (default: tuning)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--command", metavar="TEXT", help="what trains today; '-': standard input")
    source.add_argument("--command-file", type=Path, metavar="FILE", help="a file that holds it")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the config on this machine")
    parser.add_argument(
        _METRIC,
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help="what a trial is scored by, as auc=1 or loss=-1; may be repeated",
    )
    parser.add_argument("--metric-type", choices=_TYPES, default="", help="where metrics come from")
    parser.add_argument("--metric-source", default="", metavar="WHERE", help="the file or folder")
    parser.add_argument(
        "--define",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what ${NAME} or {NAME} in the command stands for, as bizdate=20220617",
    )
    parser.add_argument("--project", default="", help="of MaxCompute, if no table tells it")


def run(arguments: argparse.Namespace) -> int:
    """Write the files; raises SettingsError where something lacks, and then leaves nothing."""
    command = _defined(_command(arguments, sys.stdin), _pairs(arguments.define, "--define"))
    config = arguments.config or _named_config(command)
    folder: Path = arguments.directory
    draft = draft_experiment(
        Request(
            command=command,
            config=config.absolute(),
            text=open_store(str(config)).read_text(str(config)),
            folder=Path.cwd() / os.path.normpath(folder),
            here=Path.cwd(),
            weights=_weights(_pairs(arguments.metric, _METRIC)),
            metric_type=arguments.metric_type,
            metric_source=arguments.metric_source,
            project=arguments.project,
        )
    )
    with _written(folder, draft.files):
        _check(folder / CONFIG)
    _report(folder, draft)
    return 0


def _command(arguments: argparse.Namespace, stdin: TextIO) -> str:
    """The text of the command, from wherever it is."""
    if arguments.command_file is not None:
        text = open_store(str(arguments.command_file)).read_text(str(arguments.command_file))
    elif arguments.command in {None, "-"}:
        if stdin.isatty():
            print("paste the command, then press Ctrl-D:", file=sys.stderr)
        text = stdin.read()
    else:
        text = arguments.command
    if not text.strip():
        hint = "as in --command 'python train.py --config conf.yml', or --command-file pai.txt"
        raise SettingsError([Problem("command", "there is none: what trains today?", hint)])
    return str(text).strip()


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE arguments; raises SettingsError with all that are none.

    A metric may be a regular expression that holds `=`, a value of `--define` a partition.
    """
    pairs = {}
    problems = []
    for text in texts:
        split = text.rpartition if option == _METRIC else text.partition
        name, separator, value = split("=")
        if separator and name.strip():
            pairs[name.strip()] = value.strip()
        else:
            problems.append(Problem(option, f"{text!r} is not NAME=VALUE"))
    if problems:
        raise SettingsError(problems)
    return pairs


def _weights(pairs: Mapping[str, str]) -> dict[str, float]:
    hint = "as in --metric auc=1; a negative weight for a loss"
    odd = [value for value in pairs.values() if as_number(value) is None]
    if odd:
        raise SettingsError([Problem(_METRIC, f"{one!r} is no weight", hint) for one in odd])
    return {name: float(value) for name, value in pairs.items()}


def _defined(command: str, values: Mapping[str, str]) -> str:
    """The command with `${name}` and `{name}` replaced by what the user says they stand for."""
    for name, value in values.items():
        pattern = rf"\$?\{{{re.escape(name)}\}}"
        command, count = re.subn(pattern, lambda _: value, command)  # noqa: B023  (used at once)
        if not count:
            message = f"the command has no ${{{name}}}"
            raise SettingsError([Problem("--define", message)])
    return command


def _named_config(command: str) -> Path:
    """The one file that a local command names and that may be a config."""
    if is_pai_command(command):
        hint = "--config pipeline.config: a copy on this machine of what -Dconfig names"
        raise SettingsError([Problem("--config", "it is missing", hint)])
    with contextlib.suppress(ValueError):  # an open quote: then nothing is found
        words = [word.rpartition("=")[2] for word in shlex.split(command)]
        files = [Path(word) for word in words if Path(word).suffix.lower() in SUFFIXES]
        found = list(dict.fromkeys(file for file in files if file.is_file()))
        if len(found) == 1:
            return found[0]
    hint = "--config FILE: the file whose values are to be tuned"
    raise SettingsError([Problem("--config", "the command does not tell which file it is", hint)])


@contextlib.contextmanager
def _written(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Write new files; whatever goes wrong then, they go again."""
    there = [name for name in files if (folder / name).exists()]
    if there:
        message = f"nothing is overwritten, and {folder} has {' and '.join(there)}"
        raise StoreError(message, uri=str(folder / there[0]), hint="name another folder")
    is_new = not folder.exists()
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
        yield
    except BaseException as error:
        for path in made:
            path.unlink()
        if is_new and folder.exists():
            folder.rmdir()
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            message = f"{folder} cannot be written: {error.strerror or error}"
            raise StoreError(message, uri=str(folder)) from error
        raise


def _check(config: Path) -> None:
    """What was made is held to what `hpo-nni check` holds everybody's files to."""
    check = Check(config)
    check.run()
    check.conclude()
    ask_nni(config)


def _report(folder: Path, draft: ExperimentDraft) -> None:
    trial = draft.trial
    score = ", ".join(f"{name} x {weight:g}" for name, weight in trial.weights.items())
    keys = len(draft.space)
    made = {
        CONFIG: f"{MAX_TRIALS} trials, {trial.concurrency} at a time",
        TRIAL: f"what a trial runs; its score: {score}",
        SPACE: f"{keys} key{'s' * (keys != 1)}, around the values of the config:",
    }
    for name, what in made.items():
        print(f"{folder / name}  {what}")
    for one in draft.space:
        values = ", ".join(map(str, one.entry["_value"]))
        print(f"  {one.key}: {_short(one.present)} -> {one.entry['_type']} {values}")
    print("`hpo-nni check` finds no faults in it")
    for note in trial.notes:
        print(f"note: {note}")
    print("next:")
    if draft.is_remote:
        print(f"  hpo-nni rehearse {folder / CONFIG}")
        print(f"  export {KEY_ID}=... {KEY_SECRET}=...")
        print(f"  hpo-nni check {folder / CONFIG} --remote")
    print(f"  hpo-nni run {folder / CONFIG}")


def _short(values: Sequence[object]) -> str:
    shown = list(dict.fromkeys(map(str, values)))
    return ", ".join(shown[:4]) + (", ..." if len(shown) > 4 else "")
