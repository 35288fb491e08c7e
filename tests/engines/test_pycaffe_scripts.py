"""``ssd-data pycaffe``: scripts that were written for pycaffe, also those of Python 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.commands import Result
from support.nets import write_detector

import ssd_data
from ssd_data.cli import main
from ssd_data.engines.torch.oldsyntax import to_python3
from ssd_data.engines.torch.python2 import compile_script, run
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2

NONE = {"model_libs": None, "proto": None}
Run = Callable[..., Result]

GENERATOR = """
from __future__ import print_function
import caffe
from caffe.model_libs import *
from google.protobuf import text_format
import math, os, sys

sizes = []
for ratio in xrange(20, 91, int(math.floor((90 - 20) / 2))):
    sizes.append(300 * ratio / 100.)
test_iter = 7 / 2
net = caffe.NetSpec()
net.data, net.label = CreateAnnotatedDataLayer(sys.argv[1], batch_size=2, train=True)
ConvBNLayer(net, 'data', 'conv1', True, True, 8, 3, 1, 2)
head = CreateMultiBoxHead(net, from_layers=['conv1'], num_classes=2, min_sizes=[sizes])
net.loss = L.MultiBoxLoss(*head, multibox_loss_param={'num_classes': 2},
                          include=dict(phase=caffe_pb2.Phase.Value('TRAIN')))
make_if_not_exist('made')
with open('made/train.prototxt', 'w') as f:
    print('name: "made"', file=f)
    print(net.to_proto(), file=f)
with open('made/solver.prototxt', 'w') as f:
    print(caffe_pb2.SolverParameter(test_iter=[test_iter], solver_mode=P.Solver.CPU), file=f)
print(__name__, os.path.basename(__file__), sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "caffe"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text))
    return file


def test_a_generator_of_python_2_writes_its_nets(run: Run) -> None:
    write("scripts/ssd_small.py", GENERATOR)
    done = run("pycaffe", "scripts/ssd_small.py", "--lmdb")
    assert (done.status, done.out) == (0, "__main__ ssd_small.py ['--lmdb']\n"), done.err
    net = read_prototxt("made/train.prototxt", caffe_pb2.NetParameter).message
    assert net.layer[0].data_param.source == "--lmdb"
    assert [layer.name for layer in net.layer[1:5]] == [
        "conv1",
        "conv1_bn",
        "conv1_scale",
        "conv1_relu",
    ]
    (prior,) = (layer for layer in net.layer if layer.type == "PriorBox")
    assert list(prior.prior_box_param.min_size) == [60, 165, 270]
    solver = read_prototxt("made/solver.prototxt", caffe_pb2.SolverParameter).message
    assert list(solver.test_iter) == [3]  # as Python 2 divides
    assert "caffe" not in sys.modules  # all is as it was before
    assert sys.modules["__main__"].__name__ != "caffe"


LIBS = """
from caffe import layers as L

def Body(net, start):
    assert len > 0
    net.only = L.Power(net[start], scale=3 / 2)
"""
USES = """
from caffe.model_libs import *
import caffe
net = caffe.NetSpec()
net.data = L.Input()
Body(net, 'data')
print(net.to_proto().layer[1].power_param.scale)
"""


@pytest.mark.parametrize(
    "place", ["python/caffe/model_libs.py", "examples/ssd/model_libs.py", "x.py"]
)
def test_a_fork_brings_its_own_model_libs(place: str, run: Run) -> None:
    write("examples/ssd/ssd_fork.py", USES)
    write(place, LIBS)
    option = ["--model-libs", place] if place == "x.py" else []
    done = run("pycaffe", *option, "examples/ssd/ssd_fork.py")
    assert (done.status, done.out) == (0, "1.0\n"), done.err
    assert "caffe.model_libs: " in done.err
    assert place in done.err


def test_no_file_is_run_that_anybody_may_have_put_there(folder: Path, run: Run) -> None:
    write("python/caffe/model_libs.py", "print('run')\n")
    write("own/x.py", "from caffe.model_libs import *\nprint(VGGNetBody.__name__)\n")
    folder.chmod(0o777)
    done = run("pycaffe", "own/x.py")
    assert (done.out, done.err) == ("VGGNetBody\n", "")
    write("own/x.py", "print('on')\n")
    folder.chmod(0o755)
    assert run("pycaffe", "own/x.py").out == "run\non\n"


