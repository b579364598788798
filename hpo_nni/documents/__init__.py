"""Configs as text with a tree of spans over it: parse, select by key path, edit losslessly."""

from __future__ import annotations

from hpo_nni.documents.base import ConfigDocument, Kind, Node
from hpo_nni.documents.edit import (
    EditResult,
    apply_edits,
    find_values,
    to_data,
    unified_diff,
)
from hpo_nni.documents.formats import FORMATS, parse_document
from hpo_nni.documents.keypath import Key
from hpo_nni.documents.keypath_parser import parse_key
from hpo_nni.documents.schema import Schema, load_schema
from hpo_nni.documents.session import Touched

__all__ = [
    "FORMATS",
    "ConfigDocument",
    "EditResult",
    "Key",
    "Kind",
    "Node",
    "Schema",
    "Touched",
    "apply_edits",
    "find_values",
    "load_schema",
    "parse_document",
    "parse_key",
    "to_data",
    "unified_diff",
]
