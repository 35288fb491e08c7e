"""What lies beside an LMDB, and how it is called."""

import json
from pathlib import Path

import pytest
from support.trees import Voc

from ssd_data import InputError, build, find
from ssd_data.data.lmdb.companions import (
    labelmap_file,
    labelmap_of,
    manifest_of,
    name_size_file,
    read_name_sizes,
    split_of,
)


@pytest.fixture
def lmdb(tmp_path: Path) -> Path:
    voc = Voc(tmp_path / "raw")
    voc.list(["3"])
    voc.list(["1", "2"], "test")
    return build(find(voc.root), tmp_path / "out").out / "raw_test_lmdb"


def rename(lmdb: Path, split: str, name_size: str) -> None:
    """As if the build had called the split and its file of sizes otherwise."""
    path = lmdb.parent / "build.json"
    table = json.loads(path.read_text())
    made = table["splits"].pop("test")
    table["splits"][split] = {**made, "name_size": name_size}
    path.write_text(json.dumps(table))


def test_of_an_lmdb_of_a_build(lmdb: Path, tmp_path: Path) -> None:
    assert labelmap_of(lmdb).label("cat") == 1
    assert split_of(lmdb) == "test"
    assert name_size_file(lmdb) == lmdb.parent / "test_name_size.txt"
    assert read_name_sizes(name_size_file(lmdb)) == [("1", (64, 48)), ("2", (64, 48))]
    manifest = manifest_of(lmdb)
    assert manifest is not None
    assert manifest.splits["test"].records == 2
    (tmp_path / "link").symlink_to(lmdb)
    for one in (tmp_path / "link", lmdb):
        assert (split_of(one), name_size_file(one)) == ("test", lmdb.parent / "test_name_size.txt")


def test_the_record_comes_before_the_name(lmdb: Path) -> None:
    rename(lmdb, "held_out", "sizes.txt")
    assert split_of(lmdb) == "held_out"
    assert name_size_file(lmdb) == lmdb.parent / "sizes.txt"  # even where it is not there


@pytest.mark.parametrize("size", ["48 -64", "48 6.4", f"48 {'9' * 5000}", f"{'9' * 10} 64"])
def test_a_size_that_no_picture_has(size: str, tmp_path: Path) -> None:
    (tmp_path / "sizes.txt").write_text(f"1 48 64\n2 {size}\n")
    with pytest.raises(InputError, match="a name, height and width") as caught:
        read_name_sizes(tmp_path / "sizes.txt")
    assert caught.value.where == f"{tmp_path}/sizes.txt:2"


@pytest.mark.parametrize("text", ["{", '{"splits": {}}', None])
def test_without_a_record_names_decide(text: str | None, lmdb: Path) -> None:
    rename(lmdb, "other", "sizes.txt")
    (lmdb.parent / "build.json").unlink()
    if text is not None:
        (lmdb.parent / "build.json").write_text(text)
    assert split_of(lmdb) == "test"
    assert name_size_file(lmdb) == lmdb.parent / "test_name_size.txt"
    (lmdb.parent / "raw_test_name_size.txt").write_text("")
    assert name_size_file(lmdb) == lmdb.parent / "raw_test_name_size.txt"
    plain = lmdb.rename(lmdb.with_name("plain"))
    assert split_of(plain) == ""
    assert name_size_file(plain) == lmdb.parent / "plain_name_size.txt"


def test_a_record_of_others_and_a_broken_one(lmdb: Path) -> None:
    other = lmdb.rename(lmdb.with_name("other_lmdb"))
    assert manifest_of(other) is None
    (lmdb.parent / "build.json").write_text("[]")
    with pytest.raises(InputError, match=r"build\.json: not the record of a build"):
        manifest_of(other)


def test_a_record_says_where_it_is_wrong(lmdb: Path) -> None:
    path = lmdb.parent / "build.json"
    text = path.read_text()
    for old, new, where in (
        ('"records": 2', '"records": "2"', r"build\.json: splits\.test: records: .* should be a"),
        ('"format": "voc"', '"form": "voc"', r"build\.json: format: .*the key is missing"),
        ('"raw_test_lmdb"', '"../x"', r"build\.json: splits\.test: .*'\.\./x' cannot name a file"),
    ):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=where):
            manifest_of(lmdb)


def test_no_lmdb_has_no_labelmap(lmdb: Path) -> None:
    assert labelmap_file(lmdb.parent) is None
    (lmdb.parent / "labelmap.prototxt").unlink()
    with pytest.raises(InputError, match=r"there is no labelmap\.prototxt beside it\n.*--labelmap"):
        labelmap_of(lmdb)
