"""Labelmaps of every form, wherever a command takes one; and the cure where one is wrong."""

from pathlib import Path
from typing import Any

import pytest
from support.trees import Voc, xml

from ssd_data import LmdbReader, read_labelmap
from ssd_data.nets.graph import read_graph

FORMS = {
    "map.pbtxt": "item {\n  id: 1\n  name: 'dog'\n}\nitem {\n  id: 2\n  name: 'person'\n}\n",
    "labels.txt": "background\ndog\nperson\n",
    "obj.names": "\ufeffdog\r\nperson\r\n",
    "labelmap.prototxt": 'item { name: "none_of_the_above" label: 0 display_name: "background" } '
    'item { name: "dog" label: 1 } item { name: "person" label: 2 }',
}
NO_BACKGROUND = 'item { name: "dog" label: 1 } item { name: "person" label: 2 }'
FROM_0 = 'item { name: "dog" label: 0 } item { name: "person" label: 1 }'
ADD = 'Add item { name: "none_of_the_above" label: 0 display_name: "background" }'


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    voc = Voc(tmp_path / "raw", count=3)
    voc.annotation(1).write_text(xml([("person", 5, 6, 30, 40), ("dog", 1, 2, 30, 40)]))
    voc.annotation(2).write_text(xml([("dog", 5, 6, 30, 40)]))
    voc.annotation(3).write_text(xml([("person", 5, 6, 30, 40)]))
    voc.list(["1", "2"])
    voc.list(["3"], "test")
    return voc.root


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "forms").mkdir()
    path = tmp_path / "forms" / str(request.param)
    path.write_text(FORMS[request.param], "utf-8")
    return path


def test_every_form_is_taken(form: Path, raw: Path, run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("build", raw, "--labelmap", form, "-o", out)
    assert (done.status, done.err) == (0, "")
    lmdb = out / "raw_trainval_lmdb"
    with LmdbReader(lmdb) as records:
        assert sorted(tuple(record.labels.tolist()) for record in records) == [(1,), (2, 1)]
    built = read_labelmap(out / "labelmap.prototxt")
    assert [(i.label, i.name) for i in built] == [
        (0, "none_of_the_above"),
        (1, "dog"),
        (2, "person"),
    ]
    checked = run("check", raw, "--labelmap", form, "--json").json
    assert (checked["errors"], checked["labelmap"]) == ([], str(form))
    assert run("check", lmdb, "--labelmap", form, "--json").json["errors"] == []
    shown = run("inspect", lmdb, "--labelmap", form, "--json").json
    assert [row["name"] for row in shown["classes"]] == ["dog", "person"]
    done = run("export", lmdb, "--to", "voc", "-o", tmp_path / "back", "--labelmap", form)
    assert done.status == 0
    assert "<name>person</name>" in next((tmp_path / "back").rglob("*1.xml")).read_text()
    for source in (out / "labelmap.prototxt", lmdb, raw):
        assert run("labelmap", "--check", form, source).status == 0


def test_the_command_writes_each_as_caffes(form: Path, run: Any, tmp_path: Path) -> None:
    for number, option in enumerate(([form], ["--names-file", form])):
        out = tmp_path / f"{number}.prototxt"
        assert run("labelmap", *option, "-o", out).status == 0
        assert read_labelmap(out) == read_labelmap(form)
        assert out.read_text().count("label: ") == 3


def test_a_net_names_a_labelmap_that_caffe_can_read(form: Path, run: Any, tmp_path: Path) -> None:
    made = tmp_path / "net"
    assert run("model", "mobilenet_ssd", "--labelmap", form, "-o", made).status == 0
    data = read_graph(str(made / "train.prototxt"), "TRAIN").nodes[0].param
    named = Path(data.annotated_data_param.label_map_file)
    assert named == (form if form.suffix == ".prototxt" else made / "labelmap.prototxt")
    assert read_labelmap(named) == read_labelmap(form)
    assert read_labelmap(named).form == "Caffe's"
    output = read_graph(str(made / "deploy.prototxt")).nodes[-1].param.detection_output_param
    assert output.num_classes == 3
    before = {path: path.read_bytes() for path in made.iterdir()}
    assert run("model", "mobilenet_ssd", "--labelmap", form, "-o", made).status == 0  # all there
    other = run("model", "mobilenet_ssd", "--num-classes", 5, "-o", made)
    assert other.status == 1
    assert {path: path.read_bytes() for path in made.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "what", "cure"),
    [
        (NO_BACKGROUND, "the background (label 0) is missing", f"{ADD}\n"),
        (FROM_0, 'label 0 is the background, but here it is "dog"',
         f'{ADD} and 1 to the label of each class ("dog" gets 1)'),
        ('item { name: "background" label: 1 } item { name: "dog" label: 2 }',
         '"background" has the label 1', 'Give "background" the label 0'),
    ],
)  # fmt: skip
def test_a_labelmap_without_background(
    text: str, what: str, cure: str, raw: Path, run: Any, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.prototxt"
    wrong.write_text(text)
    for command in (
        ["build", raw, "-o", tmp_path / "out", "--labelmap", wrong],
        ["labelmap", wrong],
        ["model", "mobilenet_ssd", "-o", tmp_path / "net", "--labelmap", wrong],
    ):
        done = run(*command)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"error: {wrong}: {what}")
        assert cure in done.err
        assert "once each" not in done.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "net").exists()
    done = run("check", raw, "--labelmap", wrong)
    assert done.status == 1
    assert what in done.out
    assert cure.strip() in done.out
    assert "once each" not in done.out
    sound = tmp_path / "sound.prototxt"
    sound.write_text(FORMS["labelmap.prototxt"])
    assert what in run("labelmap", "--check", wrong, sound).out


def test_a_class_called_background_in_the_data(raw: Path, run: Any, tmp_path: Path) -> None:
    (raw / "Annotations" / "2.xml").write_text(xml([("background", 5, 6, 30, 40)]))
    done = run("build", raw, "-o", tmp_path / "out")
    assert done.status == 1
    assert '"background" has the label 1, but the background is label 0' in done.err
    assert "--map background= drops" in done.err
    assert "labelmap-fault" in run("check", raw).out


def test_names_given_in_place(run: Any) -> None:
    done = run("labelmap", "--names", "background, dog,person", "--json")
    assert [item["name"] for item in done.json["items"]] == ["none_of_the_above", "dog", "person"]
    for names, message in (("dog,,cat", "--names:2: a blank"), ("dog,cat,dog", "in line 1 too")):
        done = run("labelmap", "--names", names)
        assert done.status == 1
        assert message in done.err


def test_names_that_look_alike(raw: Path, run: Any, tmp_path: Path) -> None:
    (raw / "Annotations" / "2.xml").write_text(
        xml([("Dog", 5, 6, 30, 40), ("d\u043eg", 1, 1, 9, 9)])
    )
    checked = run("check", raw, "--json").json
    (alike,) = [found for found in checked["warnings"] if found["kind"] == "alike-classes"]
    assert alike["places"] == [
        r'"Dog", "dog" and "d\u043eg" differ only in look-alike characters and case'
    ]
    assert run("build", raw, "-o", tmp_path / "out").status == 0
    built = run("check", tmp_path / "out", "--json").json
    assert "alike-classes" in [found["kind"] for found in built["warnings"]]