FIELD = """
import caffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
net = caffe.NetSpec()
net.data = L.Input()
net.out = L.DetectionOutput(net.data, objectness_score=0.01, mode=P.DetectionOutput.SOFT)
net.own = L.Theirs(net.out, size=3)
print(net.to_proto().layer[1].detection_output_param.objectness_score)
print(type(net.to_proto()) is caffe_pb2.NetParameter, net.to_proto().layer[2].theirs_param.size)
"""


@pytest.mark.parametrize("place", ["src/caffe/proto/caffe.proto", "their.proto"])
def test_a_forks_own_fields_are_those_of_its_proto(place: str, run: Run) -> None:
    text = (ROOT / "ssd_data" / "proto" / "caffe.proto").read_text()
    text = text.replace("package ssd_data;", "package caffe;")
    text = text.replace(
        "message LayerParameter {",
        "message LayerParameter {\n  optional TheirsParameter theirs_param = 999;",
    )
    text = text.replace(
        "message DetectionOutputParameter {",
        """message TheirsParameter { optional int32 size = 1; }
message DetectionOutputParameter {
  enum Mode { HARD = 0; SOFT = 1; }
  optional Mode mode = 98;
  optional float objectness_score = 99 [default = 0.01];""",
    )
    write(place, text)
    write("examples/x.py", FIELD)
    option = ["--proto", place] if place == "their.proto" else []
    done = run("pycaffe", *option, "examples/x.py")
    assert done.status == 0, done.err
    assert done.out == "0.009999999776482582\nTrue 3\n"
    assert f"{place}\n" in done.err
    Path(place).unlink()
    write("y.py", "from caffe import layers as L\nL.PReLU(L.Input(), theirs=1).to_proto()\n")
    assert "PReLUParameter has no field" in run("pycaffe", "y.py").err  # ours again
    write(place, "message A { what }")
    done = run("pycaffe", *option, "examples/x.py")
    assert done.status == 1
    assert "no caffe.proto that can be read: line 1" in done.err


