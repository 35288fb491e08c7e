"""HDF5Data, VideoData and Python: what they give, and what they refuse."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph


def net(kind: str, more: str, tops: str = 'top: "data" top: "label"') -> Net:
    return Net(parse_graph(f'layer {{ name: "it" type: "{kind}" {tops} {more} }}', "TEST"))


# ---- HDF5Data ----


class Held(dict[str, Any]):
    """An open file, as h5py has it."""

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def write(folder: Path, rows: list[int], real: Any = None) -> dict[str, Held]:
    """Files a, b, … of so many rows, whose data are numbered through."""
    files, start = {}, 0
    for name, count in zip("abcdef", rows, strict=False):
        numbers = np.arange(start, start + count)
        arrays = {"data": np.stack([numbers, -numbers], 1) / 2, "label": numbers}
        path = folder / f"{name}.h5"
        if real is None:
            path.touch()
        else:
            with real.File(path, "w") as held:
                for key, array in arrays.items():
                    held[key] = array
        files[str(path)] = Held(arrays)
        start += count
    (folder / "list.txt").write_text("\n".join(files))
    return files


@pytest.fixture(params=["stand-in", "h5py"])
def files(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Path:
    """A list of files of 3 and 2 rows; by h5py, where it is there, and by a stand-in for it."""
    if request.param == "h5py":
        write(tmp_path, [3, 2], pytest.importorskip("h5py"))
    else:
        held = write(tmp_path, [3, 2])
        stand_in = SimpleNamespace(File=lambda path, mode: held[path])
        monkeypatch.setitem(sys.modules, "h5py", stand_in)
    return tmp_path / "list.txt"


def param(source: Path, batch: int, more: str = "") -> str:
    return f'hdf5_data_param {{ source: "{source}" batch_size: {batch} {more} }}'


def labels(made: Net, batches: int) -> list[list[float]]:
    return [made.forward()["label"].tolist() for _ in range(batches)]


def test_rows_in_order_file_after_file(files: Path) -> None:
    made = net("HDF5Data", param(files, 4))
    assert made.blobs["data"].shape == (4, 2)
    assert made.blobs["label"].shape == (4,)
    first = made.forward()
    assert first["label"].tolist() == [0, 1, 2, 3]
    assert first["data"].tolist() == [[0, 0], [0.5, -0.5], [1, -1], [1.5, -1.5]]
    assert labels(made, 2) == [[4, 0, 1, 2], [3, 4, 0, 1]]


def test_shuffled_rows(files: Path) -> None:
    torch.manual_seed(3)
    made = net("HDF5Data", param(files, 5, "shuffle: true"))
    rounds = labels(made, 8)
    assert all(sorted(row) == [0, 1, 2, 3, 4] for row in rounds)
    assert len({tuple(row) for row in rounds}) > 3
    firsts = {tuple(sorted(row[:2])) for row in rounds}  # the shorter file is sometimes first
    assert (3, 4) in firsts
    torch.manual_seed(3)
    assert labels(net("HDF5Data", param(files, 5, "shuffle: true")), 8) == rounds


@pytest.mark.parametrize("more", ["", "shuffle: true"])
def test_it_goes_on_from_a_position(files: Path, more: str) -> None:
    torch.manual_seed(5)
    made = net("HDF5Data", param(files, 3, more))
    rows = labels(made, 6)
    layer: Any = made.steps[0]
    assert layer.position == 18
    layer.position = 6
    assert labels(made, 4) == rows[2:]


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="needs h5py") as error:
        net("HDF5Data", param(tmp_path / "list.txt", 1))
    assert error.value.hint == "pip install 'ssd-data[hdf5]'"


def test_what_hdf5_is_refused(files: Path) -> None:
    for text, sentence in (
        (param(files, 0), "batch_size is missing"),
        (param(files, 1) + " transform_param { scale: 2 }", "transforms nothing"),
        (param(files.parent / "no.txt", 1), "no.txt"),
    ):
        with pytest.raises(InputError, match=sentence):
            net("HDF5Data", text)
    with pytest.raises(InputError, match='no data set "picture"'):
        net("HDF5Data", param(files, 1), 'top: "picture"')
    files.write_text(str(files.parent / "absent.h5"))
    with pytest.raises(InputError, match="no such file"):
        net("HDF5Data", param(files, 1))
    files.write_text(" \n")
    with pytest.raises(InputError, match="list is empty"):
        net("HDF5Data", param(files, 1))


def test_what_a_file_holds_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = write(tmp_path, [3, 2])
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(File=lambda path, mode: held[path]))
    source, (first, second) = tmp_path / "list.txt", list(held)
    for file, key, array, sentence in (
        (first, "label", np.array(["a"] * 3), "no rows of numbers"),
        (first, "label", np.float32(1), "no rows of numbers"),
        (first, "label", np.arange(2), "data 3, label 2"),
        (second, "data", np.zeros((2, 5)), "other shapes than the first"),
    ):
        kept, held[file][key] = held[file][key], array
        with pytest.raises(InputError, match=sentence) as error:
            net("HDF5Data", param(source, 4)).forward()
        assert f"{source}: {file}: its " in error.value.sentence
        held[file][key] = kept


def test_a_broken_hdf5_file(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    (tmp_path / "list.txt").write_text(str(tmp_path / "a.h5"))
    with pytest.raises(InputError, match="cannot be read"):
        net("HDF5Data", param(tmp_path / "list.txt", 1))


# ---- VideoData ----

COUNT = 7


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven frames, each of one gray: 0, 30, 60, …"""
    path = tmp_path_factory.mktemp("video") / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 24))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no videos")
    for i in range(COUNT):
        writer.write(np.full((24, 32, 3), 30 * i, np.uint8))
    writer.release()
    return path


