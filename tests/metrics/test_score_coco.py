"""COCO: the known answer, a naive twin, and bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_scores as naive
from support.scored import CocoScored

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Detections
from ssd_data.metrics import ScoreOptions, score
from ssd_data.metrics.coco.files import read_detections, read_truth, sniff, write_coco_results
from ssd_data.metrics.coco.rules import NAMES
from ssd_data.metrics.scores import Scores

KNOWN = (
    *(0.503647, 0.696973, 0.571667, 0.593252, 0.557991, 0.489363),
    *(0.386813, 0.593680, 0.595353, 0.654764, 0.603130, 0.553744),
)


@pytest.fixture
def coco(tmp_path: Path) -> CocoScored:
    return CocoScored(tmp_path)


def scored(coco: CocoScored, **options: Any) -> Scores:
    coco.write()
    return score("coco", coco.truth, coco.pred, ScoreOptions(**options))


@pytest.mark.parametrize("as_list", [False, True])
def test_the_known_answer(shared: Path, tmp_path: Path, as_list: bool) -> None:
    folder = shared / "coco_eval_case"
    results = folder / "sampled_bbox_results.json"
    if as_list:
        listed = json.loads(results.read_text())["annotations"]
        results = tmp_path / "results.json"
        results.write_text(json.dumps(listed))
    result = score("coco", folder / "sampled_gts_bbox_area.json", results)
    assert tuple(result.ap) == NAMES
    assert tuple(result.ap.values()) == pytest.approx(KNOWN, abs=1e-6)
    assert result.counts["pictures_without_detections"] == int(as_list)
    each = [row["AP"] for row in result.classes.values() if row["AP"] is not None]
    assert np.mean(each) == pytest.approx(KNOWN[0], abs=1e-6)


def test_the_truth_found_again_is_1(coco: CocoScored) -> None:
    result = scored(coco)
    assert result.ap["AP"] == pytest.approx(1)
    assert result.ap["APsmall"] is None  # there is no small box
    assert result.classes["cat"]["AP"] == pytest.approx(1)
    json.dumps(result.to_json(), allow_nan=False)


grid = st.integers(0, 5).map(lambda n: 20.0 * n)
side = st.integers(1, 5).map(lambda n: 20.0 * n)
box = st.tuples(grid, grid, side, side)
found = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), box), min_size=1, max_size=10)
true = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), box, st.booleans()), min_size=1, max_size=8
)


@given(found, true, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_naive_twin_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, det: Any, gt: Any, random: Any
) -> None:
    coco = CocoScored(tmp_path_factory.mktemp("coco"))
    ids, categories = (7, 8, 9), (3, 5)
    coco.instances["annotations"] = [
        coco.annotation(ids[i], categories[c], list(b), int(crowd)) for i, c, b, crowd in gt
    ]
    # Scores differ: of equal ones the evaluator's order decides.
    ranked = [(i, c, (n + 1) / 16, b) for n, (i, c, b) in enumerate(det)]
    coco.results = [
        {"image_id": ids[i], "category_id": categories[c], "bbox": b, "score": s}
        for i, c, s, b in random.sample(ranked, len(ranked))
    ]
    random.shuffle(coco.instances["images"])
    result = scored(coco, missing="count")
    expected = naive.coco_ap(
        [(i, c, s, *b) for i, c, s, b in ranked], [(i, c, *b, k) for i, c, b, k in gt], [0, 1]
    )
    assert result.ap["AP"] == pytest.approx(expected, abs=1e-9)


def test_crowds(coco: CocoScored) -> None:
    """Detections inside a crowd region are neither right nor wrong."""
    coco.instances["annotations"].append(coco.annotation(8, 3, [100, 50, 90, 45], crowd=1))
    for x in (100, 120, 140):
        box = [x, 55, 20, 20]
        coco.results.append({"image_id": 8, "category_id": 3, "bbox": box, "score": 0.95})
    result = scored(coco)
    assert result.ap["AP"] == pytest.approx(1)
    assert result.counts["crowd"] == 1


def test_missing_pictures(coco: CocoScored) -> None:
    coco.results = [r for r in coco.results if r["image_id"] != 9]
    with pytest.raises(InputError, match="1 of 3 pictures have no detections: 9"):
        scored(coco)
    assert scored(coco, missing="count").ap["AP"] == pytest.approx((1 + 51 / 101) / 2)
    skipped = scored(coco, missing="skip")
    assert (skipped.ap["AP"], skipped.subset) == (pytest.approx(1), "2 of 3")
    coco.results = coco.results[2:]
    skipped = scored(coco, missing="skip")
    assert (skipped.ap["AP"], skipped.subset) == (pytest.approx(1), "1 of 3")
    coco.results = {"images": [{"id": i} for i in (7, 8, 9)], "annotations": coco.results}
    assert not scored(coco).notes


def test_nothing_found(coco: CocoScored) -> None:
    coco.results = []
    with pytest.raises(InputError, match="3 of 3 pictures"):
        scored(coco)
    assert scored(coco, missing="count").ap["AP"] == 0
    with pytest.raises(InputError, match="no detections at all"):
        scored(coco, missing="skip")


def test_what_is_not_in_the_truth(coco: CocoScored) -> None:
    coco.results[1]["image_id"] = 70
    with pytest.raises(
        InputError, match="1 of 4 entries have an image id that the truth lacks: 70"
    ):
        scored(coco)
    coco.results[1].update(image_id=7, category_id=4)
    with pytest.raises(InputError, match="have a category id that the truth lacks: 4") as caught:
        scored(coco)
    assert caught.value.where.endswith("entry 1")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": NaN}]', "malformed"),
        ('[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3], "score": 1}]', "no results JSON"),
        ('[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 1e99], "score": 1}]', "bounds"),
        ('[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}]', "no results JSON"),
        ('[{"image_id": "7"}]', "no results JSON"),
        ("[", "malformed JSON[^$]*cut short"),
        ("", "results JSON is empty"),
        ('{"a": 1}', "no results JSON"),
    ],
)
def test_bad_results(coco: CocoScored, text: str, what: str) -> None:
    coco.write()
    coco.pred.write_text(text)
    with pytest.raises(InputError, match=what):
        score("coco", coco.truth, coco.pred)


def test_bad_truth(coco: CocoScored) -> None:
    coco.instances["images"].append({"id": 7, "file_name": "x"})
    with pytest.raises(InputError, match="image id stands twice"):
        scored(coco)
    coco.instances = {"images": [], "annotations": [], "categories": []}
    with pytest.raises(InputError, match="there is no image"):
        scored(coco)
    coco.instances = {"images": []}
    with pytest.raises(InputError, match="no instances JSON"):
        scored(coco)


def test_corners_instead_of_sides(tmp_path: Path) -> None:
    coco = CocoScored(tmp_path)
    boxes = np.random.default_rng(0).integers(10, 90, (20, 4)).tolist()
    coco.instances["annotations"] = [coco.annotation(7 + i % 3, 3, b) for i, b in enumerate(boxes)]
    coco.results = [
        {"image_id": 7 + i % 3, "category_id": 3, "bbox": [x, y, x + w, y + h], "score": 0.5}
        for i, (x, y, w, h) in enumerate(boxes)
    ]
    with pytest.raises(InputError, match="it seems they are corners"):
        scored(coco)


def test_what_is_written_is_read(coco: CocoScored) -> None:
    boxes = read_truth(coco.truth)
    scale = np.array([200, 100, 200, 100])
    detections = {
        int(image): Detections(
            (boxes.label[boxes.picture == i] + 1).astype(np.int32),
            np.full((boxes.picture == i).sum(), 0.25, np.float32),
            (boxes.boxes[boxes.picture == i] / scale).astype(np.float32),
        )
        for i, image in enumerate(boxes.pictures)
    }
    write_coco_results(coco.pred, detections, dict.fromkeys(detections, (200, 100)), [3, 5])
    found = read_detections(coco.pred, boxes)
    assert set(found.scores) == {0.25}
    assert score("coco", coco.truth, coco.pred).ap["AP"] == pytest.approx(1)


def test_a_folder_instead_of_a_json_is_said_with_what_is_in_it(
    coco: CocoScored, tmp_path: Path
) -> None:
    coco.write()
    (folder := tmp_path / "annotations" / "images").mkdir(parents=True)
    (folder.parent / "instances_val.json").write_text("{}")
    what = r"annotations: this is a folder; name the {} JSON\n  In it there are instances_val.json$"
    with pytest.raises(InputError, match=what.format("instances")):
        score("coco", folder.parent, coco.pred)
    with pytest.raises(InputError, match=what.format("results")):
        score("coco", coco.truth, folder.parent)
    with pytest.raises(InputError, match=r"name the instances JSON$"):
        score("coco", folder, coco.pred)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that fails to be read")
def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(OSError, match="/proc/self/mem"):
        sniff(Path("/proc/self/mem"))
