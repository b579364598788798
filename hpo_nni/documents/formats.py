"""Which format a config is in."""

from __future__ import annotations

import functools
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hpo_nni.errors import DocumentError
from hpo_nni.registry import Registry

if TYPE_CHECKING:
    from hpo_nni.documents.base import ConfigDocument

FORMATS = Registry(
    group="hpo_nni.documents",
    builtin={
        "json": "hpo_nni.documents.json_text:JsonDocument",
        "prototext": "hpo_nni.documents.prototext:PrototextDocument",
        "yaml": "hpo_nni.documents.yaml_text:YamlDocument",
    },
)
SUFFIXES = {
    ".config": "prototext",
    ".prototxt": "prototext",
    ".pbtxt": "prototext",
    ".textproto": "prototext",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
}


def parse_document(text: str, *, path: str = "", format: str | None = None) -> ConfigDocument:  # noqa: A002
    """Read a config.

    Args:
        text: with its line endings as they are in the file.
        path: where it comes from: tells the format by its suffix, and stands in messages.
        format: the format's name, where the suffix does not tell.

    Raises:
        DocumentError: the text is not in that format; with line and column.
        RegistryError: there is no format of that name.

    >>> parse_document("a: 1 # one", path="x.config").dump()
    'a: 1 # one'
    """
    suffix = PurePosixPath(path).suffix.lower()
    name = format or SUFFIXES.get(suffix)
    if name is None:
        shown = repr(suffix) if suffix else "no suffix"
        raise DocumentError(
            f"{path or 'the config'}: {shown} does not tell its format",
            hint=f"name the format: {', '.join(FORMATS.names())}",
        )
    try:
        return _load(name).parse(text)
    except DocumentError as error:
        if path:
            raise DocumentError(
                f"{path}: {error.message}", line=error.line, column=error.column, hint=error.hint
            ) from error
        raise


@functools.cache  # looking through entry points takes longer than parsing most configs
def _load(name: str) -> type[ConfigDocument]:
    found: type[ConfigDocument] = FORMATS.load(name)
    return found
