"""Schemas out of protobuf's own descriptors; the only module here that imports protobuf."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError

from hpo_nni.documents.proto_files import read_proto
from hpo_nni.documents.schema import FieldType, MessageType
from hpo_nni.errors import DocumentError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from google.protobuf.descriptor import Descriptor

_TYPES = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_SINT32: "int32",
    FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_SINT64: "int64",
    FieldDescriptor.TYPE_SFIXED64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_FIXED32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FIXED64: "uint64",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
    FieldDescriptor.TYPE_GROUP: "message",
}


def load_messages(where: str, base: Path) -> dict[str, MessageType]:
    """All messages of a `.proto` file or directory, a descriptor set or a module, by full name.

    Raises:
        SettingsError: it cannot be found or read; each `.proto` file's fault with its line.
    """
    path = base / where
    if path.is_dir() or path.suffix == ".proto":
        files = proto_descriptors(path)
    elif path.is_file():
        files = _descriptor_set(path)
    else:
        files = list(_module_files(where))
    messages: dict[str, MessageType] = {}
    for file in files:
        for descriptor in file.message_types_by_name.values():
            _collect(descriptor, messages)
    if not messages:
        raise SettingsError([Problem(where, "holds no message")])
    return messages


def outermost(messages: Mapping[str, MessageType]) -> list[str]:
    """The messages that no other message of the same schema holds."""
    own = list(messages.values())  # looking at fields may add the messages of imported files
    held = {
        field.message.name
        for message in own
        for field in message.fields.values()
        if field.message is not None and field.message.name != message.name
    }
    depth = min(message.name.count(".") for message in own)  # nested types are no whole config
    names = [message.name for message in own]
    return [name for name in names if name not in held and name.count(".") == depth]


def proto_descriptors(path: Path) -> list[FileDescriptor]:
    """Read `.proto` files, without a compiler, into descriptors of a pool of their own."""
    folder = path if path.is_dir() else path.parent
    wanted = sorted(folder.rglob("*.proto")) if path.is_dir() else [path]
    if not wanted:
        raise SettingsError([Problem(str(path), "holds no .proto file")])
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    names = [_add_file(file, folder, files) for file in wanted]
    return _build(files, names)


def _add_file(
    path: Path, folder: Path, files: dict[str, descriptor_pb2.FileDescriptorProto], name: str = ""
) -> str:
    """Read a file and what it imports; return the name by which others import it."""
    name = name or path.relative_to(folder).as_posix()
    if name in files:
        return name
    try:
        proto = read_proto(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(str(path), f"cannot be read: {error}")]) from error
    except DocumentError as error:
        raise SettingsError([Problem(f"{path}:{error.line}", error.message)]) from error
    proto.name = name
    files[name] = proto
    for position, imported in enumerate(proto.dependency):
        target = _find_import(imported, path, folder)
        if target is not None:
            proto.dependency[position] = _add_file(target[0], folder, files, target[1])
    return name


def _find_import(imported: str, path: Path, folder: Path) -> tuple[Path, str] | None:
    """Where an imported file lies: under the directory, beside the importer, or above both."""
    for root in (folder, path.parent, *path.resolve().parents):
        candidate = root / imported
        if candidate.is_file():
            real = candidate.resolve()
            inside = folder.resolve()
            name = real.relative_to(inside).as_posix() if real.is_relative_to(inside) else imported
            return candidate, name
    if imported.startswith("google/protobuf/"):
        return None
    raise SettingsError([Problem(str(path), f"imports {imported!r}, which is not there")])


def _build(
    files: Mapping[str, descriptor_pb2.FileDescriptorProto], names: Iterable[str]
) -> list[FileDescriptor]:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        proto = files.get(name)
        if proto is None:
            proto = descriptor_pb2.FileDescriptorProto()
            try:
                importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
                descriptor_pool.Default().FindFileByName(name).CopyToProto(proto)
            except (ImportError, KeyError) as error:
                raise SettingsError([Problem(name, "is imported and not there")]) from error
        for dependency in proto.dependency:
            add(dependency)
        try:
            pool.AddSerializedFile(proto.SerializeToString())
        except (TypeError, ValueError) as error:
            raise SettingsError([Problem(name, f"is not a valid schema: {error}")]) from error

    for name in names:
        add(name)
    return [pool.FindFileByName(name) for name in names]


def _descriptor_set(path: Path) -> list[FileDescriptor]:
    found = descriptor_pb2.FileDescriptorSet()
    try:
        found.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        problem = Problem(str(path), "is neither a .proto file nor a descriptor set")
        raise SettingsError([problem]) from error
    files = {file.name: file for file in found.file}
    return _build(files, list(files))


def _module_files(where: str) -> Iterator[FileDescriptor]:
    """The descriptors of a generated module, or of all generated modules of a package."""
    try:
        with _working_directory_importable():
            module = importlib.import_module(where)
            modules = [module, *_submodules(module)]
    except ImportError as error:
        raise SettingsError(
            [
                Problem(
                    where,
                    f"is no file and cannot be imported: {error}",
                    "give a .proto file, a directory of them, a descriptor set or a package",
                )
            ]
        ) from error
    for found in modules:
        descriptor = getattr(found, "DESCRIPTOR", None)
        if isinstance(descriptor, FileDescriptor):
            yield descriptor


def _submodules(module: ModuleType) -> Iterator[ModuleType]:
    pkgutil = importlib.import_module("pkgutil")
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}."):
        if info.name.endswith("_pb2"):
            yield importlib.import_module(info.name)


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    sys.path.append("")
    try:
        yield
    finally:
        sys.path.remove("")


def _collect(descriptor: Descriptor, messages: dict[str, MessageType]) -> None:
    if descriptor.full_name in messages:
        return
    _message(descriptor, messages)
    for nested in descriptor.nested_types:
        _collect(nested, messages)


def _message(descriptor: Descriptor, messages: dict[str, MessageType]) -> MessageType:
    known = messages.get(descriptor.full_name)
    if known is None:
        known = MessageType(
            descriptor.full_name, lambda: _fields(descriptor, messages), is_complete=True
        )
        messages[descriptor.full_name] = known
    return known


def _fields(descriptor: Descriptor, messages: dict[str, MessageType]) -> dict[str, FieldType]:
    return {_text_name(field): _field(field, messages) for field in descriptor.fields}


def _text_name(field: FieldDescriptor) -> str:
    """The name in text format: groups go by the name of their type."""
    is_group = field.type == FieldDescriptor.TYPE_GROUP and field.message_type is not None
    return str(field.message_type.name if is_group else field.name)  # type: ignore[union-attr]


def _field(field: FieldDescriptor, messages: dict[str, MessageType]) -> FieldType:
    oneof = field.containing_oneof
    enum = field.enum_type
    default = field.default_value
    is_repeated = _is_repeated(field)
    if enum is not None and not is_repeated:
        default = enum.values_by_number[default].name
    return FieldType(
        _text_name(field),
        _TYPES[field.type],
        repeated=is_repeated,
        default=None if is_repeated or field.message_type is not None else default,
        oneof="" if oneof is None or len(oneof.fields) == 1 else oneof.name,
        message=_message(field.message_type, messages) if field.message_type else None,
        numbers={value.name: value.number for value in enum.values} if enum else None,
    )


def _is_repeated(field: FieldDescriptor) -> bool:
    """Releases of protobuf before 6.31 say it by the label, which later ones deprecate."""
    known = getattr(field, "is_repeated", None)
    if known is None:
        known = field.label == FieldDescriptor.LABEL_REPEATED  # type: ignore[attr-defined]
    return bool(known)
