"""Message classes from descriptors, in a pool of their own: they collide with no other's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper


def classes_of(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> dict[str, Any]:
    """What protoc's Python output for these files would define, by name: the classes of messages,
    enumerations and their values."""
    found: dict[str, Any] = {}
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
        for enum in file.enum_type:
            kind = pool.FindEnumTypeByName(f"{file.package}.{enum.name}")
            found[enum.name] = EnumTypeWrapper(kind)
            found |= {value.name: value.number for value in enum.value}
        for message in file.message_type:
            found[message.name] = message_factory.GetMessageClass(
                pool.FindMessageTypeByName(f"{file.package}.{message.name}")
            )
    return found
