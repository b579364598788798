"""Reads `.proto` files into descriptors, so that no compiler is needed.

Names of types stay as they are written: protobuf's descriptor pool resolves them by the rules of
the language. Options other than `default` and `packed` do not change what a config may hold and
are passed over, as are services. Source: protobuf.dev, "Protocol Buffers Language Specification".
"""

from __future__ import annotations

import re
from typing import NoReturn

from google.protobuf import descriptor_pb2

from hpo_nni.documents.base import MAX_DEPTH, Lines
from hpo_nni.documents.prototext_literals import unquote
from hpo_nni.errors import DocumentError

_TOKEN = re.compile(
    r"\s+|//[^\n]*|/\*.*?\*/"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<word>[+-]?\.?\w[\w.+-]*|\.[A-Za-z_][\w.]*)"
    r"|(?P<mark>[{}()\[\]<>;,=.:/])",
    re.DOTALL,
)
_NAME = re.compile(r"\.?[A-Za-z_][\w.]*\Z")
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in [
        "double",
        "float",
        "int64",
        "uint64",
        "int32",
        "fixed64",
        "fixed32",
        "bool",
        "string",
        "bytes",
        "uint32",
        "sfixed32",
        "sfixed64",
        "sint32",
        "sint64",
    ]
}
_LABELS = {
    "optional": _Field.LABEL_OPTIONAL,
    "required": _Field.LABEL_REQUIRED,
    "repeated": _Field.LABEL_REPEATED,
}


