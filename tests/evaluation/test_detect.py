"""``ssd-data detect`` and ``ssd-data parity``, as a user runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.nets import write_detector
from support.trees import jpeg

from ssd_data.core import apart
from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.core.overlaps import overlaps
from ssd_data.engines.opencv import OpenCV
from ssd_data.evaluation.candidates import Candidates
from ssd_data.evaluation.detect import find_files, read_frames
from ssd_data.nets.caffemodel import read_caffemodel, write_caffemodel
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing, read_preprocessing


@pytest.fixture
def net(tmp_path: Path) -> list[str]:
    return [str(path) for path in write_detector(tmp_path)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg(seed=1))
    (folder / "more" / "b.jpg").write_bytes(jpeg(seed=2))
    (folder / "c.jpg").write_bytes(b"not a picture")
    return folder


MEAN = ["--mean", "127.5", "--scale", "0.0078"]


def test_a_folder_with_a_bad_picture(
    net: list[str],
    folder: Path,
    tmp_path: Path,
    run: Any,
) -> None:
    names = tmp_path / "labelmap.prototxt"
    write_labelmap(LabelMap.from_names(["cat", "dog"]), names)
    out = tmp_path / "drawn"
    options = [*MEAN, "--labelmap", str(names), "--draw", str(out), "--json"]
    result = run("detect", *net, str(folder), *options)
    assert result.status == 1
    assert "error: 1 of 3 could not be read" in result.err
    assert [Path(p["picture"]).name for p in result.json["pictures"]] == ["a.jpg", "b.jpg"]
    found = result.json["pictures"][0]["detections"]
    assert found
    assert {d["name"] for d in found} <= {"cat", "dog"}
    assert len(result.json["unreadable"]) == 1
    assert sorted(p.name for p in out.iterdir()) == ["a.jpg", "b.jpg"]
    assert cv2.imread(str(out / "a.jpg")).shape[1] >= 480


def test_batch_and_threshold(net: list[str], folder: Path, run: Any) -> None:
    (folder / "c.jpg").unlink()
    one = run("detect", *net, str(folder), *MEAN, "--json").json
    two = run("detect", *net, str(folder), *MEAN, "--json", "--batch", "2").json
    for a, b in zip(one["pictures"], two["pictures"], strict=True):
        assert len(a["detections"]) == len(b["detections"])
    high = run("detect", *net, str(folder), *MEAN, "--json", "--threshold", "2").json
    assert all(not p["detections"] for p in high["pictures"])


def test_a_video(net: list[str], tmp_path: Path, run: Any) -> None:
    path = film(tmp_path / "street.avi")
    out = tmp_path / "drawn"
    result = run("detect", *net, str(path), *MEAN, "--every", "2", "--json", "--draw", str(out))
    assert result.status == 0, result.err
    assert [p["picture"].rpartition("#")[2] for p in result.json["pictures"]] == ["0", "2", "4"]
    assert [p.name for p in out.iterdir()] == ["street.mp4"]
    drawn = cv2.VideoCapture(str(out / "street.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3


def film(path: Path, frames: int = 5) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(frames):
        video.write(np.full((48, 64, 3), 40 * i, np.uint8))
    video.release()
    return path


def test_a_videos_frames_are_those_that_opencv_reads(tmp_path: Path) -> None:
    path = film(tmp_path / "it's {0} \\ a.avi")
    plain = cv2.VideoCapture(str(path))
    for every in (1, 3):
        for frame in read_frames([path], every):
            number = int(frame.name.rpartition("#")[2])
            plain.set(cv2.CAP_PROP_POS_FRAMES, number)
            assert frame.picture is not None
            np.testing.assert_array_equal(frame.picture, plain.read()[1])


@pytest.mark.parametrize(
    "death", ["os.kill(os.getpid(), 11)", "numpy.ones(1 << 32)", "any(iter(int, 1))"]
)
def test_a_video_whose_decoder_dies(
    death: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "if number % {every} == 0:"
    assert line in apart._FILM
    dying = f"import os\n    if number == 2: {death}\n    {line}"
    monkeypatch.setattr(apart, "MOST_SECONDS", 0)
    monkeypatch.setattr(apart, "_FILM", apart._FILM.replace(line, dying))
    *frames, end = read_frames([film(tmp_path / "a.avi")])
    assert [frame.name[-2:] for frame in frames] == ["#0", "#1"]
    assert end.picture is None
    assert end.error is not None
    assert str(end.error).endswith("a.avi: this video cannot be read beyond frame 1")


def test_videos_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.avi")
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mkv").touch()
    found = list(read_frames(sorted(tmp_path.iterdir())))
    assert [str(frame.error).rpartition(": ")[2] for frame in found] == [
        "this video cannot be read", "the video is no regular file", "this video cannot be read",
    ]  # fmt: skip


def test_preprocessing_must_be_said(net: list[str], folder: Path, tmp_path: Path, run: Any) -> None:
    result = run("detect", *net, str(folder))
    assert result.status == 1
    assert "does not say what its pictures' mean and scale are" in result.err
    (tmp_path / "train.prototxt").write_text(
        'layer { name: "d" type: "AnnotatedData" top: "data" '
        "transform_param { mean_value: 127.5 scale: 0.0078 } }"
    )
    (folder / "c.jpg").unlink()
    found = run("detect", *net, str(folder), "--json")
    assert found.json == run("detect", *net, str(folder), *MEAN, "--json").json
    both = run("detect", *net, str(folder), *MEAN, "--family", "mobilenet_ssd")
    assert both.status == 2


def test_preprocessing_is_the_data_layers(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "train.prototxt"
    path.write_text(
        'layer { name: "d" type: "AnnotatedData" top: "data" transform_param '
        "{ mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.5 } }"
    )
    assert read_preprocessing(path) == Preprocessing((104, 117, 123), 0.5)
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    values = read_preprocessing(path).apply(picture, None)
    expected = (picture.transpose(2, 0, 1) - np.array([104, 117, 123])[:, None, None]) * 0.5
    np.testing.assert_allclose(values, expected)
    assert read_preprocessing(path).apply(picture, (5, 7)).shape == (3, 7, 5)


def test_fields_that_change_nothing_are_not_spoken_of(
    net: list[str],
    folder: Path,
    tmp_path: Path,
    run: Any,
) -> None:
    deploy = Path(net[0])
    deploy.write_text(deploy.read_text().replace("name:", "quantize: 8 name:", 1))
    (folder / "c.jpg").unlink()
    for command in (
        ["detect", *net, str(folder), *MEAN],
        ["parity", *net, "--engines", "torch,torch"],
        ["merge-bn", *net, "-o", str(tmp_path / "merged"), "--redo"],
    ):
        result = run(*command, "--json")
        assert result.status == 0, result.err
        assert result.json
        assert result.err == ""
    deploy.write_text(deploy.read_text().replace("quantize: 8", "rounds: 8", 1))
    for command in (["detect", *net, str(folder), *MEAN], ["parity", *net], ["time", *net]):
        result = run(*command)
        assert result.status == 1
        assert f'{deploy}:2: "rounds: 8" is no field of a net' in result.err


def test_parity_of_a_sound_net(net: list[str], folder: Path, run: Any) -> None:
    result = run("parity", *net, "--json")
    assert result.status == 0, result.err
    assert result.json["passed"]
    assert result.json["outputs"][0]["compared"] > 20
    (folder / "c.jpg").unlink()
    shown = run("parity", net[0], "random", str(folder), *MEAN)
    assert shown.status == 0, shown.err
    assert shown.out.splitlines()[-1] == "2 pictures"


def test_parity_finds_a_difference(
    net: list[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Any,
) -> None:
    right = OpenCV.forward

    def wrong(self: OpenCV, batch: np.ndarray) -> dict[str, np.ndarray]:
        answers = right(self, batch)
        answers["detection_out"][..., 5] += 0.01
        return answers

    monkeypatch.setattr(OpenCV, "forward", wrong)
    result = run("parity", *net)
    assert result.status == 1
    assert "error: the engines differ by more than 0.001" in result.err
    assert run("parity", *net, "--engines", "torch").status == 2


@pytest.mark.parametrize(("place", "status"), [(0.0, 0), (0.2, 1)])
def test_parity_where_scores_are_equal_at_top_k(
    place: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    """Hundreds score exactly 1, of which top_k takes some: another engine may take others of them,
    but none that the net does not give."""
    deploy, weights = write_detector(tmp_path)
    deploy.write_text(deploy.read_text().replace("top_k: 100", "top_k: 9"))
    model = read_caffemodel(weights)
    for name in ("conf1", "conf2"):
        model[name][0] *= 1e4
    write_caffemodel(weights, model.net, model.layers)
    right, boxes = OpenCV.forward, Candidates(prepare(deploy, weights, Preprocessing((0.0,)))).boxes

    def other(self: OpenCV, batch: np.ndarray) -> dict[str, np.ndarray]:
        answers = right(self, batch)
        rows, all_of_them = answers["detection_out"][0, 0], boxes(batch)
        same = all_of_them.only((all_of_them.scores == 1) & (all_of_them.labels == rows[0, 1]))
        free = (overlaps(same.boxes, rows[:, 3:]) < 0.1).all(1)
        rows[0, 3:] = same.boxes[free][0] + place
        return answers

    monkeypatch.setattr(OpenCV, "forward", other)
    done = run("parity", deploy, weights)
    assert done.status == status, done.out + done.err
    assert "error: the engines differ" in done.err or not status
    if not status:  # another size has other priors, which are not known
        assert run("parity", deploy, weights, "--size", "80x64").status in (0, 1)


def test_trained_detectors_find_the_faces(shared: Path, tmp_path: Path, run: Any) -> None:
    models = shared / "models" / "sfd_mobilenetv2_mod11"
    picture = shared / "WIDER_FACE/WIDER_val/images/3--Riot/3_Riot_Riot_3_725.jpg"
    merged = run(
        "merge-bn", str(models / "deploy.prototxt"), str(models / "wider_iter_90000.caffemodel"),
        "-o", str(tmp_path / "merged"),
    )  # fmt: skip
    assert merged.status == 0, merged.err
    found: list[Any] = []
    for folder in (models, tmp_path / "merged"):
        for engine in ("torch", "opencv"):
            files = [str(folder / "deploy.prototxt"), str(folder / "wider_iter_90000.caffemodel")]
            options = ["--mean", "104,117,123", "--size", "640", "--engine", engine, "--json"]
            found.append(run("detect", *files, str(picture), *options))
    first = found[0].json["pictures"][0]["detections"]
    assert sum(d["score"] > 0.5 for d in first) >= 8
    for other in found[1:]:
        rows = other.json["pictures"][0]["detections"]
        assert len(rows) == len(first)
        for a, b in zip(first, rows, strict=True):
            assert a["score"] == pytest.approx(b["score"], abs=1e-4)
            assert a["box"] == pytest.approx(b["box"], abs=0.5)


def test_links_that_leave_the_folder(
    net: list[str], folder: Path, tmp_path: Path, run: Any
) -> None:
    (folder / "c.jpg").unlink()
    for name in ("a.jpg", "more"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        commands = (
            ("detect", *net, folder, *MEAN),
            ("parity", *net, folder, *MEAN),
            ("deploy", *net, *MEAN, "--profile", "npu", "--pictures", folder, "-o", tmp_path / "o"),
        )
        for command in commands if name == "more" else commands[:1]:
            refused = run(*command)
            assert refused.status == 1
            assert f"error: {folder / name}: this link leaves" in refused.err
            assert run(*command, "--follow-links").status == 0
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)
    (folder / "again").symlink_to(".")
    assert [path.name for path in find_files([folder])] == ["a.jpg", "b.jpg"]
    (tmp_path / "photos2").symlink_to(folder)
    assert len(find_files([tmp_path / "photos2", folder / "a.jpg"])) == 3
