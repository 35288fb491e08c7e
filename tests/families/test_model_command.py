"""``ssd-data model``: four files, fitted to a build, and clear errors."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.commands import run

from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.core.registry import FAMILIES
from ssd_data.nets.graph import read_graph
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2

FILES = ["train.prototxt", "test.prototxt", "deploy.prototxt", "solver.prototxt"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of a drawn sample: 3 classes and the background, 13 test pictures."""
    folder = tmp_path_factory.mktemp("data")
    run(
        "sample",
        folder / "shapes",
        "--layout",
        "voc",
        "--train",
        12,
        "--test",
        13,
        "--size",
        64,
        "-q",
    )
    run("build", folder / "shapes" / "voc", "-o", folder / "SHAPES", "-q")
    return folder / "SHAPES"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_json(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, dict[str, Any]]:
    status = run(*args, "--json")
    return status, json.loads(capsys.readouterr().out)


def names(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def solver(path: str) -> caffe_pb2.SolverParameter:
    return read_prototxt(path, caffe_pb2.SolverParameter).message


def test_four_files_that_name_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("model", "mobilenet_ssd", "--num-classes", 21, "-o", "nets/ssd") == 0
    shown = capsys.readouterr().out
    assert sorted(names("nets/ssd")) == sorted(FILES)
    made = solver("nets/ssd/solver.prototxt")
    assert made.train_net == "nets/ssd/train.prototxt"
    assert list(made.test_net) == ["nets/ssd/test.prototxt"]
    assert made.snapshot_prefix == "nets/ssd/mobilenet_ssd"
    assert list(made.test_iter) == [673]
    assert "673 x batch 8" in shown
    assert "BatchNorm" in shown
    read_graph(made.train_net, "TRAIN")
    read_graph(made.test_net[0], "TEST")
    read_graph("nets/ssd/deploy.prototxt", "TEST")


def test_a_build_gives_classes_and_test_batches(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, table = run_json(
        capsys, "model", "sfd_mobilenetv2", "--build", build, "-o", "sfd", "--variant", "mod2-320"
    )
    assert status == 0
    assert table["settings"]["num_classes"] == 4
    assert table["test_iter"] == [4]  # 13 pictures, 4 a batch
    assert any("3 pictures are tested twice" in note for note in table["notes"])
    assert list(solver("sfd/solver.prototxt").test_iter) == [4]
    loss = read_graph("sfd/train.prototxt", "TRAIN").nodes[-1].param.multibox_loss_param
    assert loss.num_classes == 4


def test_a_test_batch_larger_than_the_set_says_which_fits(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("model", "tiny_ssd", "--build", build, "-o", "m", "--test-batch-size")
    _, table = run_json(capsys, *options, 40)
    assert "test_iter 1 x batch 40 covers 13 test pictures" in table["notes"]
    again = "the last test batch starts over: 27 pictures are tested again"
    assert f"{again} (--test-batch-size 13: each once)" in table["notes"]


def test_nets_that_evaluate_in_pixels_get_the_sizes(build: Path) -> None:
    assert run("model", "vgg_ssd", "--build", build, "-o", "m", "-q") == 0
    evaluate = read_graph("m/test.prototxt").nodes[-1].param.detection_evaluate_param
    assert Path(evaluate.name_size_file).read_text().count("\n") == 13


def test_full_batches_are_not_noted(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, table = run_json(
        capsys, "model", "mobilenet_ssd", "--build", build, "-o", "m", "--test-batch-size", 13
    )
    assert table["test_iter"] == [1]
    assert not any("twice" in note for note in table["notes"])


def test_a_build_without_a_test_split(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((build / "build.json").read_text())
    del manifest["splits"]["test"]
    Path("half").mkdir()
    Path("half/build.json").write_text(json.dumps(manifest))
    _, table = run_json(capsys, "model", "mobilenet_ssd", "--build", "half", "-o", "m")
    assert table["test_iter"] == [673]
    assert any("test_lmdb" in note for note in table["notes"])


def test_a_labelmap_gives_the_classes_and_is_named() -> None:
    write_labelmap(LabelMap.from_names(["cat", "dog"]), Path("pets.prototxt"), redo=False)
    assert run("model", "mobilenet_ssd", "--labelmap", "pets.prototxt", "-o", "m", "-q") == 0
    for stage, phase in (("train", "TRAIN"), ("test", "TEST")):
        data = read_graph(f"m/{stage}.prototxt", phase).nodes[0].param
        assert data.annotated_data_param.label_map_file == "pets.prototxt"
    output = read_graph("m/deploy.prototxt").nodes[-1].param.detection_output_param
    assert output.num_classes == 3


def test_options_reach_the_nets(capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "--size 320x256 --width-multiplier 0.5 --batch-size 3 --test-batch-size 2 --iter-size 7 "
        "--min-sizes 20,40,60,80,100,120 --relu6 --from-scratch --new-heads --unmerged --no-expand"
    )
    args = ("model", "mobilenet_ssd", "--num-classes", 5, "-o", "m", *options.split())
    status, table = run_json(capsys, *args)
    assert status == 0
    assert table["settings"] == {
        "variant": "v1", "num_classes": 5, "size": [320, 256], "batch_size": 3,
        "test_batch_size": 2, "iter_size": 7, "width_multiplier": 0.5, "relu6": True,
        "expand": False,
        "min_sizes": [20, 40, 60, 80, 100, 120], "max_sizes": [], "aspect_ratios": [],
        "from_scratch": True, "new_heads": True, "tf_padding": False, "scores": "softmax",
        "merged": False,
    }  # fmt: skip
    assert table["preprocessing"] == {"mean": [127.5] * 3, "scale": 0.007843}
    assert solver("m/solver.prototxt").iter_size == 7
    layers = {node.name for node in read_graph("m/deploy.prototxt").nodes}
    assert {"conv0/bn", "conv11_mbox_conf_new"} <= layers


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("model", "--list") == 0
    shown = capsys.readouterr().out
    _, table = run_json(capsys, "model", "--list")
    assert sorted(table["families"]) == FAMILIES.names()
    for name, family in table["families"].items():
        for variant in family["variants"]:
            assert any({name, variant} <= set(line.split()) for line in shown.splitlines())


def test_files_are_kept_unless_redone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("m").mkdir()
    Path("m/deploy.prototxt").write_text("mine")
    args = ("model", "mobilenet_ssd", "--num-classes", 5, "-o", "m", "-q")
    assert run(*args) == 1
    assert "--redo" in capsys.readouterr().err
    assert names("m") == ["deploy.prototxt"]
    assert Path("m/deploy.prototxt").read_text() == "mine"
    assert run(*args, "--redo") == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(names("m")) == sorted(FILES)


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        ("model", 2, "--list"),
        ("model mobilenet_ssd -o m", 2, "--num-classes, --labelmap and --build"),
        ("model mobilenet_ssd -o m --num-classes 2 --labelmap x", 2, "one of"),
        ("model mobilnet_ssd -o m --num-classes 2", 2, "Did you mean mobilenet_ssd"),
        ("model mobilenet_ssd -o m --num-classes 1", 2, "background"),
        ("model mobilenet_ssd -o m --num-classes 9 --tf-padding", 2, "mobilenet_ssd"),
        ("model mobilenet_ssd -o m --num-classes 9 --size wide", 2, "neither N nor WxH"),
        ("model mobilenet_ssd -o m --num-classes 9 --min-sizes 1,x", 2, "1,x"),
        ("model mobilenet_ssd -o m --num-classes 9 --min-sizes 1,2", 2, "feature maps have 6"),
        ("model mobilenet_ssd -o m --build nowhere", 1, "build.json"),
        ("model mobilenet_ssd -o m --labelmap nowhere", 1, "missing"),
        ("model sfd_mobilenetv2 -o m --num-classes 2 --variant mod9", 2, "mod2-320"),
    ],
)
def test_errors(args: str, status: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*args.split()) == status
    assert says in capsys.readouterr().err
    assert not Path("m").exists()
    run(*args.split(), "--json")
    assert says in json.dumps(json.loads(capsys.readouterr().out), ensure_ascii=False)


def test_a_file_as_folder_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("m").write_text("")
    assert run("model", "mobilenet_ssd", "--num-classes", 2, "-o", "m") == 1
    assert "cannot write" in capsys.readouterr().err


def test_the_commands_of_the_page(build: Path) -> None:
    page = (ROOT / "docs" / "families.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    Path("VOC0712").symlink_to(build)
    for line in block.splitlines():
        program, *args = shlex.split(line, comments=True)
        assert program == "ssd-data"
        assert run(*args) == 0, line


def test_the_page_tells_of_every_variant() -> None:
    page = (ROOT / "docs" / "families.md").read_text("utf-8")
    for name in FAMILIES.names():
        for variant in FAMILIES.load(name).VARIANTS:
            assert f"| `{variant}` |" in page, (name, variant)
