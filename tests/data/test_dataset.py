"""Data sets are found by recipe, by recipe file and by layout; what is missing is shown."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, jpeg, xml

from ssd_data import InputError, UsageError, build, find
from ssd_data.core.notes import Tally
from ssd_data.data import recipes


def devkit(root: Path) -> Path:
    for year, count in (("VOC2007", 3), ("VOC2012", 2)):
        voc = Voc(root / year, count + 1)
        for i in range(1, count + 2):
            voc.annotation(i).write_text(xml([("car", 1, 2, 30, 40)]))
        voc.list([str(i) for i in range(1, count + 1)])
        voc.list([str(count + 1)], "test")
    return root


@pytest.mark.parametrize("name", recipes.names())
def test_every_shipped_recipe_is_sound(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.labelmap is not None
    assert recipe.labelmap.is_file()
    assert recipe.home.startswith("http")
    assert set(recipe.links) == {"trainval_lmdb", "test_lmdb"}
    for split, table in recipe.splits.items():
        assert table.shuffle == split.startswith("train")


@pytest.mark.parametrize("where", ["option", "parent", "environment", "here", "data"])
def test_where_a_recipe_looks(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = devkit(tmp_path / "data" / "VOCdevkit")
    empty = tmp_path / "empty"
    empty.mkdir()
    folders = {"here": root, "data": tmp_path}
    monkeypatch.chdir(folders.get(where, empty))
    if where == "environment":
        monkeypatch.setenv("SSD_DATA_ROOT", str(root))
    option = {"option": root, "parent": root.parent}.get(where)
    dataset = find("voc0712", option)
    assert dataset.root.resolve() == root
    images = [entry.image for entry in dataset.entries("trainval", Tally())]
    assert images[2:4] == ["VOC2007/JPEGImages/3.jpg", "VOC2012/JPEGImages/1.jpg"]
    assert len(list(dataset.entries("test", Tally()))) == 1


def test_what_is_missing_is_shown(tmp_path: Path) -> None:
    devkit(tmp_path / "VOCdevkit")
    (tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main" / "trainval.txt").unlink()
    with pytest.raises(InputError) as caught:
        find("voc0712", tmp_path)
    text = str(caught.value)
    assert "MISSING  VOC2012/ImageSets/Main/trainval.txt" in text
    assert "found    VOC2007/Annotations" in text
    assert "there is: VOC2007, VOC2012" in text
    assert "http://host.robots.ox.ac.uk" in text
    # A split whose files are there can be had all the same.
    assert find("voc0712", tmp_path, ["test"]).links == {"test_lmdb": "test"}


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='Did you mean "voc0712"'):
        find("voc071")
    with pytest.raises(UsageError, match='no split "vall"'):
        find("voc0712", tmp_path, ["vall"])
    with pytest.raises(InputError, match="no such folder"):
        find("voc0712", tmp_path / "nowhere")


RECIPE = """
name = "MINE"
format = "voc"
links = { trainval_lmdb = "a" }
map = { car = "auto", bus = "" }
[splits.a]
shuffle = true
sources = [{ folder = "VOC2007", set = "trainval" }]
"""


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    devkit(tmp_path)
    (tmp_path / "my.toml").write_text(RECIPE)
    dataset = find(str(tmp_path / "my.toml"))  # its files lie beside it
    result = build(dataset, tmp_path / "out")
    assert result.manifest["splits"]["a"]["classes"] == {"auto": 3}
    assert (tmp_path / "out" / "MINE_a_lmdb").is_dir()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"voc"', '"vok"', 'unknown format "vok"'),
        ("shuffle", "shufle", 'splits.a: shufle: unknown key[\\s\\S]*"shuffle"'),
        ("name =", "nam =", "my.toml: nam: unknown key"),
        ('format = "voc"', "", "format: the key is missing"),
        ("shuffle = true", 'shuffle = "yes"', "should be a bool"),
        ('"a" }', '"b" }', 'links.trainval_lmdb: no split "b"'),
        ("[splits.a]", "[splits.a", r"not TOML: .*line 6"),
        ('[{ folder = "VOC2007", set = "trainval" }]', "[]", "sources is a list"),
        ('"MINE"', '"../x"', "cannot name a folder"),
        ("[splits.a]", '[splits."../a"]', "cannot name a file"),
    ],
)
def test_broken_recipes(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(InputError, match=message):
        find(str(path))


def coco_json(path: Path, images: dict[int, str]) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    entries = [
        {"id": i, "file_name": f"{name}.jpg", "width": 64, "height": 48}
        for i, name in images.items()
    ]
    boxes = [
        {"id": 10 * i, "image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        for i in images
    ]
    table = {"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "person"}]}
    path.write_text(json.dumps(table))


@pytest.mark.parametrize("given", ["jsons", "lists", "nothing"])
def test_the_splits_of_coco2014(given: str, tmp_path: Path) -> None:
    names = {"train2014": {1: "t1", 2: "t2"}, "val2014": {3: "v3", 4: "v4", 5: "v5"}}
    for split, images in names.items():
        (tmp_path / "images" / split).mkdir(parents=True)
        for name in images.values():
            (tmp_path / "images" / split / f"{name}.jpg").write_bytes(jpeg())
        coco_json(tmp_path / "annotations" / f"instances_{split}.json", images)
    parts = {"minival2014": {4: "v4"}, "valminusminival2014": {3: "v3", 5: "v5"}}
    for part, images in parts.items():
        if given == "jsons":
            coco_json(tmp_path / "annotations" / f"instances_{part}.json", images)
        elif given == "lists":
            (tmp_path / "ImageSets").mkdir(exist_ok=True)
            text = "".join(f"{name}\n" for name in images.values())
            (tmp_path / "ImageSets" / f"{part}.txt").write_text(text)
    dataset = find("coco2014", tmp_path)
    split = "val" if given == "nothing" else "minival"
    assert dataset.links == {"trainval_lmdb": "train", "test_lmdb": split}

    def stems(split: str) -> list[str]:
        return [Path(entry.image).stem for entry in dataset.entries(split, Tally())]

    assert stems("train") == ["t1", "t2", *([] if given == "nothing" else ["v3", "v5"])]
    assert stems(split) == (["v3", "v4", "v5"] if given == "nothing" else ["v4"])
    result = build(dataset, tmp_path / "out")
    sizes = (tmp_path / "out" / f"{split}_name_size.txt").read_text().split("\n")
    assert sizes[0] == ("3 48 64" if given == "nothing" else "4 48 64")
    assert result.manifest["splits"][split]["classes"] == {"person": len(stems(split))}


def test_folders(tmp_path: Path) -> None:
    devkit(tmp_path / "kit")
    with pytest.raises(InputError, match="several data sets lie here"):
        find(str(tmp_path / "kit"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no known layout[\\s\\S]*ImageSets/Main"):
        find(str(tmp_path / "empty"))
    dataset = find(str(tmp_path / "kit" / "VOC2007"))
    assert dataset.links == {"trainval_lmdb": "trainval", "test_lmdb": "test"}
    assert [item.name for item in dataset.classes()] == ["none_of_the_above", "car"]
    with pytest.raises(UsageError, match="--root belongs to a recipe"):
        find(str(tmp_path / "kit"), tmp_path)


def test_one_data_set_in_a_folder_of_its_name(tmp_path: Path) -> None:
    Voc(tmp_path / "mine" / "inner")
    dataset = find(str(tmp_path / "mine"))
    assert (dataset.name, dataset.root.name) == ("mine", "inner")


def test_the_shuffle_is_the_seeds(tmp_path: Path) -> None:
    from ssd_data import BuildOptions

    voc = Voc(tmp_path / "raw", 12)
    dataset = find(str(voc.root))

    def order(**options: object) -> list[str]:
        out = tmp_path / "out"
        build(dataset, out, BuildOptions(**options), redo=True)  # type: ignore[arg-type]
        lines = (out / "trainval.txt").read_text().splitlines()
        return [Path(line.split()[0]).stem for line in lines]

    listed = [str(i) for i in range(1, 13)]
    assert order(shuffle=False) == listed
    assert order() == order(seed=0) == "4 8 6 3 9 12 5 10 2 7 1 11".split()
    assert sorted(order(seed=1), key=int) == listed != order(seed=1)
    assert order(seed=1) != order(seed=0)
    assert order(limit=5) == order()[:5]


def test_an_unknown_layout_shows_the_nearest_and_a_recipe(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(5):
        for path, data in ((f"photos/{i}.jpg", jpeg()), (f"marks/of{i}.xml", xml().encode())):
            (tmp_path / "mine" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mine" / path).write_bytes(data)
    told = run("build", "mine").err
    assert "no known layout. Here is: marks/, photos/" in told
    assert "ImageSets/Main" in told
    assert "instances_<split>.json" not in told
    assert "There are 5 pictures in photos/ and 5 annotations in marks/" in told
    Path("mine/my.toml").write_text(textwrap.dedent(told[told.index("  format =") :]))
    assert "marks/0.xml: the annotation is missing" in run("build", "mine/my.toml").err
    for i in range(5):
        (tmp_path / "mine" / "marks" / f"{i}.xml").write_text(xml())
    done = run("build", "mine/my.toml", "-o", "out", "--json")
    assert [split["records"] for split in done.json["splits"].values()] == [4, 1]


def test_a_folder_that_two_formats_fit(tmp_path: Path) -> None:
    root = Voc(tmp_path / "both", 2).root
    (root / "annotations").mkdir()
    table = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 9]}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(table))
    (root / "train").mkdir()
    (root / "train" / "1.jpg").write_bytes(jpeg())
    with pytest.raises(InputError, match="this may be coco or voc") as caught:
        find(root)
    assert "--format voc: ImageSets/Main has its lists" in str(caught.value)
    assert find(root, format="voc").format == "voc"
    with pytest.raises(InputError, match="no widerface data set"):
        find(root, format="widerface")
    with pytest.raises(UsageError, match="not one of folders"):
        find(root, format="annoset")
    with pytest.raises(UsageError, match="--format belongs to a folder"):
        find("voc0712", format="voc")


def test_nothing_is_written_by_a_dry_run(tmp_path: Path, run: Any) -> None:
    made = Voc(tmp_path / "voc", 3)
    made.list(["1", "2"])
    made.list(["3"], "test")
    before = sorted(tmp_path.rglob("*"))
    told = run("build", made.root, "--dry-run", "-o", tmp_path / "out")
    assert "trainval        2      2          0              0  0.0  would be built" in told.out
    assert "trainval_lmdb would be trainval" in told.out
    table = run("build", made.root, "--dry-run", "--json").json
    assert (table["dry_run"], table["labelmap"]) == (True, ["background", "cat"])
    assert table["splits"]["trainval"]["classes"] == {"cat": 2}
    assert table["links"] == {"trainval_lmdb": "trainval", "test_lmdb": "test"}
    assert sorted(tmp_path.rglob("*")) == before


def _splits(told: Any) -> Any:
    """What JSON tells of the splits, but for how it was packed."""
    return {name: {**split, "notes": split["notes"]} for name, split in told.json["splits"].items()}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--size", 32, "--outside", "clip"),
        ("--empty", "keep", "--map", "cat=dog"),
        ("--verify", "decode", "--missing", "skip"),
        ("--limit", 1, "--no-shuffle"),
    ],
)
def test_a_dry_run_tells_what_a_build_does(
    options: tuple[object, ...], tmp_path: Path, run: Any
) -> None:
    made = Voc(tmp_path / "voc", 4)
    made.held_back("5", "6")
    boxes = [("cat", 5, 6, 30, 40), ("cat", 9, 9, 9, 20), ("cat", 50, 40, 70, 60)]
    made.annotation(1).write_text(xml(boxes, name="other.jpg"))
    out = tmp_path / "out"
    dry = run("build", made.root, *options, "-o", out, "--dry-run", "--json")
    assert not out.exists()
    assert _splits(dry) == _splits(run("build", made.root, *options, "-o", out, "--json"))
    again = run("build", made.root, *options, "-o", out, "--dry-run")
    assert (again.status, again.out.splitlines()[-1]) == (0, "up to date")


def test_a_dry_run_ends_as_a_build_does(tmp_path: Path, run: Any) -> None:
    made, out = Voc(tmp_path / "voc", 4), tmp_path / "out"
    made.held_back("5")
    made.annotation(2).write_text("<annotation>")
    made.picture(3).write_bytes(b"no picture")
    made.annotation(4).write_text(xml([("cat", 1, 2, 90, 80)], (100, 90), "4.jpg"))
    dry, built = (run("build", made.root, "-o", out, *dry) for dry in (("--dry-run",), ()))
    assert (dry.status, dry.err) == (built.status, built.err) == (1, dry.err)
    assert "nothing was built: 3 problems" in dry.err
    assert not out.exists()
    out.write_text("a file")
    for dry in (("--dry-run",), ()):
        told = run("build", made.root, "-o", out, *dry)
        assert (told.status, "cannot write: Not a directory" in told.err) == (1, True)
    out.unlink()
    other = Voc(tmp_path / "other", 2)
    other.held_back("5")
    assert run("build", other.root, "-o", out).status == 0
    dry, built = (run("build", made.root, "-o", out, *dry) for dry in (("--dry-run",), ()))
    assert (dry.err, dry.status) == (built.err, 1)
    assert "this folder holds other, not voc" in dry.err


def test_a_split_that_nobody_asked_for_is_said(tmp_path: Path, run: Any) -> None:
    made = Voc(tmp_path / "voc", 3)
    (made.root / "ImageSets/Main/trainval.txt").unlink()
    for number, split in enumerate(("Train", "Validation", "Test"), 1):
        made.list([str(number)], split)
    passed = 'note: the split "Validation" is not {}: --split Validation does it\n'
    assert passed.format("checked") in run("check", made.root).out
    assert run("check", made.root, "--json").json["left_out"] == ["Validation"]
    assert passed.format("built") in run("build", made.root, "--dry-run").out
    out = ("-o", tmp_path / "out")
    assert passed.format("built") in run("build", made.root, *out).out
    named = run("build", made.root, *out, "--split", "Validation").out
    assert "note:" not in named
    assert "Validation        1" in named
    made.list(["1", "2"], "trainval")
    assert "note:" not in run("build", made.root, "--dry-run").out


@pytest.mark.parametrize("choice", ["fail", "skip", "background"])
def test_pictures_without_an_annotation(choice: str, tmp_path: Path, run: Any) -> None:
    made = Voc(tmp_path / "voc", 3)
    made.annotation(2).unlink()
    done = run("build", made.root, "-o", tmp_path / "out", "--unannotated", choice, "--json")
    if choice == "fail":
        assert done.status == 1
        assert "--unannotated background" in done.err
        return
    split = done.json["splits"]["trainval"]
    assert split["records"] == {"skip": 2, "background": 3}[choice]
    assert split["without_boxes"] == (choice == "background")
    (note,) = split["notes"].values()
    assert note == {"count": 1, "listed": ["JPEGImages/2.jpg"]}
