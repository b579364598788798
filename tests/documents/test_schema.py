from __future__ import annotations

import sys

import pytest
from google.protobuf import descriptor_pb2

from hpo_nni.documents import load_schema
from hpo_nni.documents.proto_files import read_proto
from hpo_nni.errors import DocumentError, SettingsError

PIPELINE = """
syntax = "proto2";
package p;
import "sub/feature.proto";
message Pipeline {
  optional Train train = 1;
  repeated p.sub.Feature features = 2;
  map<string, int32> sizes = 3;
  oneof path { string local = 4; string remote = 5; }
  optional group Extra = 6 { optional bool on = 1; }
  reserved 10 to 12; extensions 100 to max;
  option (my.option) = { a: 1 };
}
message Train {
  required float rate = 1 [default = 1e-3, deprecated = true];
  optional Mode mode = 2 [default = FAST];
  optional string name = 3 [default = "a" 'b'];
  optional Train inner = 4;
}
enum Mode { option allow_alias = true; SLOW = 0; FAST = 1; QUICK = 1; reserved 5; }
service S { rpc Get(Train) returns (Train) { option x = 1; } }
"""
FEATURE = """
syntax = "proto3";
package p.sub;
import "google/protobuf/duration.proto";
// a comment
message Feature { optional sint64 dim = 1; /* block */ repeated double bounds = 2;
  google.protobuf.Duration age = 3; }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "protos" / "sub").mkdir(parents=True)
    (tmp_path / "protos" / "pipeline.proto").write_text(PIPELINE)
    (tmp_path / "protos" / "sub" / "feature.proto").write_text(FEATURE)
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    ["protos", "protos/pipeline.proto", "protos:Pipeline", "protos/pipeline.proto:p.Pipeline"],
)
def test_proto_files_become_types(folder, spec) -> None:
    fields = load_schema(spec, folder).root.fields

    assert {name: (field.type, field.repeated) for name, field in fields.items()} == {
        "train": ("message", False),
        "features": ("message", True),
        "sizes": ("message", True),
        "local": ("string", False),
        "remote": ("string", False),
        "Extra": ("message", False),
    }
    assert fields["local"].oneof == fields["remote"].oneof == "path"
    train = fields["train"].message.fields
    assert (train["rate"].default, train["mode"].default, train["name"].default) == (
        pytest.approx(1e-3),
        "FAST",
        "ab",
    )
    assert train["mode"].numbers == {"SLOW": 0, "FAST": 1, "QUICK": 1}
    assert train["inner"].message is fields["train"].message
    feature = fields["features"].message.fields
    assert (feature["dim"].type, feature["dim"].oneof) == ("int64", "")
    assert feature["age"].message.fields["seconds"].type == "int64"
    assert fields["sizes"].message.fields["value"].type == "int32"


def test_a_descriptor_set_is_a_schema(folder) -> None:
    first, second = read_proto(PIPELINE), read_proto(FEATURE)
    first.name, second.name = "pipeline.proto", "sub/feature.proto"
    (folder / "set.bin").write_bytes(
        descriptor_pb2.FileDescriptorSet(file=[second, first]).SerializeToString()
    )

    assert load_schema("set.bin:Pipeline", folder).root.fields["train"].type == "message"


def test_an_importable_module_is_a_schema(tmp_path) -> None:
    schema = load_schema("google.protobuf.descriptor_pb2:FileDescriptorProto", tmp_path)

    assert schema.root.fields["message_type"].repeated
    assert "" not in sys.path[1:]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("protos:Pipelin", "did you mean 'p.Pipeline'"),
        ("nowhere", "is no file and cannot be imported"),
        ("nowhere.proto", "cannot be read"),
        ("empty", "holds no .proto file"),
        ("broken.proto", r"broken.proto:2: ':' where"),
        ("lost.proto", "imports 'x.proto', which is not there"),
        ("wrong.proto", "is not a valid schema"),
        ("noise.bin", "neither a .proto file nor a descriptor set"),
        ("two.proto", "it is not clear which of 2 messages"),
        ("none.proto", "holds no message"),
        ("loop.proto", "not clear|valid"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(folder, spec, says) -> None:
    (folder / "empty").mkdir()
    (folder / "broken.proto").write_text("message A {\n optional : x = 1; }")
    (folder / "lost.proto").write_text('import "x.proto"; message A {}')
    (folder / "wrong.proto").write_text("message A { optional Nothing x = 1; }")
    (folder / "noise.bin").write_bytes(b"\xff\xff\xff")
    (folder / "two.proto").write_text("message A {} message B {}")
    (folder / "none.proto").write_text("enum A { X = 0; }")
    (folder / "loop.proto").write_text(
        "message A { optional B b = 1; } message B { optional A a = 1; }"
    )
    with pytest.raises(SettingsError, match=says):
        load_schema(spec, folder)


@pytest.mark.parametrize(
    "text",
    [
        "message",
        "message A",
        "message A {",
        "message A { int32 x; }",
        "a",
        "enum E { A = x; }",
        "?",
        "message A { optional int32 x = 99999999999; }",
        "message A { option",
        "message A {" * 300,
    ],
)
def test_a_broken_proto_file_is_refused_with_its_line(text) -> None:
    with pytest.raises(DocumentError) as caught:
        read_proto(text)
    assert caught.value.line >= 1
