"""Names that differ in capitals, or in how accents are stored, are said where one is missing."""

from pathlib import Path
from unicodedata import normalize

import pytest
from support import raw
from support.trees import Voc, jpeg, xml

from ssd_data import InputError, build, find, recognise
from ssd_data.core.files.near import by_fold, near_file, spelling_hint
from ssd_data.core.files.paths import read_bytes
from ssd_data.data.formats.yolo.pairs import CAPITALS

CAFE = normalize("NFC", "café.jpg")
APART = normalize("NFD", CAFE)


@pytest.mark.parametrize(
    ("wanted", "there", "hint"),
    [
        ("a.JPG", "a.jpg", 'There is "a.jpg": capitals count'),
        ("Straße", "STRASSE", 'There is "STRASSE": capitals count'),
        (CAFE, APART, f'There is "{APART}", whose accents are stored otherwise: rename one'),
        (CAFE.upper(), APART, f'There is "{APART}": capitals count'),
        ("a.jpg", "a.jpg", ""),
        ("a.jpg", "b.jpg", ""),
        ("a", "A\x1b[2J", ""),
        ("a\x1b[2J", "A\x1b[2J", 'There is "A\\x1b[2J": capitals count'),
    ],
)
def test_the_name_that_is_nearly_the_same(wanted: str, there: str, hint: str) -> None:
    assert spelling_hint(wanted, by_fold([there])) == hint


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "Images" / "sub").mkdir(parents=True)
    (tmp_path / "Images" / "sub" / "A.jpg").touch()
    assert near_file(tmp_path / "Images/sub/a.jpg") == 'There is "A.jpg": capitals count'
    assert near_file(tmp_path / "images/sub/a.jpg") == 'There is "Images": capitals count'
    for none in ("images/sub/b.jpg", "none/a.jpg", "Images/sub/A.jpg/b", "a\0b", "x" * 5000):
        assert near_file(tmp_path / none) == ""
    with pytest.raises(InputError, match=r'missing\n  There is "A.jpg": capitals count'):
        read_bytes(tmp_path / "Images/sub/a.JPG", "picture", 9)


def test_a_file_that_came_later_is_known(tmp_path: Path) -> None:
    assert near_file(tmp_path / "a.jpg") == ""
    (tmp_path / "A.jpg").touch()
    assert near_file(tmp_path / "a.jpg") == 'There is "A.jpg": capitals count'


def test_lists_and_annotations(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    voc.list(["1", "img_2", "3"])
    for path in (voc.picture(2), voc.annotation(2)):
        path.rename(path.with_stem("IMG_2"))
    voc.annotation(3).rename(voc.annotation(3).with_suffix(".XML"))
    with pytest.raises(InputError) as caught:
        build(find(voc.root), tmp_path / "out")
    assert 'trainval.txt:2: "img_2" is neither' in str(caught.value)
    assert '(There is "IMG_2": capitals count)' in str(caught.value)
    assert '3.xml: the annotation is missing (There is "3.XML": capitals' in str(caught.value)


def test_pictures_and_annotations_in_folders(tmp_path: Path) -> None:
    for name, other in (("A", "a"), ("b", "b")):
        for path, data in ((f"images/{name}.jpg", jpeg()), (f"labels/{other}.xml", xml().encode())):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(data.replace(b"1.jpg", b"9.jpg"))
    with pytest.raises(
        InputError, match=r'A.xml: .*missing \(There is "a.xml": capitals count; --'
    ):
        build(recognise(tmp_path), tmp_path / "out")


def test_the_txt_of_a_picture_in_other_capitals_is_its_own(tmp_path: Path) -> None:
    for name, data in (("A.jpg", jpeg()), ("a.txt", b"0 .5 .5 .2 .2\n"), ("b.jpg", jpeg())):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "b.txt").write_text("")
    read = raw.read(tmp_path, format="yolo")
    assert [len(rows) for rows in read.rows.values()] == [1, 0]
    assert read.notes[CAPITALS] == ["A.jpg: a.txt"]
