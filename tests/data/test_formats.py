"""What a format states of itself decides; nobody asks which one it is."""

from pathlib import Path

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import InputError, find, recognise
from ssd_data.core.registry import FORMATS, WRITERS
from ssd_data.data import formats
from ssd_data.data.formats.folders.schema import FolderSource
from ssd_data.data.formats.pairlists import line_of, parted
from ssd_data.data.formats.tree import Tree
from ssd_data.data.recipes import parse

RECIPE = """
format = "{}"
[splits.a]
sources = [{}]
"""


def recipe(tmp_path: Path, kind: str, source: str) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(RECIPE.format(kind, source))
    return path


def test_each_folder_states_what_it_is() -> None:
    assert {"annoset", "coco", "folders", "voc", "widerface"} <= set(dict(formats.all_formats()))
    assert {".json", ".txt", ".xml"} <= set(formats.annotation_files())
    assert {"coco", "voc"} <= set(WRITERS.names())
    for name, one in formats.all_formats():
        assert one is formats.load(name)
        assert bool(one.layout) == (one.recognise is not None), name


def test_the_surest_layout_is_taken(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")  # JPEGImages and Annotations are two folders side by side as well
    dataset = recognise(voc.root)
    assert (dataset.format, dataset.why) == ("voc", "ImageSets/Main has its lists")
    assert formats.load("folders").recognise(Tree(voc.root)) is not None  # type: ignore[misc]
    (voc.root / "ImageSets" / "Main" / "trainval.txt").unlink()
    dataset = recognise(voc.root)
    assert (dataset.format, dataset.why) == ("folders", "it has JPEGImages and Annotations")
    assert dataset.splits["test"].sources == (FolderSource("JPEGImages", "Annotations", first=0.8),)


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("voc", '{ st = "x" }', 'splits.a: a source lacks "set"'),
        ("voc", '{ set = "x", imges = "y" }', 'splits.a: a source has no "imges"\n.*images'),
        ("voc", "{ set = 7 }", '"set" is no path or list of paths'),
        ("voc", '{ set = ["x", 7] }', '"set" is no path or list of paths'),
        ("voc", '{ set = ["x", "a\\u0007"] }', '"set" is no path or list of paths'),
        ("folders", '{ images = "x", labels = "y", from = "z" }', '"from" is no path'),
        ("txt", '{ list = "x" }', '"txt" is a format of single files\n.*annoset, coco'),
    ],
)
def test_sources_say_what_their_format_asks_for(
    kind: str, source: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        parse(recipe(tmp_path, kind, source))


def test_alternatives_are_decided_on_the_disk(tmp_path: Path) -> None:
    Voc(tmp_path / "raw" / "b")
    path = recipe(tmp_path, "voc", '{ folder = ["a", "b"], set = "trainval" }')
    (source,) = find(str(path), tmp_path / "raw").splits["a"].sources
    assert formats.load("voc").needs(source)[0] == "b/ImageSets/Main/trainval.txt"
    with pytest.raises(InputError, match="MISSING  a/ImageSets/Main/trainval.txt"):
        find(str(path), tmp_path)


def test_shares_of_two_folders(tmp_path: Path) -> None:
    for folder, ending, data in (("Images", "jpg", jpeg()), ("Labels", "xml", xml().encode())):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for stem in range(10):
            (tmp_path / "raw" / folder / f"{stem}.{ending}").write_bytes(data)
    read = formats.load("folders").read

    def names(source: FolderSource) -> set[str]:
        from ssd_data.core.notes import Tally

        return {Path(entry.image).stem for entry in read(tmp_path / "raw", source, Tally())}

    first, last = (
        names(FolderSource("Images", "Labels", first=a, last=b)) for a, b in ((0, 0.3), (0.3, 1))
    )
    assert (len(first), len(last)) == (3, 7)
    assert not first & last
    assert names(FolderSource("Images", "Labels", last=0.3, seed=1)) != first
    with pytest.raises(InputError, match='"to" is 1.5, not a share'):
        names(FolderSource("Images", "Labels", last=1.5))


@pytest.mark.parametrize("pair", [("a.jpg", "b.xml"), ("a b.jpg", "c.xml"), ("a.jpg", "b c.xml")])
def test_a_line_of_a_list_is_read_as_it_was_written(pair: tuple[str, str], tmp_path: Path) -> None:
    assert parted(tmp_path, line_of(*pair).rstrip("\n"), "here") == pair


def test_names_of_formats_and_writers_are_not_made_up() -> None:
    with pytest.raises(InputError, match='unknown format "vok"\n.*Did you mean voc'):
        FORMATS.load("vok")
    with pytest.raises(InputError, match='cannot export to "folders"\n.*coco, .*voc'):
        WRITERS.load("folders")
