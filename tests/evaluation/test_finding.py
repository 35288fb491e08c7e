"""``detect --on``: whoever detects, the same is found, shown and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.clusters import HERE, ray_cluster
from support.nets import write_detector
from support.places import Mixed, mixed_workers
from support.trees import jpeg

from ssd_data.evaluation import finding


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where photographs, one that is none and a video lie; the net that looks at them."""
    monkeypatch.chdir(tmp_path)
    Path("photos/more").mkdir(parents=True)
    for number in range(7):
        Path(f"photos/{number}.jpg").write_bytes(jpeg(seed=number))
    Path("photos/more/b.jpg").write_bytes(jpeg(seed=9))
    Path("photos/none.jpg").write_bytes(b"not a picture")
    video = cv2.VideoWriter("a.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))  # type: ignore[attr-defined]
    for number in range(6):
        video.write(np.full((48, 64, 3), 40 * number, np.uint8))
    video.release()
    Path("b.avi").write_bytes(b"no video")
    net = [str(path) for path in write_detector(tmp_path)]
    places = ["photos/3.jpg", "a.avi", "photos", "b.avi"]
    return ["detect", *net, *places, "--mean", "127.5", "--scale", "0.0078", "--every", "2"]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Mixed:
    return mixed_workers(monkeypatch, finding)


def drawn(folder: str) -> dict[Path, bytes]:
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("batch", [1, 3])
def test_the_same_is_found(world: list[str], workers: Mixed, run: Any, batch: int) -> None:
    one = run(*world, "--json", "--batch", batch)
    assert one.status == 1
    assert workers.done == 0
    assert len(one.json["pictures"]) == 12
    many = run(*world, "--json", "--batch", batch, "--on", "ray")
    assert workers.done > 4
    assert (many.status, many.json, many.err) == (1, one.json, one.err)
    assert any("photos/none.jpg" in text for text in many.json["unreadable"])


def test_the_same_is_said_and_drawn(world: list[str], workers: Mixed, run: Any) -> None:
    one = run(*world, "--draw", "one")
    many = run(*world, "--draw", "many", "--on", "ray")
    assert many.out == one.out.replace("drawn: one", "drawn: many")
    assert len(drawn("one")) == 10  # the video is one
    assert drawn("many") == drawn("one")


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="ray is not installed")
def test_by_a_cluster(world: list[str], run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(*world, "--json")
    with ray_cluster(1, 1) as cluster:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        many = run(*world, "--json", "-q", "--on", "ray")
    assert many.json == one.json