def test_modules_beside_a_script_are_imported_alike(run: Run) -> None:
    write("s/helper.py", "half = lambda n: n / 2\nkeys = lambda d: list(d.iterkeys())\n")
    write("s/main.py", "import helper\nprint(helper.half(7), helper.keys({'a': 1}))\n")
    assert run("pycaffe", "s/main.py").out == "3 ['a']\n"


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("print(7 / 2)", "3.5"),  # nothing says Python 2
        ("x = xrange(3)\nprint(7 / 2, 7. / 2, list(x))", "3 3.5 [0, 1, 2]"),
        ("from __future__ import division\nx = xrange(3)\nprint(7 / 2)", "3.5"),
        ("n = 7\nn /= 2\nprint(n, unicode('a'))", "3 a"),
        ("print({1: 2}.has_key(1), sorted({1: 2}.iteritems()), -7 / 2)", "True [(1, 2)] -4"),
        ("import numpy as np\nx = xrange(1)\nprint((np.ones(2) / 2).tolist())", "[0.5, 0.5]"),
        ("assert len > 0\nprint('on')", "on"),
    ],
)
def test_what_python_2_means(text: str, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_code = compile_script(write("s.py", text + "\n"))
    run(run_code, {})
    assert capsys.readouterr().out == out + "\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import caffe\nprint `a`\n", ["bad.py:2: this is no Python 3", "2to3 -w -n bad.py"]),
        ("import caffe\n\nL = caffe.layers\nL.ReLU(L.Input(), slop=1).to_proto()\n",
         ["error: bad.py:4", "ReLUParameter has no field", "slop"]),
        ("import caffe\ncaffe.Net('none.prototxt', caffe.TEST)\n", ["bad.py:2", "none.prototxt"]),
        ("def f():\n    return 1 % 0\nf()\n", ['File "bad.py", line 3', "ZeroDivisionError"]),
        ("a = '\\0'\n\0", ["bad.py"]),
        ("import caffe\nreturn\n", ["error: bad.py:2: this is no Python 3: 'return' outside"]),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_with_the_line(
    text: str, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("bad.py").write_text(text)
    with pytest.raises(SystemExit) as end:
        main(["pycaffe", "bad.py"])
    err = capfd.readouterr().err
    assert all(word in err for word in words), err
    assert end.value.code not in (0, None)
    assert "alias.py" not in err


def test_in_json_and_quietly(run: Run) -> None:
    write("say.py", "import sys\nprint('said', sys.argv[1:])\n")
    done = run("pycaffe", "--json", "say.py", "-q")
    assert done.json == {"script": "say.py", "arguments": ["-q"], **NONE}
    assert "said ['-q']" in done.err
    done = run("pycaffe", "-q", "say.py", "--json")
    assert (done.out, done.err) == ("", "")


def test_a_script_may_end_by_itself() -> None:
    write("end.py", "import sys\nsys.exit('not today')\n")
    with pytest.raises(SystemExit, match="not today"):
        main(["pycaffe", "end.py"])


def test_a_script_that_is_missing(run: Run) -> None:
    done = run("pycaffe", "none.py")
    assert done.status == 1
    assert "none.py: the Python script is missing" in done.err


# ---- merging by hand, as public scripts do ----

MERGE = """
import caffe, sys
import numpy as np

whole = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
bare = caffe.Net(sys.argv[3], caffe.TEST)
for name in whole.params.iterkeys():
    if type(whole.params[name]) is not caffe._caffe.BlobVec:
        continue
    if not bare.params.has_key(name):
        continue
    own = whole.params[name]
    if name != 'conv1':
        for i, blob in enumerate(own):
            bare.params[name][i].data[...] = blob.data
        continue
    mean, variance, factor = (blob.data for blob in whole.params['bn1'])
    scale, shift = (blob.data for blob in whole.params['scale1'])
    factor = 1. / factor if factor != 0 else 0
    rest = scale / np.sqrt(variance * factor + 1e-5)
    bare.params[name][0].data[...] = own[0].data * rest.reshape(-1, 1, 1, 1)
    bare.params[name][1].data[...] = shift - mean * factor * rest
bare.save('bare.caffemodel')
print(bare.bottom_names['conv2'], bare.top_names['data'], list(bare._layer_names)[:2])
print(bare.layer_dict['conv2'].type, len(bare.layer_dict['conv2'].blobs))
"""


def test_a_merge_by_hand_is_ours(run: Run) -> None:
    deploy, weights = write_detector(Path())
    write("merge.py", MERGE)
    assert run("merge-bn", deploy, weights, "-o", "merged").status == 0
    done = run("pycaffe", "merge.py", deploy, weights, "merged/deploy.prototxt")
    assert done.status == 0, done.err
    assert done.out == "['conv1'] ['data'] ['data', 'conv1']\nConvolution 2\n"
    (merged,) = Path("merged").glob("*.caffemodel")
    found = {layer.name: layer.arrays for layer in read_caffemodel("bare.caffemodel").layers}
    for layer in read_caffemodel(merged).layers:
        for mine, theirs in zip(found[layer.name], layer.arrays, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_as_caffe_from_a_program_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("caffe", "caffe.proto", "caffe.proto.caffe_pb2", "caffe.io", "caffe.model_libs",
                 "caffe._caffe", "caffe.pycaffe", "caffe.net_spec"):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, None)  # and as it was at the end
    assert ssd_data.as_caffe() is ssd_data
    names: dict[str, object] = {}
    exec(
        "import caffe\nfrom caffe import io, layers as L\nfrom caffe.proto import caffe_pb2", names
    )
    assert names["caffe"] is ssd_data
    assert names["caffe_pb2"] is caffe_pb2


def test_a_script_that_wants_a_gpu_runs_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    deploy, weights = write_detector(Path())
    lines = ["import caffe", "caffe.set_device(0)", "caffe.set_mode_gpu()"]
    lines += [f"net = caffe.Net('{deploy}', '{weights}', caffe.TEST)"] * 2
    write("gpu.py", "\n".join([*lines, "caffe.set_mode_cpu()", "print(list(net.forward()))"]))
    done = run("pycaffe", "gpu.py")
    assert done.out == "['detection_out']\n"
    assert done.err.count("there is none: its nets run on the CPU") == 1


def test_names_that_scripts_use_besides() -> None:
    deploy, _ = write_detector(Path())
    assert ssd_data.SGDSolver is ssd_data.AdamSolver is ssd_data.Solver  # type: ignore[attr-defined]
    values = []
    for _ in range(2):
        ssd_data.set_random_seed(3)
        values.append(ssd_data.Net(deploy, ssd_data.TEST).params["conv1"][0].data.copy())
    np.testing.assert_array_equal(*values)


# ---- statements of Python 2 ----


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print 'a', 1\n", "print( 'a', 1)\n"),
        ("print\n", "print()\n"),
        ("print 'a',\n", "print( 'a', end=\" \")\n"),
        ("print >>f, 'a' % (1,)\n", "print(  'a' % (1,), file=f)\n"),
        ("print >>f\n", "print( file=f)\n"),
        ("print ('a'), b\n", "print( ('a'), b)\n"),
        ("print('a')\n", "print('a')\n"),
        ("print = 3\n", "print = 3\n"),
        ("if x: print 'a'; print 'b'  # c\n", "if x: print( 'a'); print( 'b')  # c\n"),
        ("print 'a' % (\n  b,\n  c)\n", "print( 'a' % (\n  b,\n  c))\n"),
        ("x = {1: lambda: 2}\nprint x\n", "x = {1: lambda: 2}\nprint( x)\n"),
        ("f = lambda a: a\n", "f = lambda a: a\n"),
        ("try:\n  a\nexcept IOError, e:\n  b\n", "try:\n  a\nexcept IOError as e:\n  b\n"),
        ("try:\n  a\nexcept (A, B), e: b\n", "try:\n  a\nexcept (A, B) as e: b\n"),
        ("raise ValueError, 'a'\n", "raise ValueError( 'a')\n"),
        ("if a:\n        b\n\tc\n", "if a:\n        b\n        c\n"),
        ("s = 'print 1'\n", "s = 'print 1'\n"),
        ("'not ended\n", "'not ended\n"),
        ("", ""),
    ],
)
def test_statements_of_python_2(old: str, new: str) -> None:
    assert to_python3(old) == new


