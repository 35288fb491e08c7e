"""What is run in pycaffe's place: scripts, which are only translated here, and a fork's
``caffe.proto``."""

from __future__ import annotations

from ssd_data.engines.torch.alias import run_script
from ssd_data.engines.torch.python2 import compile_script
from support.fuzz.cases import case
from support.fuzz.target import Case, Target

OLD = """import os, sys
from caffe import layers as L
from caffe.model_libs import *
def AddExtraLayers(net, use_batchnorm=True, lr_mult=1):
    for i in xrange(6, 9):
        net["c%d" % i] = L.Convolution(net.data, num_output=256 / 2, kernel_size=3)
    return {key: value for key, value in net.tops.iteritems() if net.has_key(key)}
assert len > 0
half /= 2
try:
    raise ValueError, "no"
except ValueError, e:
    print >> sys.stderr, "it", e
print "%d pictures" % len(map(str, range(3))),
"""
NEW = '''"""New."""
import caffe
async def f(*a, b: int = 3, **c) -> dict[str, int]:
    async with a as x, b: yield [i async for i in x if (y := i / 2)]
match f"{1!r:>{3}}":
    case {"a": [1, *_]} | None: pass
'''
PROTO = """syntax = "proto2";
package caffe;
// A fork's.
message BlobShape { repeated int64 dim = 1 [packed = true]; }
message FillerParameter {
  optional string type = 1 [default = 'constant'];
  optional float value = 2 [default = 0.5];
  enum VarianceNorm { FAN_IN = 0; FAN_OUT = 1; }
  optional VarianceNorm variance_norm = 8 [default = FAN_IN];
}
enum Phase { TRAIN = 0; TEST = 1; }
message LayerParameter {
  optional string name = 1; optional string type = 2;
  repeated string bottom = 3; repeated string top = 4;
  optional Phase phase = 10; optional FillerParameter own_param = 147;
  reserved 5, 7 to 9; extensions 200 to max;
  optional int32 a = 20 [default = -1]; optional bytes b = 21 [default = "\\001"];
}
message NetParameter { optional string name = 1; repeated LayerParameter layer = 100; }
"""
SCRIPT = "from caffe.proto import caffe_pb2\n"


def scripts() -> list[Case]:
    texts = (OLD, NEW, "print(1 / 2)\n")
    return [case({"a.py": text}) for text in texts]


def protos() -> list[Case]:
    return [case({"caffe.proto": PROTO, "a.py": SCRIPT})]


TARGETS = [
    Target(
        "script",
        scripts,
        lambda folder: compile_script(folder / "a.py"),
        ("engines.torch.python2", "engines.torch.oldsyntax"),
        kinds={"*.py": "text"},
    ),
    Target(
        "caffe.proto",
        protos,
        lambda folder: run_script(folder / "a.py", proto=folder / "caffe.proto"),
        ("engines.torch.alias", "proto.source"),
        kept=("a.py",),
        kinds={"*.proto": "text"},
    ),
]
