"""Mutated input of every kind gives a result or one clear error, never another exception."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import cvat_xml, hub, labelme_json, openimages_csv
from support.trees import Voc, jpeg, xml

from ssd_data import BuildOptions, LmdbReader, SsdDataError, build, find, read_labelmap
from ssd_data.core.images import decode, picture_limits, probe, without_orientation
from ssd_data.data.recipes import parse

FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """``seed`` with a few bytes overwritten, cut out, doubled or put in, or its end cut off."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["overwrite", "insert", "delete", "double", "cut"]))
        piece = draw(st.binary(min_size=1, max_size=6))
        size = draw(st.integers(1, 40))
        if kind == "overwrite":
            data[at : at + len(piece)] = piece
        elif kind == "insert":
            data[at:at] = piece
        elif kind == "delete":
            del data[at : at + size]
        elif kind == "double":
            data[at:at] = data[at : at + size]
        else:
            del data[at:]
    return bytes(data)


def attempt(root: Path, name: str, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    try:
        build(find(name, None), out, BuildOptions(max_pixels=1_000_000), workers=1)
    except SsdDataError as error:
        assert str(error)  # noqa: PT017
        assert not out.exists()


@FUZZ
@given(data=mutated(xml([("cat", 5, 6, 30, 40), ("dog", 1, 2, 3, 4)]).encode()))
def test_xml(data: bytes, tmp_path: Path) -> None:
    if not (tmp_path / "raw").exists():
        Voc(tmp_path / "raw", 1)
    (tmp_path / "raw" / "Annotations" / "1.xml").write_bytes(data)
    attempt(tmp_path / "raw", str(tmp_path / "raw"), tmp_path / "out")


COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3.5, 4], "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3.5, 4], "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}


@FUZZ
@given(data=mutated(json.dumps(COCO).encode()))
def test_coco(data: bytes, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "train").mkdir(exist_ok=True)
    (root / "train" / "1.jpg").write_bytes(jpeg())
    (root / "annotations" / "instances_train.json").write_bytes(data)
    attempt(root, str(root), tmp_path / "out")


FACES = "1 2 10 12 0 0 0 0 0 0\n5 6 7 8 0 0 0 1 0 0\n"
WIDER = f"0--P/1.jpg\n2\n{FACES}0--P/2.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"


@FUZZ
@given(data=mutated(WIDER.encode()))
def test_widerface(data: bytes, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "wider_face_split").mkdir(parents=True, exist_ok=True)
    (root / "WIDER_train" / "images" / "0--P").mkdir(parents=True, exist_ok=True)
    for i in (1, 2):
        (root / "WIDER_train" / "images" / "0--P" / f"{i}.jpg").write_bytes(jpeg())
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_bytes(data)
    attempt(root, str(root), tmp_path / "out")


