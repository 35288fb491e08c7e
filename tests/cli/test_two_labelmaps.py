"""Two labelmaps lie about an LMDB: all commands take the same one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import run
from support.trees import Voc, xml

from ssd_data import build, find, link, read_labelmap
from ssd_data.cli import main
from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.store import LmdbReader

Say = pytest.CaptureFixture[str]
NAMES = ("built", "linked", "inside")
MISSED = ("--missing", "count", "-q")


@pytest.fixture
def lmdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to a build's LMDB of one class, which its labelmap calls "built"."""
    voc = Voc(tmp_path / "raw")
    for number in (1, 2, 3):
        voc.annotation(number).write_text(xml([("built", 5, 6, 30, 40)]))
    voc.list(["3"])
    voc.list(["1", "2"], "test")
    build(find(voc.root), tmp_path / "BUILD")
    link(tmp_path / "BUILD", tmp_path / "here")
    (tmp_path / "here" / "labelmap.prototxt").unlink()
    monkeypatch.chdir(tmp_path)
    return Path("here/test_lmdb")


def inspect(lmdb: Path, say: Say) -> str:
    run("inspect", lmdb, "--json")
    (row,) = json.loads(say.readouterr().out)["classes"]
    return str(row["name"])


def view(lmdb: Path, say: Say) -> str:
    met: list[LabelMap] = []

    class Seen(Exception):
        pass

    def viewer(reader: LmdbReader, index: object, names: LabelMap, *_: object) -> None:
        met.append(names)
        raise Seen

    pytest.importorskip("werkzeug")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSD_DATA_DEBUG", "1")
        patch.setattr("ssd_data.pages.viewer.app.Viewer", viewer)
        with pytest.raises(Seen):
            main(["view", str(lmdb), "--no-browser"])
    return met[0].display_name(1)


def report(lmdb: Path, say: Say) -> str:
    from ssd_data.pages.report.subject import gather

    (row,) = gather(lmdb).splits[0].summary["classes"]
    return str(row["name"])


def check(lmdb: Path, say: Say) -> str:
    run("check", lmdb, "--json")
    return read_labelmap(json.loads(say.readouterr().out)["labelmap"]).display_name(1)


def labelmap(lmdb: Path, say: Say) -> str:
    run("labelmap", lmdb, "--json")
    return str(json.loads(say.readouterr().out)["items"][1]["name"])


def labelmap_check(lmdb: Path, say: Say) -> str:
    for name in NAMES:
        write_labelmap(LabelMap.from_names([name]), Path("asked.prototxt"), redo=True)
        if run("labelmap", "--check", "asked.prototxt", lmdb, "-q") == 0:
            return name
    return "none"


def export(lmdb: Path, say: Say) -> str:
    assert run("export", lmdb, "--to", "voc", "-o", "exported", "-q") == 0
    text = Path("exported/Annotations/1.xml").read_text()
    return text.partition("<name>")[2].partition("<")[0]


def evaluate(lmdb: Path, say: Say) -> str:
    from ssd_data.evaluation.sources import open_set

    return open_set(lmdb).labelmap.display_name(1)


def score(lmdb: Path, say: Say) -> str:
    Path("found").mkdir()
    for name in NAMES:
        (Path("found") / f"comp4_det_test_{name}.txt").write_text("")
        if run("score", "voc", "--detections", "found", "--truth", lmdb, *MISSED) == 0:
            return name
        (Path("found") / f"comp4_det_test_{name}.txt").unlink()
    return "none"


COMMANDS: list[Callable[[Path, Say], str]] = [
    inspect, view, report, check, labelmap, labelmap_check, export, evaluate, score
]  # fmt: skip


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_all_commands_take_the_same(
    command: Callable[[Path, Say], str], where: str, lmdb: Path, capsys: Say
) -> None:
    """Beside the build there is always one; another may lie beside the link, or in the LMDB."""
    if where != "built":
        write_labelmap(LabelMap.from_names(["linked"]), Path("here/labelmap.prototxt"))
    if where == "inside":
        inside = lmdb.resolve() / "labelmap.prototxt"
        write_labelmap(LabelMap.from_names(["inside"]), inside)
    found = labelmap_file(lmdb)
    assert found is not None
    assert read_labelmap(found).display_name(1) == where
    assert command(lmdb, capsys) == where


def test_a_build_is_checked_and_shown_by_the_same(lmdb: Path, capsys: Say) -> None:
    from ssd_data.pages.report.subject import gather

    write_labelmap(LabelMap.from_names(["inside"]), lmdb.resolve() / "labelmap.prototxt")
    run("check", "BUILD", "--split", "test", "--json")
    checked = read_labelmap(json.loads(capsys.readouterr().out)["labelmap"])
    shown = gather(Path("BUILD"), splits=["test"]).labelmap
    assert shown is not None
    assert checked.display_name(1) == shown.display_name(1) == "inside"
