"""The engines give the same answers; what they refuse, they refuse with a sentence."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from support.detections import differences
from support.foreign import BUILT_FOR_OTHERS
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.legible import legible
from ssd_data.core.registry import ENGINES
from ssd_data.engines import load_engine
from ssd_data.engines.opencv import OpenCV
from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.compiled import AT_ONCE, _join
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.nms import overlap, suppress
from ssd_data.proto import caffe_pb2


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


def pictures(count: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (count, 3, side, side)).astype(np.float32)


def test_the_compiled_copy_computes_what_net_does(detector: tuple[Path, Path]) -> None:
    net = Net(*detector, "TEST")
    batch = pictures(3)
    net.blobs["data"].reshape(*batch.shape)
    theirs = net.forward(data=batch)["detection_out"][0, 0]
    ours = load_engine("torch", *detector).forward(batch)["detection_out"][0, 0]
    assert len(theirs) > 60
    assert not differences(ours, theirs, keep=50, threshold=0.45)


@pytest.mark.parametrize("side", [64, 96])
def test_opencv_agrees(detector: tuple[Path, Path], side: int) -> None:
    for batch in (pictures(1, side), pictures(1, side) * 2):
        sides = [load_engine(name, *detector).detect(batch)[0] for name in ("torch", "opencv")]
        rows = [np.column_stack([f.labels * 0, f.labels, f.scores, f.boxes]) for f in sides]
        assert len(rows[0]) > 20
        assert not differences(*rows, keep=50, threshold=0.45)


def test_opencv_reads_files_of_any_name_and_says_which_is_gone(
    detector: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of a file that cannot be read OpenCV itself says "fs.is_open()", or nothing."""
    folder = tmp_path / "a\udcff"
    folder.mkdir()
    deploy, weights = (Path(shutil.copy(file, folder)) for file in detector)
    sides = [load_engine("opencv", *files) for files in (detector, (deploy, weights))]
    rows = [side.forward(pictures(1))["detection_out"] for side in sides]
    np.testing.assert_array_equal(*rows)
    for gone in (weights, deploy):
        gone.unlink()
        with pytest.raises(InputError, match="missing") as caught:
            OpenCV(sides[0].graph, deploy, weights)
        assert caught.value.where == legible(gone)


def test_a_batch_gives_what_single_pictures_give(detector: tuple[Path, Path]) -> None:
    engine = load_engine("torch", *detector)
    batch = pictures(4)
    together = engine.detect(batch)
    for picture, found in zip(batch, together, strict=True):
        (alone,) = engine.detect(picture[None])
        np.testing.assert_array_equal(found.labels, alone.labels)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-4)


def test_large_batches_go_in_parts(detector: tuple[Path, Path]) -> None:
    engine = load_engine("torch", *detector)
    batch = pictures(AT_ONCE * 2 + 1)
    ours = engine.forward(batch)["detection_out"]
    whole = to_numpy(engine.run(torch.from_numpy(batch))["detection_out"])
    assert sorted(set(ours[0, 0, :, 0])) == list(range(len(batch)))
    assert not differences(ours[0, 0], whole[0, 0], keep=50, threshold=0.45)
    # Nothing found: one row a picture; nothing in one part: no row of it.
    rows = [torch.tensor([[[[i, -1.0] + [0] * 5 for i in range(2)]]])] * 2
    assert _join(rows, [0, 2])[0, 0, :, :2].tolist() == [[0, -1], [1, -1], [2, -1], [3, -1]]
    found = torch.tensor([[[[1.0, 2, 0.5, 0, 0, 1, 1]]]])
    assert _join([rows[0], found], [0, 2])[0, 0].tolist() == [[3, 2, 0.5, 0, 0, 1, 1]]


def test_weights_of_another_net_are_refused(detector: tuple[Path, Path], tmp_path: Path) -> None:
    deploy, weights = detector
    text = deploy.read_text().replace('name: "conv2"', 'name: "other"')
    (tmp_path / "other.prototxt").write_text(text)
    with pytest.raises(InputError, match="1 layers of .* are not in this caffemodel: other"):
        load_engine("torch", tmp_path / "other.prototxt", weights)