@given(st.text(alphabet="print except raise, :;>'\"()\n\tabc#\\", max_size=60))
def test_any_text_is_translated_or_left(text: str) -> None:
    to_python3(text)


def test_lists_where_python_3_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    code = """
      done = []
      map(done.append, [1, 2])
      print done, {1: 2}.keys()[0], zip('ab', 'cd')[1], range(2) + [5], filter(None, [0, 3])
      print sorted({1: 2}.items()), [k for k in {3: 4}.keys()]
    """
    run_it = compile_script(write("s.py", dedent(code)))
    run(run_it, {})
    out = capsys.readouterr().out
    assert out == "[1, 2] 1 ('b', 'd') [0, 1, 5] [3]\n[(1, 2)] [3]\n"


def test_a_blob_that_is_put_into_another_net_is_its_own(tmp_path: Path) -> None:
    """As public merge scripts take a net's arrays over: ``layers[i].blobs[0] = layer.blobs[0]``."""
    deploy, weights = write_detector(tmp_path)
    whole = ssd_data.Net(deploy, weights, ssd_data.TEST)
    bare = ssd_data.Net(deploy, ssd_data.TEST)
    for own, theirs in zip(bare.layers, whole.layers, strict=True):
        for i, blob in enumerate(theirs.blobs):
            own.blobs[i] = blob
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    wanted, found = (net.forward(data=picture)["detection_out"] for net in (whole, bare))
    np.testing.assert_array_equal(found, wanted)
    assert found.shape[2] > 5
    bare.save(tmp_path / "bare.caffemodel")
    for layer in read_caffemodel(weights).layers:
        for mine, theirs in zip(read_caffemodel(tmp_path / "bare.caffemodel")[layer.name],
                                layer.arrays, strict=True):  # fmt: skip
            np.testing.assert_array_equal(mine, theirs)
    bare.params["conv1"][0].data[...] = 7  # one blob, two nets
    assert (whole.params["conv1"][0].data == 7).all()
    assert len(bare.params["conv2"]) == len(bare.params["conv2"][:]) == 2


def test_values_that_are_put_in_the_place_of_a_blob_are_refused(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    net = ssd_data.Net(deploy, weights, ssd_data.TEST)
    with pytest.raises(TypeError, match=r"written into blob\.data"):
        net.params["conv1"][0] = np.zeros((8, 3, 3, 3), np.float32)  # type: ignore[call-overload]
