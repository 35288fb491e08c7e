"""Links: relative, replaced in one step, never in place of something real."""

from pathlib import Path

import pytest
from support.trees import Voc

from ssd_data import InputError, LmdbReader, OutputError, build, find, from_list, link

NAMES = {"trainval_lmdb", "test_lmdb", "labelmap.prototxt"}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    return build(find(str(voc.root)), tmp_path / "out").out


def test_links_are_relative_and_lead_to_the_lmdbs(built: Path, tmp_path: Path) -> None:
    into = tmp_path / "train" / "here"
    assert {Path(p).name for p in link(built, into)} == NAMES
    for name in NAMES:
        target = (into / name).readlink()
        assert not target.is_absolute()
        assert (into / name).resolve().parent == built.resolve()
    assert len(LmdbReader(into / "test_lmdb")) == 1


def test_links_survive_a_move_of_both(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    built.rename(home / "out")
    link(home / "out", home / "links")
    home.rename(tmp_path / "moved")
    assert len(LmdbReader(tmp_path / "moved" / "links" / "trainval_lmdb")) == 3


def test_old_and_dangling_links_are_replaced(built: Path, tmp_path: Path) -> None:
    into = tmp_path / "links"
    into.mkdir()
    (into / "test_lmdb").symlink_to(tmp_path / "nowhere")
    (into / "trainval_lmdb").symlink_to(tmp_path / "raw")
    link(built, into)
    link(built, into)
    assert len(LmdbReader(into / "test_lmdb")) == 1
    assert len(LmdbReader(into / "trainval_lmdb")) == 3
    assert {p.name for p in into.iterdir()} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("copy", [False, True])
def test_real_things_are_not_touched(name: str, copy: bool, built: Path, tmp_path: Path) -> None:
    into = tmp_path / "links"
    (into / name).mkdir(parents=True)
    with pytest.raises(OutputError, match=f"{name}: a real file or folder is in the way"):
        link(built, into, copy=copy)
    assert [p.name for p in into.iterdir()] == [name]


def test_copies(built: Path, tmp_path: Path) -> None:
    into = tmp_path / "links"
    link(built, into)
    link(built, into, copy=True)
    assert {p.name for p in into.iterdir() if not p.is_symlink()} == NAMES
    assert len(LmdbReader(into / "test_lmdb")) == 1


def test_what_is_no_build(built: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build.json is missing"):
        link(tmp_path, tmp_path / "links")
    (built / "build.json").write_text("[1]")
    with pytest.raises(InputError, match="not the record of a build"):
        link(built, tmp_path / "links")
    (built / "build.json").write_text("{")
    with pytest.raises(InputError, match="cannot read the build's record"):
        link(built, tmp_path / "links")


def test_a_build_that_lost_its_lmdb(built: Path, tmp_path: Path) -> None:
    (built / "raw_test_lmdb").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="the build is not whole"):
        link(built, tmp_path / "links")
    assert not (tmp_path / "links").exists()


def test_lists_of_one_data_set_share_a_folder(golden: Path, tmp_path: Path) -> None:
    voc = golden / "lmdb" / "voc"
    for name in ("trainval", "test"):
        lines = (golden / "lmdb" / "list.txt").read_text().splitlines(keepends=True)
        (tmp_path / f"{name}.txt").write_text("".join(lines[: 3 if name == "test" else 9]))
        dataset = from_list(tmp_path / f"{name}.txt", voc, voc / "labelmap.prototxt")
        build(dataset, tmp_path / "out", link=tmp_path / "examples")
    names = {"trainval_lmdb", "test_lmdb", "labelmap.prototxt"}
    assert {p.name for p in (tmp_path / "examples").iterdir()} == names
    assert len(LmdbReader(tmp_path / "examples" / "trainval_lmdb")) == 9
    assert len(LmdbReader(tmp_path / "examples" / "test_lmdb")) == 3


def test_an_obstacle_is_found_before_anything_is_built(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    (tmp_path / "links" / "trainval_lmdb").mkdir(parents=True)
    with pytest.raises(OutputError, match="in the way"):
        build(find(voc.root), tmp_path / "out", link=tmp_path / "links")
    assert not (tmp_path / "out").exists()


def test_links_of_two_builds_do_not_mix(built: Path, tmp_path: Path) -> None:
    link(built, tmp_path / "links")
    other = find(Voc(tmp_path / "other").root)  # it has no test split
    before = {p.name: p.readlink() for p in (tmp_path / "links").iterdir()}
    for _ in range(2):
        with pytest.raises(OutputError, match="test_lmdb: this link leads to another build"):
            build(other, tmp_path / "two", link=tmp_path / "links")
        build(other, tmp_path / "two")
        with pytest.raises(OutputError, match="leads to another build"):
            link(tmp_path / "two", tmp_path / "links")
    assert {p.name: p.readlink() for p in (tmp_path / "links").iterdir()} == before


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("into", ["file", "file/below"])
def test_a_file_where_links_should_go_is_refused_before_a_build(
    into: str, dry_run: bool, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    voc = Voc(tmp_path / "raw")
    voc.held_back("4")
    with pytest.raises(OutputError, match="file: cannot write: Not a directory") as refused:
        build(find(voc.root), tmp_path / "out", link=tmp_path / into, dry_run=dry_run)
    assert refused.value.hint.endswith("choose another folder with --link")
    assert not (tmp_path / "out").exists()