def test_unknown_engine_and_what_one_cannot(detector: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="no engine") as error:
        load_engine("tensorflow", *detector)
    assert error.value.hint == "Known are " + ", ".join(ENGINES.names())
    with pytest.raises(UsageError, match="single precision"):
        load_engine("opencv", *detector, half=True)
    with pytest.raises(UsageError, match="GPU only"):
        load_engine("torch", *detector, device="cpu", half=True)


def test_opencv_without_the_importer_is_one_sentence(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    with pytest.raises(UsageError, match="no Caffe importer any more"):
        load_engine("opencv", *detector)


def test_pycaffe_by_a_stand_in(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssd_data

    calls: list[object] = []
    module = ModuleType("caffe")
    module.Net = ssd_data.Net  # type: ignore[attr-defined]  # it has the face
    module.TEST = 1  # type: ignore[attr-defined]
    module.set_mode_cpu = lambda: calls.append("cpu")  # type: ignore[attr-defined]
    module.set_mode_gpu = lambda: calls.append("gpu")  # type: ignore[attr-defined]
    module.set_device = calls.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caffe", module)
    batch = pictures(2)
    (first, _), (ours, _) = (
        load_engine(name, *detector).detect(batch) for name in ("caffe", "torch")
    )
    np.testing.assert_allclose(first.scores, ours.scores, atol=1e-5)
    load_engine("caffe", *detector, device="cuda:1")
    assert calls == ["cpu", 1, "gpu"]


def test_pycaffe_is_given_nothing_that_writes(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Caffe empties an ``output_directory`` when it reads the net."""
    given: list[str] = []
    module = ModuleType("caffe")
    module.Net = lambda file, *_: given.append(Path(file).read_text())  # type: ignore[attr-defined]
    module.TEST = 1  # type: ignore[attr-defined]
    module.set_mode_cpu = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caffe", module)
    text, start = detector[0].read_text(), "detection_output_param {"
    assert text.count(start) == 1
    saving = (
        f'save_output_param {{ output_directory: "{tmp_path}" }} visualize: true save_file: "x"'
    )
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(text.replace(start, f"{start} {saving} "))
    load_engine("caffe", deploy, detector[1])
    load_engine("caffe", *detector)
    assert given[1] == text
    assert "output_directory" in deploy.read_text()
    assert settings_of(given[0]) == settings_of(text)
    layer = (
        'layer { name: "h" type: "HDF5Output" bottom: "data" hdf5_output_param { file_name: "x" } }'
    )
    deploy.write_text(text + layer)
    with pytest.raises(InputError, match="h: this layer writes a file"):
        load_engine("caffe", deploy, detector[1])


@pytest.fixture
def pycaffe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that ends with an error if it is asked for a net."""
    module = ModuleType("caffe")
    module.Net = lambda *_: pytest.fail("the net was loaded")  # type: ignore[attr-defined]
    module.TEST = 1  # type: ignore[attr-defined]
    module.set_mode_cpu = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caffe", module)
    return module


def test_pycaffe_is_given_no_weights_of_another_net(
    detector: tuple[Path, Path], tmp_path: Path, pycaffe: ModuleType
) -> None:
    """It would take them without a word, or end the process."""
    deploy, weights = detector
    other = tmp_path / "other.prototxt"
    other.write_text(deploy.read_text().replace('"conv1"', '"conv9"'))
    with pytest.raises(InputError, match="1 layers of .* are not in this caffemodel: conv9"):
        load_engine("caffe", other, weights)
    other.write_text(
        deploy.read_text().replace(
            "num_output: 8 kernel_size: 3 stride: 4", "num_output: 8 kernel_size: 5 stride: 4"
        )
    )
    with pytest.raises(InputError, match="have another shape"):
        load_engine("caffe", other, weights)
    page = tmp_path / "page.caffemodel"
    page.write_text("<!DOCTYPE html>\n<html></html>")
    with pytest.raises(InputError):
        load_engine("caffe", deploy, page)


def test_pycaffe_is_given_no_layer_that_it_lacks(
    detector: tuple[Path, Path], pycaffe: ModuleType
) -> None:
    pycaffe.layer_type_list = lambda: ["Convolution", "BatchNorm", "Scale"]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match='this Caffe has no layer of type "ReLU"') as error:
        load_engine("caffe", *detector)
    assert "deploy.prototxt:" in error.value.where


@pytest.mark.parametrize(("module", "what", "needs"), BUILT_FOR_OTHERS)
def test_pycaffe_that_was_built_for_others_is_one_sentence(
    detector: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    module: str,
    what: str,
    needs: str,
) -> None:
    folder = tmp_path / "python" / "caffe"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(module)
    monkeypatch.setenv("CAFFE_ROOT", str(tmp_path))
    monkeypatch.delitem(sys.modules, "caffe", raising=False)
    with pytest.raises(UsageError, match=f"^--engine caffe: pycaffe {what}") as error:
        load_engine("caffe", *detector)
    assert needs in error.value.hint
    assert capfd.readouterr().err == ""


def test_a_pycaffe_that_is_ourselves_is_no_judge(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssd_data

    monkeypatch.setitem(sys.modules, "caffe", ssd_data)
    with pytest.raises(UsageError, match="is ssd-data itself"):
        load_engine("caffe", *detector)


def settings_of(text: str) -> list[caffe_pb2.DetectionOutputParameter]:
    net = text_format.Parse(text, caffe_pb2.NetParameter())
    return [layer.detection_output_param for layer in net.layer]


def test_pycaffe_that_is_not_there_or_empty(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "caffe", None)
    with pytest.raises(UsageError, match="cannot be imported") as error:
        load_engine("caffe", *detector)
    assert "CAFFE_ROOT" in error.value.hint
    monkeypatch.setitem(sys.modules, "caffe", ModuleType("caffe"))
    with pytest.raises(UsageError, match="is not pycaffe"):
        load_engine("caffe", *detector)


def naive_nms(boxes: np.ndarray, threshold: float, eta: float) -> list[int]:
    kept: list[int] = []
    for i in range(len(boxes)):
        shared = [float(overlap(boxes_to(boxes[i]), boxes_to(boxes[j]))) for j in kept]
        if all(share <= threshold for share in shared):
            kept.append(i)
            threshold = threshold * eta if threshold > 0.5 else threshold
    return kept


def boxes_to(box: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(box[None].astype(np.float32))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 40),
    threshold=st.sampled_from([0.0, 0.3, 0.45, 0.6, 0.9]),
    eta=st.sampled_from([1.0, 0.9]),
)
def test_suppression_is_the_greedy_one(seed: int, count: int, threshold: float, eta: float) -> None:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 1, (count, 2))
    boxes = np.concatenate([low, low + random.uniform(-0.05, 0.6, (count, 2))], 1)
    boxes = boxes.astype(np.float32)
    valid = torch.ones(1, count, dtype=torch.bool)
    stays = suppress(torch.from_numpy(boxes)[None], valid, threshold, eta=eta)
    assert torch.nonzero(stays[0]).flatten().tolist() == naive_nms(boxes, threshold, eta)


def test_suppression_over_several_blocks_and_groups() -> None:
    random = np.random.default_rng(0)
    low = random.uniform(0, 1, (3, 700, 2))
    boxes = np.concatenate([low, low + random.uniform(0.05, 0.2, low.shape)], 2).astype(np.float32)
    valid = torch.ones(3, 700, dtype=torch.bool)
    valid[1, 350:] = False
    stays = suppress(torch.from_numpy(boxes), valid, 0.3)
    first = suppress(torch.from_numpy(boxes), valid, 0.3, most=20)
    for group, length in enumerate((700, 350, 700)):
        expected = naive_nms(boxes[group, :length], 0.3, 1.0)
        assert torch.nonzero(stays[group]).flatten().tolist() == expected
        assert torch.nonzero(first[group]).flatten().tolist()[:20] == expected[:20]
