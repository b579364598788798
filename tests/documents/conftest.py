"""The samples, and the reference parser of each format."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import yaml
from google.protobuf import message_factory, text_format

from hpo_nni.documents import Kind, Node, load_schema, parse_document
from hpo_nni.documents.descriptors import proto_descriptors

HERE = Path(__file__).parent
SAMPLES = HERE.parent.parent / "samples"


class ProtobufReference:
    """What protobuf itself reads, compared field by field with data read without a schema."""

    def __init__(self) -> None:
        (file,) = proto_descriptors(HERE / "easyrec.proto")
        self.config = message_factory.GetMessageClass(file.message_types_by_name["Config"])

    def parse(self, text):
        return text_format.Parse(text, self.config())

    def agrees(self, text, data) -> None:
        self._same(self.parse(text), data)

    def _same(self, message, data) -> None:
        fields = message.ListFields()
        assert {field.name for field, _ in fields} == {
            name for name, value in data.items() if value != []
        }
        for field, value in fields:
            values = list(value) if field.is_repeated else [value]
            ours = data[field.name]
            ours = ours if isinstance(ours, list) else [ours]
            assert len(values) == len(ours), field.name
            for one, other in zip(values, ours, strict=True):
                if field.message_type:
                    self._same(one, other)
                elif field.enum_type:
                    assert field.enum_type.values_by_number[one].name == other
                elif field.type == field.TYPE_FLOAT:
                    assert one == struct.unpack("f", struct.pack("f", other))[0]
                else:
                    assert one == other


class PlainReference:
    """YAML and JSON: the reference parser gives the same kind of data as we do."""

    def __init__(self, parse) -> None:
        self.parse = parse

    def agrees(self, text, data) -> None:
        assert _typed(self.parse(text)) == _typed(data)


def _typed(data):
    """Data in which 1, 1.0 and True differ."""
    if isinstance(data, dict):
        return {key: _typed(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_typed(value) for value in data]
    return type(data), repr(data)


@pytest.fixture(scope="session")
def schema():
    return load_schema("easyrec.proto", HERE)


@pytest.fixture(scope="session")
def protobuf() -> ProtobufReference:
    return ProtobufReference()


@pytest.fixture(scope="session")
def references(protobuf):
    return {
        ".config": protobuf,
        ".yaml": PlainReference(yaml.safe_load),
        ".json": PlainReference(json.loads),
    }


@pytest.fixture(scope="session")
def leaves():
    return _leaves


@pytest.fixture
def pipeline():
    return parse_document((SAMPLES / "pipeline.config").read_text(), path="pipeline.config")


def _leaves(node: Node, path: str = ""):
    """Every scalar with its key path; what an alias refers to is left to its anchor."""
    if node.kind is Kind.MAP:
        for name, child in node.content.items():
            if name == "<<" or getattr(child, "is_reference", False):
                continue
            step = name if name.replace("_", "").isalnum() else json.dumps(name, ensure_ascii=False)
            yield from _leaves(child, f"{path}.{step}" if path else step)
    elif node.kind is Kind.LIST:
        for index, child in enumerate(node.content):
            yield from _leaves(child, f"{path}[{index}]")
    else:
        yield path, node
