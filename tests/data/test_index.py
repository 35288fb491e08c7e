"""The file that lists a data set's pictures stands for the data set."""

import json
from pathlib import Path

import pytest
from support.commands import run
from support.trees import Voc, jpeg
from support.yolo import tree

from ssd_data import InputError, UsageError, build, find
from ssd_data.core.files.fences import is_kept

LINE = "0 0.5 0.5 0.2 0.2\n"
YAML = "train: images/train\nval: images/val\nnames: [cat, dog]\n"


def yolo(root: Path, **files: str) -> Path:
    """Two training pictures and one held back, each with a cat."""
    pictures = {f"images/{name}.jpg": jpeg(seed=1) for name in ("train/a", "train/b", "val/c")}
    labels = {f"labels/{name}.txt": LINE for name in ("train/a", "train/b", "val/c")}
    texts = {name.replace("__", "."): text for name, text in files.items()}
    return tree(root, {**pictures, **labels, **texts})


def coco(root: Path, split: str, names: list[str], folder: str) -> Path:
    for seed, name in enumerate(names):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(jpeg(seed=seed))
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    images = [{"id": i, "file_name": n, "width": 64, "height": 48} for i, n in enumerate(names)]
    boxes = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 30, 20]}
        for i in range(len(names))
    ]
    table = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cup"}]}
    path.write_text(json.dumps(table))
    return path


def test_a_data_yaml_among_others(tmp_path: Path) -> None:
    other = "train: images/val\nval: images/train\nnames: [x, y]\n"
    root = yolo(tmp_path / "set", data__yaml=YAML, other__yaml=other, names__yaml="names: [a, b]")
    whole = find(root / "data.yaml")
    assert (whole.name, whole.root, whole.format, whole.said) == ("set", root, "yolo", ())
    assert "other.yaml is not read beside data.yaml" in find(root).said
    turned = find(root / "other.yaml")
    assert [one.images for one in turned.splits["train"].sources] == ["images/val"]
    assert [item.name for item in turned.classes()][1:] == ["x", "y"]
    named = find(root / "names.yaml")  # the folders say the splits
    assert [item.name for item in named.classes()][1:] == ["a", "b"]
    assert sorted(named.splits) == ["train", "val"]


