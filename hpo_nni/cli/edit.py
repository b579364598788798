"""`hpo-nni edit`: set values in a config without reformatting it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.documents import (
    EditResult,
    apply_edits,
    load_schema,
    parse_document,
    unified_diff,
)
from hpo_nni.documents.keypath_parser import split_outside
from hpo_nni.errors import DocumentError, Problem, SettingsError, StoreError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

HELP = "set values in a config by key path; everything else stays as it is"
_SHOWN_PER_KEY = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `hpo-nni edit`."""
    parser.add_argument("file", metavar="FILE", help="the config to edit")
    parser.add_argument(
        "edits",
        metavar="KEY=VALUE",
        nargs="+",
        help="a key path and its new value: JSON, or else text",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="OUT", help="write the edited config there")
    where.add_argument("--diff", action="store_true", help="print what would change")
    where.add_argument("--in-place", action="store_true", help="replace FILE")
    parser.add_argument("--format", metavar="NAME", help="prototext, yaml or json")
    parser.add_argument(
        "--schema",
        metavar="WHERE[:MESSAGE]",
        help="a .proto file, a directory of them, a descriptor set or a package",
    )


def run(arguments: argparse.Namespace) -> int:
    """Edit; return 0.

    Raises:
        HpoNniError: the file, the schema or an edit is wrong; nothing has been written.
    """
    edits = parse_assignments(arguments.edits)
    text = _read(Path(arguments.file))
    document = parse_document(text, path=arguments.file, format=arguments.format)
    schema = load_schema(arguments.schema, Path()) if arguments.schema else None
    result = apply_edits(document, edits, schema=schema)
    _report(result)
    if arguments.in_place or arguments.output:
        write_atomically(Path(arguments.output or arguments.file), result.text.encode())
    else:
        shown = unified_diff(text, result.text, arguments.file) if arguments.diff else result.text
        sys.stdout.flush()
        sys.stdout.buffer.write(shown.encode())
        sys.stdout.buffer.flush()
    return 0


def parse_assignments(arguments: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` arguments; the `=` of a condition in brackets belongs to the key.

    Raises:
        SettingsError: every argument that is no assignment.

    >>> parse_assignments(["features[name=a].dim=16", "model_dir=oss://b/?x=1"])
    {'features[name=a].dim': 16, 'model_dir': 'oss://b/?x=1'}
    """
    edits: dict[str, Any] = {}
    problems = []
    for argument in arguments:
        key = split_outside(argument, "=")[0]
        if len(key) == len(argument):
            problems.append(Problem(argument, "is not KEY=VALUE", "write the new value behind '='"))
        elif key in edits:
            problems.append(Problem(argument, "the key is given twice"))
        else:
            edits[key] = _value(argument[len(key) + 1 :])
    if problems:
        raise SettingsError(problems)
    return edits


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a reader sees the old content or the new, never a part.

    Raises:
        StoreError: it cannot be written; the old content is still there.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():  # /dev/stdout, a pipe: nothing to replace
            target.write_bytes(data)
            return
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise StoreError(message, uri=str(path)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise SettingsError([Problem(text[:40], "is nested too deeply")]) from None


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise StoreError(message, uri=str(path)) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"{path}: line {line} is not UTF-8", line=line) from error


def _report(result: EditResult) -> None:
    """Say on standard error what was touched; the many places of one slice are not all listed."""
    counts: dict[str, int] = {}
    for touched in result.touched:
        counts[touched.key] = counts.get(touched.key, 0) + 1
        if counts[touched.key] <= _SHOWN_PER_KEY:
            old = _short(touched.old) if touched.old else "(absent)"
            note = f" ({touched.note})" if touched.note else ""
            change = f"{old} -> {_short(touched.new)}{note}"
            print(f"{touched.place}, line {touched.line}: {change}", file=sys.stderr)
    for key, count in counts.items():
        if count > _SHOWN_PER_KEY:
            print(f"{key}: {count} places in all", file=sys.stderr)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
