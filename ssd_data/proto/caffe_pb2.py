"""The message classes of ``caffe.proto``, from its compiled descriptor ``caffe.desc``.

They are built at import in a descriptor pool of their own, which works alike with every protobuf
release that ``setup.cfg`` allows (protoc's own Python output is tied to the release that wrote it)
and cannot collide with pycaffe's messages. ``caffe_pb2.pyi`` carries their types.
"""

from importlib.resources import files

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    files(__package__).joinpath("caffe.desc").read_bytes()
).file:
    _pool.AddSerializedFile(_file.SerializeToString())
    for _enum in _file.enum_type:
        globals()[_enum.name] = EnumTypeWrapper(
            _pool.FindEnumTypeByName(f"{_file.package}.{_enum.name}")
        )
        globals().update({_value.name: _value.number for _value in _enum.value})
    for _message in _file.message_type:
        globals()[_message.name] = message_factory.GetMessageClass(
            _pool.FindMessageTypeByName(f"{_file.package}.{_message.name}")
        )
