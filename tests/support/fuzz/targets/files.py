"""Files that lie beside data: recipes, labelmaps, records of builds and downloads, archives."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

from ssd_data import SsdDataError, find, link, read_labelmap
from ssd_data.core.files.paths import read_lines
from ssd_data.core.files.plain_yaml import read_yaml
from ssd_data.core.files.publish import OutFolder
from ssd_data.data.download.download import is_begun
from ssd_data.data.download.download import plan as plan_download
from ssd_data.data.download.unpack import unpack
from ssd_data.data.lmdb.companions import name_size_file, read_name_sizes, split_of
from ssd_data.data.lmdb.manifest import differences, read_manifest
from ssd_data.data.recipes import parse
from ssd_data.engines.torch.layers.imagedata import read_list
from support.fuzz.cases import built, case
from support.fuzz.datasets import LABELMAP
from support.fuzz.target import Case, Target
from support.trees import Voc

TENSORFLOW = """item { id: 1 name: "cat" display_name: "a cat" }
item { id: 2 name: 'dog' }
"""


def labelmaps() -> list[Case]:
    names = {
        "classes.txt": "background\ncat\ndog\n", "obj.names": "1 cat\n2 dog\n",
        "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:1,2,3::\n",
    }  # fmt: skip
    maps = {"labelmap.prototxt": LABELMAP, "label_map.pbtxt": TENSORFLOW}
    return [case({name: text}) for name, text in [*names.items(), *maps.items()]]


def read_map(folder: Path) -> list[str]:
    found = read_labelmap(next(folder.iterdir()))
    said = [*map(str, found.faults()), *map(str, found.lookalikes()), *found.shown_apart().values()]
    _ = found.nearest("cta"), found.to_text(), found.differences(found)
    found.require_sound().require_background()
    return said


RECIPE = """name = "A"
format = "voc"
labelmap = "labelmap.prototxt"
metric = "voc"
home = "http://x/"
folders = ["VOCdevkit"]
links = { trainval_lmdb = "a", test_lmdb = ["b", "a"] }
map = { dog = "cat", cow = "" }
[splits.a]
shuffle = true
sources = [{ folder = "VOC2007", set = "trainval" }, { folder = ["x", "y"], set = "x" }]
[splits.b]
choices = [[{ folder = "VOC2007", set = "test" }], [{ folder = "VOC2012", set = "val" }]]
[[downloads]]
urls = ["http://127.0.0.1:9/a.zip"]
bytes = 10
md5 = "0123456789abcdef0123456789abcdef"
into = "x"
splits = ["a"]
"""
COCO = """format = "coco"
[splits.train]
sources = [{ json = "a.json", images = "i", bbox = "xywh", from = 0.1, to = 0.9, seed = 3 }]
"""
CSV = """format = "csv"
[splits.train]
sources = [{ csv = "a.csv", images = ["i", "j"], columns = { image = "a", xmin = 2 }, names = "n" }]
"""


def recipes() -> list[Case]:
    return [case({"my.toml": text, "labelmap.prototxt": LABELMAP}) for text in (RECIPE, COCO, CSV)]


def read_recipe(folder: Path) -> None:
    recipe = parse(folder / "my.toml")
    with suppress(SsdDataError):
        is_begun(recipe, folder)
        plan_download(recipe, folder / "out", list(recipe.splits))
    find(str(folder / "my.toml"), folder)


def yaml() -> list[Case]:
    texts = (
        "path: .\ntrain: images/train\nnc: 2\nnames: {0: cat, 1: 'dog'}\nx: [1, [a, b], {c: d}]\n",
        "a: |\n  text\n  more\nb: >-\n  folded\nc: &x 1\nd: !!str 2\n---\ne: 3\n",
    )
    return [case({"a.yaml": text}) for text in texts]


def yaml_read(folder: Path) -> None:
    read_yaml(folder / "a.yaml", "yaml")


def manifests() -> list[Case]:
    def build(folder: Path) -> None:
        from ssd_data import build

        voc = Voc(folder / "raw", 2)
        voc.held_back("9")
        build(find(str(voc.root)), folder / "out", workers=1)

    return [{name: data for name, data in built(build).items() if name.startswith("out/")}]


def read_build(folder: Path) -> None:
    out = folder / "out"
    with suppress(SsdDataError):
        if (found := read_manifest(out)) is not None:
            differences(found, found)
            found.to_text()
    split_of(out / "raw_test_lmdb")
    with suppress(SsdDataError):
        read_name_sizes(name_size_file(out / "raw_test_lmdb"))
    link(out, folder / "links")


def sizes() -> list[Case]:
    return [
        case(
            {
                "test_name_size.txt": "000001 48 64\na b 375 500\n",
                "list.txt": "a b.jpg 3\nc.jpg -1\n",
            }
        )
    ]


def read_sizes(folder: Path) -> None:
    with suppress(SsdDataError):
        read_list(str(folder / "list.txt"))
    read_lines(folder / "list.txt", "list")
    read_name_sizes(folder / "test_name_size.txt")


JOURNAL = {"published": ["a", "b"], "kept": {"c": [1, 2, 3, 4]}}


def journals() -> list[Case]:
    files = {"out/a": "old", "out/.ready/a": "new", "out/.ready/b": "new"}
    return [
        case({**files, "out/.ready/.journal.json": '{"a": 1, "b": 2}'}),
        case({**files, "out/.lock": json.dumps(JOURNAL), "out/.ready/.lock": json.dumps(JOURNAL)}),
        case({"out/a": "old", "out/.lock": json.dumps(JOURNAL), "out/.staging/b": "new"}),
    ]


def recover(folder: Path) -> None:
    with OutFolder(folder / "out") as out:
        (out.staging / "c").write_text("c")
        out.publish()


def archives() -> list[Case]:
    files = {"a/b.txt": b"hello" * 30, "a/c.jpg": b"\xff\xd8" + bytes(50), "d": b""}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    found = [{"a.zip": zipped.getvalue()}]
    for mode, form in (("", 2), ("gz", 1), ("bz2", 2), ("xz", 1)):  # PAX, GNU
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=f"w:{mode}", format=form) as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name if name != "d" else "é" * 120)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        found.append({"a.zip": packed.getvalue()})
    return found


def unpacked(folder: Path) -> None:
    (folder / "into").mkdir()
    unpack(folder / "a.zip", folder / "into", lambda name, done, total: None)
    escaped = {path.name for path in folder.iterdir()} - {"a.zip", "into"}
    assert not escaped, escaped


TARGETS = [
    Target(
        "labelmap",
        labelmaps,
        read_map,
        ("core.labelmap", "core.classes"),
        batch=2000,
        kinds={"*.txt": "text", "*": "labelmap"},
    ),
    Target(
        "recipe",
        recipes,
        read_recipe,
        ("data.recipes", "core.files.typed"),
        batch=1000,
        kinds={"labelmap.prototxt": "labelmap"},
    ),
    Target(
        "yaml",
        yaml,
        yaml_read,
        ("core.files.plain_yaml",),
        batch=1500,
    ),
    Target(
        "build-record",
        manifests,
        read_build,
        ("data.lmdb.manifest", "data.lmdb.companions", "data.build.links"),
        kept=("*.mdb",),
        kinds={"*/labelmap.prototxt": "labelmap"},
        renames=True,
    ),
    Target(
        "lists",
        sizes,
        read_sizes,
        ("data.lmdb.companions", "core.files.paths", "engines.torch.layers.imagedata"),
        batch=2000,
    ),
    Target(
        "publish",
        journals,
        recover,
        ("core.files.publish", "core.files.exchange"),
        kinds={"*/.lock": "json", "*.json": "json"},
        renames=True,
    ),
    Target("unpack", archives, unpacked, ("data.download.unpack",), kinds={"*": "archive"}),
]
