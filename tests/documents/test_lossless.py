"""The real test of surgery: every leaf of every sample, edited singly, changes only its span."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from hpo_nni.documents import Kind, apply_edits, find_values, parse_document, to_data
from hpo_nni.documents.keypath import Field
from hpo_nni.documents.keypath_parser import parse_key

ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted(
    path
    for pattern in ("samples/*", "examples/*/*/*.config", "examples/*/*.config")
    for path in ROOT.glob(pattern)
    if path.suffix in {".config", ".yaml", ".json"}
    and path.name not in {"search_space.json", "nightly.json"}  # a space, a point: no configs
)
NEXT_NAME = {
    "IdFeature": "RawFeature",
    "CSVInput": "OdpsInput",
    "INT32": "INT64",
    "STRING": "INT64",
    "DOUBLE": "FLOAT",
    "DEEP": "WIDE",
    "CLASSIFICATION": "L2_LOSS",
}
NEW = {
    Kind.INTEGER: 977,
    Kind.FLOAT: 0.0625,
    Kind.STRING: "no: [1] # 'new'",
    Kind.NULL: "set",
    Kind.OTHER: "2023-01-31",
}


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_leaf_edited_singly_changes_only_its_span(
    path: Path, ending: str, leaves, references
) -> None:
    text = path.read_text(encoding="utf-8").replace("\n", ending)
    document = parse_document(text, path=path.name)
    is_ours = path.parent.name == "samples"
    reference = references[path.suffix] if is_ours else None
    before = to_data(document)
    assert document.dump() == text
    if reference:
        reference.agrees(text, before)

    count = 0
    for key, node in leaves(document.root()):
        value = _new_value(document, node)
        edited = apply_edits(document, {key: value}).text
        again = parse_document(edited, path=path.name)

        assert edited[: node.start] == text[: node.start], key
        assert edited.endswith(text[node.end :]), key
        assert edited != text, key
        expected = before
        for place in _places(key) if path.suffix == ".yaml" else [key]:
            expected = _with(expected, place, find_values(again, key)[0])
        assert to_data(again) == expected, key
        if node.kind is not Kind.OTHER:
            assert find_values(again, key) == [value], key
        if reference:
            reference.agrees(edited, to_data(again))
        count += 1
    assert count > 10


def _new_value(document, node):
    if node.kind is Kind.BOOLEAN:
        return not document.value(node)
    if node.kind is Kind.ENUM:
        return NEXT_NAME.get(document.value(node), "IdFeature")
    return NEW[node.kind]


def _places(key):
    """An anchored value of the sample shows wherever it is referred to."""
    group, _, rest = key.partition(".")
    if group != "defaults":
        return [key]
    return [f"{name}.{rest}" for name in ("defaults", "finetune", "optimizer")]


def _with(data, key, value):
    data = copy.copy(data)
    steps = [
        part.name if isinstance(part, Field) else part.positions[0]
        for part in parse_key(key).paths[0].parts
    ]
    holder = data
    for step in steps[:-1]:
        holder[step] = copy.copy(holder[step])
        holder = holder[step]
    holder[steps[-1]] = value
    return data


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_byte_order_mark_stays(path: Path, leaves) -> None:
    text = "\ufeff" + path.read_text(encoding="utf-8")
    document = parse_document(text, path=path.name)
    key, node = next(
        (key, node) for key, node in leaves(document.root()) if node.kind is Kind.INTEGER
    )

    edited = apply_edits(document, {key: 3}).text

    assert edited == text[: node.start] + "3" + text[node.end :]