def read_proto(text: str) -> descriptor_pb2.FileDescriptorProto:
    """Read one file; its `name` is left to the caller.

    Raises:
        DocumentError: with the line of the fault.

    >>> proto = read_proto("message A { repeated B b = 1; message B { optional float x = 1; } }")
    >>> proto.message_type[0].field[0].type_name
    'B'
    """
    return _Reader(text).file()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.tokens: list[tuple[str, int]] = []
        self.at = 0
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                self.fail(f"{self.text[at]!r} is not part of the language", at)
            if match.lastgroup:
                self.tokens.append((match[0], at))
            at = match.end()

    def file(self) -> descriptor_pb2.FileDescriptorProto:  # noqa: C901 -- one branch a statement
        file = descriptor_pb2.FileDescriptorProto()
        while self.at < len(self.tokens):
            word = self.next()
            if word in {"syntax", "edition"}:
                self.expect("=")
                value = unquote(self.next())
                if value == "proto3":
                    file.syntax = "proto3"
                self.expect(";")
            elif word == "package":
                file.package = self.next()
                self.expect(";")
            elif word == "import":
                name = self.next()
                file.dependency.append(unquote(self.next() if name in {"public", "weak"} else name))
                self.expect(";")
            elif word == "message":
                self.message(file.message_type.add(), 1)
            elif word == "enum":
                self.enum(file.enum_type.add())
            elif word in {"service", "extend", "option"}:
                self.skip_statement()
            elif word != ";":
                self.fail(f"{word!r} cannot stand here", self.tokens[self.at - 1][1])
        for message in file.message_type:
            _finish(message, is_proto3=file.syntax == "proto3")
        return file

    def message(self, message: descriptor_pb2.DescriptorProto, depth: int) -> None:
        message.name = self.name()
        self.message_body(message, depth)

    def message_body(self, message: descriptor_pb2.DescriptorProto, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels")
        self.expect("{")
        while not self.take("}"):
            word = self.next()
            if word == "message" and self.is_name_then("{"):
                self.message(message.nested_type.add(), depth + 1)
            elif word == "enum" and self.is_name_then("{"):
                self.enum(message.enum_type.add())
            elif word == "oneof" and self.is_name_then("{"):
                self.oneof(message, depth)
            elif word in {"option", "extensions", "reserved", "extend"} and self.peek() != "=":
                self.skip_statement()
            elif word != ";":
                self.field(message, word, depth)

    def oneof(self, message: descriptor_pb2.DescriptorProto, depth: int) -> None:
        message.oneof_decl.add(name=self.name())
        index = len(message.oneof_decl) - 1
        self.expect("{")
        while not self.take("}"):
            word = self.next()
            if word == "option":
                self.skip_statement()
            elif word != ";":
                self.field(message, word, depth).oneof_index = index

    def field(
        self, message: descriptor_pb2.DescriptorProto, word: str, depth: int
    ) -> descriptor_pb2.FieldDescriptorProto:
        field = message.field.add(label=_LABELS.get(word, _Field.LABEL_OPTIONAL))
        if word in _LABELS:
            field.proto3_optional = word == "optional"  # settled by _finish, once all is read
            word = self.next()
        if not _NAME.match(word):
            self.at -= 1
            self.fail(f"{word!r} where the type of a field was expected")
        if word == "map" and self.peek() == "<":
            self.map_type(message, field)
        elif word == "group":
            field.type = _Field.TYPE_GROUP
        elif word in _SCALARS:
            field.type = _SCALARS[word]
        else:
            field.type_name = word
        name = self.name()
        self.expect("=")
        field.number = self.integer()
        field.name = name.lower() if field.type == _Field.TYPE_GROUP else name
        if field.type_name == "map":
            entry = message.nested_type[-1]
            entry.name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
            field.type_name = entry.name
        self.field_options(field)
        if field.type == _Field.TYPE_GROUP:
            field.type_name = name
            group = message.nested_type.add(name=name)
            self.message_body(group, depth + 1)
        else:
            self.expect(";")
        return field

    def map_type(
        self,
        message: descriptor_pb2.DescriptorProto,
        field: descriptor_pb2.FieldDescriptorProto,
    ) -> None:
        """A map is a repeated message of key and value; it is named once the field is known."""
        self.expect("<")
        entry = message.nested_type.add()
        entry.options.map_entry = True
        for number, name in enumerate(("key", "value"), 1):
            part = entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
            word = self.next()
            if word in _SCALARS:
                part.type = _SCALARS[word]
            else:
                part.type_name = word
            self.expect("," if name == "key" else ">")
        field.label = _Field.LABEL_REPEATED
        field.type_name = "map"

    def field_options(self, field: descriptor_pb2.FieldDescriptorProto) -> None:
        if not self.take("["):
            return
        depth = 1
        while depth:
            word = self.next()
            if word == "default" and depth == 1 and self.peek() == "=":
                self.next()
                field.default_value = self.default(field)
            else:
                depth += (word in {"[", "{"}) - (word in {"]", "}"})

    def default(self, field: descriptor_pb2.FieldDescriptorProto) -> str:
        if self.peek()[:1] not in {'"', "'"}:
            return self.next()
        raw = self.next()
        while self.peek()[:1] in {'"', "'"}:
            raw += self.next()
        # the descriptor of a bytes field keeps the escapes of its default
        return raw[1:-1] if field.type == _Field.TYPE_BYTES else unquote(raw)

    def enum(self, enum: descriptor_pb2.EnumDescriptorProto) -> None:
        enum.name = self.name()
        self.expect("{")
        while not self.take("}"):
            word = self.next()
            if word in {"option", "reserved"} and self.peek() != "=":
                if [token for token, _ in self.tokens[self.at : self.at + 3]] == [
                    "allow_alias",
                    "=",
                    "true",
                ]:
                    enum.options.allow_alias = True
                self.skip_statement()
            elif word != ";":
                self.expect("=")
                enum.value.add(name=word, number=self.integer())
                while not self.take(";"):
                    self.next()

    def skip_statement(self) -> None:
        """Pass over everything up to the `;` or the closing brace of a block."""
        depth = 0
        while True:
            word = self.next()
            depth += (word == "{") - (word == "}")
            if depth <= 0 and word in {";", "}"}:
                return

    def integer(self) -> int:
        word = self.next()
        try:
            number = int(word, 0) if not re.fullmatch(r"0[0-7]+", word) else int(word, 8)
        except ValueError:
            number = 2**31
        if not -(2**31) <= number < 2**31:
            self.fail(f"{word!r} is not a number that fits", self.tokens[self.at - 1][1])
        return number

    def is_name_then(self, mark: str) -> bool:
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][0] == mark

    def take(self, mark: str) -> bool:
        found = self.peek() == mark
        self.at += found
        return found

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            self.fail(f"{self.peek() or 'the end'!r} where {mark!r} was expected")

    def name(self) -> str:
        word = self.peek()
        if not _NAME.match(word) or "." in word:
            self.fail(f"{word or 'the end'!r} where a name was expected")
        return self.next()

    def next(self) -> str:
        if self.at >= len(self.tokens):
            self.fail("the file ends too early")
        self.at += 1
        return self.tokens[self.at - 1][0]

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def fail(self, message: str, offset: int | None = None) -> NoReturn:
        if offset is None:
            offset = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        line, column = Lines(self.text).position(offset)
        raise DocumentError(message, line=line, column=column)


def _finish(message: descriptor_pb2.DescriptorProto, *, is_proto3: bool) -> None:
    """In proto3 an `optional` field is the one member of a oneof that nobody wrote."""
    for field in message.field:
        if not (is_proto3 and field.proto3_optional):
            field.ClearField("proto3_optional")
        else:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    for nested in message.nested_type:
        _finish(nested, is_proto3=is_proto3)
