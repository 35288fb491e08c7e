"""TensorFlow's labelmaps (``.pbtxt``): ``item { id: 1 name: "dog" display_name: "Dog" }``.

The message is StringIntLabelMap of the Object Detection API (research/object_detection/protos/
string_int_label_map.proto in tensorflow/models). Ids begin at 1; id 0 is the background's. What
else an item may say (key points, LVIS's frequencies) names no class and is read over.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from ssd_data.core.classes.background import may_be_label_0
from ssd_data.core.errors import InputError

_PACKAGE = "object_detection.protos"


def parse_pbtxt(text: str, origin: str) -> list[tuple[int, str, str]]:
    """Id, name and display name of each class; the background, which need not stand there, is none.

    >>> parse_pbtxt("item { id: 1 name: '/m/01g317' display_name: 'Person' }", "map.pbtxt")
    [(1, '/m/01g317', 'Person')]

    Raises:
        InputError: an item lacks its id or name, or a class has the id 0.
        text_format.ParseError: it is no such text.
    """
    message = _messages()[0]()
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except RecursionError:
        raise InputError("not a labelmap: nested too deep", where=origin) from None
    return list(_classes(message, origin))


def _classes(message: Any, origin: str) -> Iterator[tuple[int, str, str]]:
    for index, item in enumerate(message.item):
        where, name = f"{origin}: item {index}", item.name or item.display_name
        if item.HasField("label"):
            raise InputError("an item has both id (TensorFlow's) and label (Caffe's)", where=where)
        if not item.HasField("id") or not name:
            raise InputError("an item lacks its name or id", where=where)
        if item.id != 0:
            yield item.id, name, item.display_name or name
        elif not (may_be_label_0(name) or may_be_label_0(item.display_name or name)):
            raise InputError(
                f'"{name}" has the id 0, which is the background\'s',
                where=where,
                hint="TensorFlow's ids begin at 1: give it one that is free, or add 1 to each",
            )


@cache
def _messages() -> list[Any]:
    """The classes of the message and of its items, with ``label`` beside these so that a mixture is
    met, not read over.

    Both are kept: in protobuf 4 a message whose class is gone ends the process.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="labelmap.proto", package=_PACKAGE)
    item = file.message_type.add(name="StringIntLabelMapItem")
    fields = {"name": kinds.TYPE_STRING, "id": kinds.TYPE_INT32, "display_name": kinds.TYPE_STRING}
    for number, (name, kind) in enumerate({**fields, "label": kinds.TYPE_INT32}.items(), 1):
        item.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    file.message_type.add(name="StringIntLabelMap").field.add(
        name="item",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{item.name}",
        label=kinds.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    names = (f"{_PACKAGE}.StringIntLabelMap", f"{_PACKAGE}.{item.name}")
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]