def video_param(file: Path, batch: int, more: str = "", transform: str = "") -> str:
    return (
        f"data_param {{ batch_size: {batch} }} transform_param {{ {transform} }} "
        f'video_data_param {{ video_type: VIDEO video_file: "{file}" {more} }}'
    )


def test_frames_in_order(video: Path) -> None:
    transform = "resize_param { width: 10 height: 8 } mean_value: 10 scale: 0.5"
    made = net("VideoData", video_param(video, 2, transform=transform))
    assert made.blobs["data"].shape == (2, 3, 8, 10)
    for first in (0, 2, 4):
        found = made.forward()
        grays = found["data"].mean((1, 2, 3)) * 2 + 10
        np.testing.assert_allclose(grays, [30 * first, 30 * first + 30], atol=2)
        assert found["label"].tolist() == [0, 0]
    with pytest.raises(InputError, match="at its end, after 7 frames"):
        made.forward()


def test_skipped_frames(video: Path) -> None:
    made = net("VideoData", video_param(video, 2, "skip_frames: 2"), 'top: "data"')
    np.testing.assert_allclose(made.forward()["data"].mean((1, 2, 3)), [60, 150], atol=2)


def test_what_videos_are_refused(video: Path, tmp_path: Path) -> None:
    (tmp_path / "no.avi").write_bytes(b"no video")
    for text, sentence in (
        ("data_param { batch_size: 1 }", "reads a camera"),
        (video_param(video, 0), "batch_size is missing"),
        (video_param(tmp_path / "absent.avi", 1), "there is no video"),
        (video_param(Path("http://localhost/v.avi"), 1), "there is no video"),
        (video_param(tmp_path / "no.avi", 1), "cannot be read"),
    ):
        with pytest.raises(InputError, match=sentence) as error:
            net("VideoData", text)
        assert 'layer "it"' in str(error.value.where)


# ---- Python ----


def test_python_is_not_run() -> None:
    with pytest.raises(InputError, match='"Loss" of module "layers"') as error:
        net("Python", 'python_param { module: "layers" layer: "Loss" }')
    assert "--engine caffe" in error.value.hint
