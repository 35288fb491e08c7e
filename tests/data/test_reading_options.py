"""What reads raw data sets reads them with the options of a build."""

from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, UsageError, build, find
from ssd_data.data.build.agreement import disagreements, labelmap_of
from ssd_data.data.build.options import READING
from ssd_data.data.check.check import check
from ssd_data.data.diff import diff
from ssd_data.evaluation.sources import EvalChoice, open_set


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    made = Voc(tmp_path / "raw", 4)
    made.held_back("5")
    return made


def odd(voc: Voc, what: str) -> dict[str, Any]:
    """Break a picture of both splits so that a build needs an option; which."""
    for i in ("2", "5"):
        path = voc.annotation(i)
        if what == "sizes":
            path.write_text(xml([("cat", 5, 6, 60, 40)], (30, 20), f"{i}.jpg"))
        elif what == "unannotated":
            path.unlink()
        elif what == "missing":
            path.write_text("<annotation>")
        elif what == "map":
            path.write_text(xml([("Cat", 5, 6, 60, 40)], name=f"{i}.jpg"))
        elif what == "exif":
            voc.picture(i).write_bytes(jpeg(48, 48, exif=orientation(6)))
            path.write_text(xml([("cat", 5, 6, 20, 40)], (48, 48), f"{i}.jpg"))
    if what == "boxes":
        for path in (voc.root / "Annotations").iterdir():
            path.write_text(xml([("cat", 0.1, 0.2, 0.5, 0.75)], name=f"{path.stem}.jpg"))
    return {
        "sizes": {"sizes": "picture"},
        "unannotated": {"unannotated": "skip"},
        "missing": {"missing": "skip"},
        "map": {"map": {"Cat": "cat"}},
        "exif": {"exif": "upright"},
        "boxes": {"boxes": "fractions"},
    }[what]


def orientation(number: int) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


KINDS = ["sizes", "unannotated", "missing", "map", "exif", "boxes"]


@pytest.mark.parametrize("what", KINDS)
def test_check_and_diff_see_what_the_build_stores(what: str, voc: Voc, tmp_path: Path) -> None:
    given = odd(voc, what)
    if what in ("unannotated", "missing"):  # else the split had no picture
        voc.annotation("5").write_text(xml(name="5.jpg"))
    build(find(voc.root), tmp_path / "out", BuildOptions(**given))
    assert not check(voc.root, reading=given).errors
    assert not diff(voc.root, tmp_path / "out", reading=given)
    if what == "unannotated":  # without boxes, unless told otherwise
        told = diff(voc.root, tmp_path / "out").found.kinds
        assert [one.listed for one in told.values()] == [["JPEGImages/2.jpg"]]
    elif what in ("sizes", "missing", "boxes"):
        assert check(voc.root).errors


@pytest.mark.parametrize("what", ["sizes", "map", "exif", "boxes"])
def test_eval_takes_the_same_for_true(what: str, voc: Voc, tmp_path: Path) -> None:
    given = odd(voc, what)
    build(find(voc.root), tmp_path / "out", BuildOptions(**given))
    raw = open_set(voc.root, EvalChoice("voc", reading=given))
    stored = open_set(tmp_path / "out", EvalChoice("voc"))
    assert raw.names == stored.names
    assert raw.truth.classes == stored.truth.classes == ("cat",)
    assert raw.truth.boxes == pytest.approx(stored.truth.boxes, abs=1e-3)


def test_labelmaps_with_renamed_classes(voc: Voc) -> None:
    given = odd(voc, "map")
    names = [item.name for item in labelmap_of(str(voc.root))]
    renamed = labelmap_of(str(voc.root), reading=given)
    assert (names[1:], [item.name for item in renamed][1:]) == (["Cat", "cat"], ["cat"])
    assert any('"Cat"' in text for text in disagreements(renamed, str(voc.root)))
    assert not disagreements(renamed, str(voc.root), reading=given)
    with pytest.raises(UsageError, match='no box is of a class "Cta"'):
        labelmap_of(str(voc.root), reading={"map": {"Cta": "cat"}})


def test_a_format_that_is_told(voc: Voc, tmp_path: Path) -> None:
    build(find(voc.root), tmp_path / "out")
    assert diff(voc.root, tmp_path / "out", format="folders").common == 5
    assert not diff(voc.root, voc.root, format=("voc", "voc"))
    with pytest.raises(UsageError, match="one format for both"):
        diff(voc.root, voc.root, format=("voc",) * 3)
    assert len(open_set(voc.root, EvalChoice("voc", format="voc")).names) == 1
    assert labelmap_of(str(voc.root), format="voc")


@pytest.mark.parametrize("option", [{"exif": "upright"}, {"map": {"cat": "dog"}}])
def test_options_of_raw_sets_for_what_is_none(
    option: dict[str, Any], voc: Voc, tmp_path: Path
) -> None:
    build(find(voc.root), tmp_path / "out")
    match = f"--{next(iter(option))} belongs to a raw data set"
    for path in (tmp_path / "out", tmp_path / "out" / "raw_test_lmdb"):
        with pytest.raises(UsageError, match=match):
            check(path, reading=option)
        with pytest.raises(UsageError, match=match):
            diff(path, path, reading=option)
        with pytest.raises(UsageError, match=match):
            open_set(path, EvalChoice("voc", reading=option))
        with pytest.raises(UsageError, match=match):
            labelmap_of(str(path), reading=option)


def test_only_what_says_how_annotations_are_read() -> None:
    assert set(READING) <= {*BuildOptions().to_json()}
    with pytest.raises(UsageError, match="--size does not say how annotations are read"):
        BuildOptions.reading({"size": (300, 300)})


def test_the_commands(voc: Voc, tmp_path: Path, run: Any) -> None:
    odd(voc, "sizes")
    assert run("check", voc.root).status == 1
    assert run("check", voc.root, "--sizes", "picture").status == 0
    assert run("build", voc.root, "-o", tmp_path / "out", "--sizes", "picture").status == 0
    assert run("diff", voc.root, tmp_path / "out").status == 1
    assert run("diff", voc.root, tmp_path / "out", "--sizes", "picture").status == 0
    told = run("diff", voc.root, voc.root, "--format", "voc", "--format", "folders")
    assert "no such" not in told.err
    assert run("labelmap", voc.root, "--map", "cat=dog").out.count('"dog"') == 2
    assert run("check", tmp_path / "out", "--boxes", "pixels").status == 2


def test_a_picture_of_two_splits_is_an_error_of_check_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    for split in ("train", "test"):
        rows = f"filename,xmin,ymin,xmax,ymax,class\na.jpg,1,2,30,40,{split}\n"
        (tmp_path / f"{split}.csv").write_text(rows)
    (found,) = check(tmp_path).errors
    assert found.kind == "shared-picture"