@FUZZ
@given(data=mutated(b"1 5 6 30 40\n2 0.5 1 20 20\n"))
def test_txt(data: bytes, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for folder in ("Images", "Labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "Images" / "1.jpg").write_bytes(jpeg())
    (root / "Labels" / "1.txt").write_bytes(data)
    attempt(root, str(root), tmp_path / "out")


@FUZZ
@given(data=mutated(b"1\n2\n3\n"))
def test_voc_list(data: bytes, tmp_path: Path) -> None:
    if not (tmp_path / "raw").exists():
        Voc(tmp_path / "raw", 3)
    (tmp_path / "raw" / "ImageSets" / "Main" / "trainval.txt").write_bytes(data)
    attempt(tmp_path / "raw", str(tmp_path / "raw"), tmp_path / "out")


CVAT_IMAGES = cvat_xml.document(
    cvat_xml.task(cvat_xml.labels("cup")),
    cvat_xml.image(
        "1.jpg",
        cvat_xml.box("cup", (5, 6, 30, 40), cvat_xml.attribute("difficult", "true"), rotation=30),
        cvat_xml.shape("polygon", "cup", points="1,2;3,4;5,2"),
    ),
)
CVAT_VIDEO = cvat_xml.document(
    cvat_xml.task(mode="interpolation", start_frame=0, stop_frame=9, frame_filter="step=2"),
    cvat_xml.track("cup", cvat_xml.at(0, (5, 6, 30, 40)), cvat_xml.at(4, (1, 2, 3, 4))),
)


@pytest.mark.parametrize("kind", ["images", "video"])
def test_cvat(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    cvat_xml.pictures(root, "images/1.jpg", *(f"images/frame_{i:06}.png" for i in range(5)))

    @FUZZ
    @given(data=mutated({"images": CVAT_IMAGES, "video": CVAT_VIDEO}[kind].encode()))
    def check(data: bytes) -> None:
        (root / "annotations.xml").write_bytes(data)
        attempt(root, str(root), tmp_path / "out")

    check()


LABELME = labelme_json.document(
    labelme_json.shape("cup", [[5, 6], [30.5, 40]], group_id=1, flags={"difficult": True}),
    labelme_json.shape("cup", [[5, 6], [9, 9]], "circle", group_id=1),
)


@FUZZ
@given(data=mutated(json.dumps(LABELME).encode()))
def test_labelme(data: bytes, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    labelme_json.pictures(root, "a.jpg", "b.jpg", "c.jpg")
    for name in "bc":
        labelme_json.write(root, f"{name}.json", labelme_json.document(path=f"{name}.jpg"))
    labelme_json.write(root, "a.json", data)
    attempt(root, str(root), tmp_path / "out")


BOXES = [openimages_csv.row(i, openimages_csv.CUP, (0.1, 0.2, 0.3, 0.4)) for i in "aab"]


@FUZZ
@given(data=mutated("\n".join([openimages_csv.HEADER, *BOXES]).encode()))
def test_openimages(data: bytes, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    openimages_csv.pictures(root, "train/a.jpg", "train/b.jpg")
    openimages_csv.names(root)
    (root / "train-annotations-bbox.csv").write_bytes(data)
    attempt(root, str(root), tmp_path / "out")


EXIF = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
PICTURES = {
    "jpg": jpeg(exif=EXIF),
    "png": jpeg(format="PNG"),
    "webp": jpeg(format="WEBP"),
    "tiff": jpeg(format="TIFF"),
    "bmp": jpeg(format="BMP"),
    "gif": jpeg(format="GIF"),
}


LISTS = {
    "train.csv": "filename,width,height,class,xmin,ymin,xmax,ymax,split\n"
    'a.jpg,160,120,"cup, big",1.5,2,30,40,train\nb.jpg,160,120,cup,1,2,30,40,test\na.jpg,,,,,,,,\n',
    "train.tsv": "image_id\tbbox\tlabel\na\t[80, 10, 50, 20]\tcup\n",
    "boxes.csv": "TRAIN,gs://b/a.jpg,cup,0.1,0.1,,,0.3,0.3,,\nTEST,gs://b/b.jpg,,,,,,,,,\n",
    "keras.csv": "images/a.jpg,1,2,30,40,cup\nimages/b.jpg,,,,,\n",
    "train.manifest": '{"source-ref": "s3://b/a.jpg", "j": {"annotations": [{"class_id": 0,'
    ' "left": 1, "top": 2, "width": 3, "height": 4}]},'
    ' "j-metadata": {"class-map": {"0": "cup"}}}\n',
    "export.jsonl": '{"imageGcsUri": "gs://b/a.jpg", "boundingBoxAnnotations": [{"displayName":'
    ' "cup", "xMin": 0.1, "yMin": 0.1, "xMax": 0.2, "yMax": 0.3}]}\n',
    "images/metadata.jsonl": '{"file_name": "a.jpg", "objects": {"bbox": [[80, 10, 50, 20]],'
    ' "category": ["cup"]}}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_files_that_list_pictures(name: str, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    openimages_csv.pictures(root, "images/a.jpg", "images/b.jpg")

    @settings(FUZZ, max_examples=60)
    @given(data=mutated(LISTS[name].encode()))
    def check(data: bytes) -> None:
        (root / name).write_bytes(data)
        attempt(root, str(root), tmp_path / "out")

    check()


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    root, name = tmp_path / "raw", "data/train.parquet"
    rows = [hub.row(f"{i}.jpg", (100, 20, 50, 90)) for i in range(2)]
    for one in rows:
        one["image"]["bytes"] = jpeg(16, 16)
    seed = hub.parquet(root, name, rows, hub.features()).read_bytes()

    @settings(FUZZ, max_examples=60)
    @given(data=mutated(seed))
    def check(data: bytes) -> None:
        (root / name).write_bytes(data)
        attempt(root, str(root), tmp_path / "out")

    check()
    for letters in (b"bbox", b"objects", b"bytes"):  # names that are no text
        (root / name).write_bytes(seed.replace(letters, b"\xec" * len(letters)))
        attempt(root, str(root), tmp_path / "out")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", PICTURES)
def test_pictures(kind: str) -> None:
    @FUZZ
    @given(data=mutated(PICTURES[kind]))
    def check(data: bytes) -> None:
        with picture_limits():
            try:
                info = probe(data, "picture", max_pixels=1_000_000)
                assert 0 < info.width * info.height <= 1_000_000
                assert len(without_orientation(data, info)) == len(data)
                assert decode(data, "picture").ndim == 3
            except SsdDataError as error:
                assert str(error).startswith("picture: ")  # noqa: PT017

    check()


@FUZZ
@given(data=mutated(b'item {\n  name: "a"\n  label: 1\n  display_name: "b"\n}\n' * 2))
def test_labelmap(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(data)
    with suppress(SsdDataError):
        read_labelmap(tmp_path / "l").faults()


RECIPE = b'name = "A"\nformat = "voc"\n[splits.a]\nshuffle = true\nsources = [{ set = "x" }]\n'


@FUZZ
@given(data=mutated(RECIPE))
def test_recipe(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(data)
    with suppress(SsdDataError):
        parse(tmp_path / "r.toml")
        find(str(tmp_path / "r.toml"), tmp_path)


def test_lmdb_records(golden: Path) -> None:
    from ssd_data.data.lmdb.records import decode_record

    with LmdbReader(golden / "lmdb" / "lmdb_plain") as records:
        value = records.value(records.keys()[4])

    @FUZZ
    @given(data=mutated(value))
    def check(data: bytes) -> None:
        try:
            decode_record(b"0_a", data).decode()
        except SsdDataError as error:
            assert str(error).startswith("0_a: ")  # noqa: PT017

    check()