def test_a_broken_yaml_is_said_when_it_is_named(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", data__yaml=YAML, other__yaml="names: [a, b\n")
    assert find(root).said == ()
    with pytest.raises(InputError, match="other.yaml:2: not YAML"):
        find(root / "other.yaml")


def test_a_yaml_of_pictures_elsewhere(tmp_path: Path) -> None:
    yolo(tmp_path / "set")
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "set.yaml"
    path.write_text(f"path: ../set\n{YAML}")
    with pytest.raises(InputError, match=r"path: ../set is another folder.*\n.*/set and name it"):
        find(path)
    path.write_text(f"path: ../none\n{YAML}")
    assert any("path: ../none is not here" in said for said in find(path).said)


def test_darknets_data(tmp_path: Path) -> None:
    text = "train = train.txt\nvalid = val.txt\nnames = obj.names\n"
    lists = {"train__txt": "images/train/a.jpg\n", "val__txt": "images/val/c.jpg\n"}
    root = yolo(tmp_path, data__yaml=YAML, obj__data=text, obj__names="cow\npig\n", **lists)
    dataset = find(root / "obj.data")
    assert [item.name for item in dataset.classes()][1:] == ["cow", "pig"]
    assert [one.images for one in dataset.splits["train"].sources] == ["train.txt"]


@pytest.mark.parametrize("folder", ["train", "images/train"])
def test_cocos_json_counts_from_the_folder_above_annotations(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coco(tmp_path, "train", ["a.jpg", "b.jpg"], folder)
    coco(tmp_path, "val", ["c.jpg"], folder.replace("train", "val"))
    dataset = find(path)
    assert (dataset.root, list(dataset.splits), dataset.said) == (tmp_path, ["train"], ())
    (source,) = dataset.splits["train"].sources
    assert (source.json, source.images) == ("annotations/instances_train.json", folder)
    monkeypatch.chdir(path.parent)
    near = find("instances_train.json")
    assert (near.root.resolve(), near.splits) == (tmp_path, dataset.splits)


def test_one_of_several_csv_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    rows = "filename,xmin,ymin,xmax,ymax,class\na.jpg,1,2,30,40,{}\n"
    for name in ("old", "new"):
        (tmp_path / f"{name}.csv").write_text(rows.format(name))
    with pytest.raises(InputError, match="2 CSV files of boxes are here"):
        find(tmp_path)
    assert [item.name for item in find(tmp_path / "new.csv").classes()][1:] == ["new"]
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="odd.csv:1: no column is known for the picture"):
        find(tmp_path / "odd.csv").classes()


def test_what_lies_beside_a_folder_called_as_a_part(tmp_path: Path) -> None:
    """Its files may start their paths one folder above: what is wrong there is not its affair."""
    folder, beside = tmp_path / "test_2", tmp_path / "beside"
    folder.mkdir()
    beside.mkdir()
    (beside / "out").symlink_to("/")
    (folder / "boxes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="beside/out: this link leaves"):
        find(folder / "boxes.csv").classes()
    (folder / "a.jpg").write_bytes(jpeg())
    with pytest.raises(InputError, match="boxes.csv:1: no column is known for the picture"):
        find(folder / "boxes.csv").classes()


def test_what_is_no_index(tmp_path: Path) -> None:
    voc = Voc(tmp_path / "raw")
    list_file = voc.root / "ImageSets/Main/trainval.txt"
    with pytest.raises(InputError, match=r"no file that lists .*\n.*with --split for one"):
        find(list_file)
    with pytest.raises(InputError, match="no file that lists"):
        find(voc.picture(1))
    with pytest.raises(InputError, match="no coco file that lists"):
        find(voc.annotation(1), format="coco")
    with pytest.raises(UsageError, match="--root belongs to a recipe"):
        find(list_file, tmp_path)
    with pytest.raises(UsageError, match="no recipe or folder"):
        find(tmp_path / "none.yaml")


def test_every_command_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = yolo(tmp_path / "set", data__yaml=YAML)
    index = root / "data.yaml"
    assert run("build", index, "-o", tmp_path / "out") == 0
    assert run("check", index) == 0
    assert run("diff", index, tmp_path / "out") == 0
    assert "no difference" in capsys.readouterr().out


def test_lists_that_a_data_yaml_contradicts(tmp_path: Path) -> None:
    lists = {"train__txt": "images/train/a.jpg\nimages/val/c.jpg\n"}
    root = yolo(tmp_path / "a", data__yaml=YAML, **lists)
    assert find(root).said == (
        "train.txt lists other pictures: not used, since data.yaml says the splits",
    )
    alike = {"train__txt": "./images/train/b.jpg\nimages/train/a.jpg\n"}
    assert find(yolo(tmp_path / "b", data__yaml=YAML, **alike)).said == ()
    named = yolo(tmp_path / "c", data__yaml=YAML.replace("images/train", "train.txt"), **lists)
    assert find(named).said == ()  # the list is what it names


def test_lists_that_contradict_folders(tmp_path: Path) -> None:
    root = yolo(tmp_path / "a", classes__txt="cat\n", train__txt="images/val/c.jpg\n")
    with pytest.raises(InputError, match=r'train.txt:1: "images/val/c.jpg" is in train.txt and in'):
        find(root)
    fewer = yolo(tmp_path / "b", classes__txt="cat\n", train__txt="images/train/a.jpg\n")
    assert find(fewer).said == ("train.txt: not used, since the folders' names say the splits",)


def test_other_names_beside_a_data_yaml(tmp_path: Path) -> None:
    root = yolo(tmp_path, data__yaml=YAML, classes__txt="dog\ncat\n", labels__txt="")
    said = find(root).said
    assert "classes.txt names other classes than data.yaml, which is taken" in said
    assert any(one.startswith("labels.txt is not read beside data.yaml (") for one in said)


def test_only_the_root_that_is_taken_is_kept_inside(tmp_path: Path) -> None:
    path = coco(tmp_path / "labels", "train", ["a.jpg"], "images")
    (away := tmp_path / "away").mkdir()
    (tmp_path / "labels/images/a.jpg").rename(away / "a.jpg")
    (tmp_path / "labels/images/a.jpg").symlink_to(away / "a.jpg")
    with pytest.raises(InputError, match="this link leaves the data set's folder"):
        build(find(path), tmp_path / "out")
    assert not is_kept(tmp_path)
    assert find(path, follow_links=True).root == tmp_path / "labels"
    assert not is_kept(tmp_path)
