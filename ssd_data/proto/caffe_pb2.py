"""The message classes of ``caffe.proto``, from its compiled descriptor ``caffe.desc``.

They are built at import in a descriptor pool of their own, which works alike with every protobuf
release that ``setup.cfg`` allows (protoc's own Python output is tied to the release that wrote it)
and cannot collide with pycaffe's messages. ``caffe_pb2.pyi`` carries their types.
"""

from importlib.resources import files

from google.protobuf import descriptor_pb2

from ssd_data.proto.classes import classes_of

_files = descriptor_pb2.FileDescriptorSet.FromString(
    files(__package__).joinpath("caffe.desc").read_bytes()
)
globals().update(classes_of(_files.file))
