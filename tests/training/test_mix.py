"""Training on several builds by turns: exact where it goes on, refused where it cannot mean so."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import commands

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.labelmap import read_labelmap
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.proto import caffe_pb2
from ssd_data.training.mixing import find_source, mix_into
from ssd_data.training.options import Extras, TrainOptions
from ssd_data.training.preflight import preflight
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.run import train_file
from ssd_data.training.shares import parse_shares
from ssd_data.training.solver_file import look_at_solver, read_solver

Run = Callable[..., commands.Result]
TRAIN = ("train", "short.prototxt", "--device", "cpu", "--workers", 0)
MIX = ("--mix", "lmdb=1,more=3")
LOSS = re.compile(r"^Iteration (\d+), loss = (\S+)$", re.M)


def records_of(source: str, into: str, first: int, last: int) -> None:
    """A part of an LMDB, as one of its own with its labelmap."""
    with LmdbReader(source) as reader:
        items = list(reader.items())[first:last]
    with LmdbWriter(Path(into)) as writer:
        for key, value in items:
            writer.put(key, value)
    shutil.copy("labelmap.prototxt", into)


@pytest.fixture(autouse=True)
def more(solver_file: Path) -> None:
    """A second LMDB beside the first one, of eleven of its records."""
    records_of("lmdb", "more", 20, 31)


@pytest.fixture
def whole(run: Run, tmp_path: Path) -> list[tuple[str, str]]:
    """The losses of a run that nothing stops."""
    done = run(*TRAIN, *MIX)
    assert done.status == 0, done.err
    for file in Path().glob("short_iter_*"):
        shutil.move(file, tmp_path)
    return LOSS.findall(done.err)


def test_what_is_said(run: Run) -> None:
    done = run(*TRAIN, *MIX, "--max-iter", 4)
    assert done.status == 0, done.err
    assert re.search(
        r"^lmdb +1 of 4 +32 +128 pictures, 32 iterations +0\.12 times$", done.err, re.M
    )
    assert re.search(r"^more +3 of 4 +11 +15 pictures, 4 iterations +1\.07 times$", done.err, re.M)
    shares = [{"source": "lmdb", "weight": 1}, {"source": "more", "weight": 3}]
    row = json.loads(Path("short.jsonl").read_text().splitlines()[0])
    assert (row["mix"], row["options"]["extras"]["mix"]) == (shares, MIX[1])
    log = Path("short.log").read_text()
    assert "] Opened lmdb lmdb, weight 1\n" in log
    assert "] Opened lmdb more, weight 3\n" in log
    kept = json.loads(Path("short_iter_4.resume.json").read_text())
    assert kept["positions"][0] == {"data": 16}
    assert [one["records"] for one in kept["data"][0]["data"]["mix"]] == [32, 11]


def test_it_goes_on_to_the_last_bit(run: Run, whole: list[tuple[str, str]], tmp_path: Path) -> None:
    assert len(whole) == 13
    assert run(*TRAIN, *MIX, "--max-iter", 5).status == 0
    done = run(*TRAIN, "--resume", "auto")  # with the mix that the snapshot records
    assert done.status == 0, done.err
    assert "--mix lmdb=1,more=3: as the snapshot records" in done.err
    assert LOSS.findall(done.err) == whole[5:]
    for ending in ("caffemodel", "solverstate"):
        name = f"short_iter_12.{ending}"
        assert Path(name).read_bytes() == (tmp_path / name).read_bytes()


def test_another_order_of_the_seed_is_another_training(
    run: Run, whole: list[tuple[str, str]]
) -> None:
    assert LOSS.findall(run(*TRAIN, *MIX, "--seed", 6).err) != whole


@pytest.mark.parametrize(
    ("mix", "how"),
    [
        ("lmdb=1,more=2", "that was lmdb=1, more=3"),
        ("more=3,lmdb=1", "that was lmdb=1, more=3"),
        ("lmdb=1", "that was lmdb=1, more=3"),
        ("", "that was lmdb=1, more=3"),
    ],
)
def test_another_mix_is_refused(mix: str, how: str, run: Run) -> None:
    assert run(*TRAIN, *MIX, "--max-iter", 4).status == 0
    resumed = (*TRAIN, "--resume", "auto", "--mix", mix, "--max-iter", 6)
    done = run(*resumed)
    assert done.status == 1
    assert f"that short_iter_4.solverstate was trained on ({how})" in done.err
    assert not Path("short_iter_6.solverstate").exists()
    assert run(*resumed, "--other-data").status == 0


def test_one_lmdb_is_no_mix(run: Run) -> None:
    assert run(*TRAIN, "--max-iter", 4).status == 0
    done = run(*TRAIN, "--resume", "auto", *MIX)
    assert done.status == 1
    assert "it is not the mix that" in done.err
    assert "(that was one LMDB of 32 records)" in done.err


def test_a_source_that_was_built_anew_is_refused(run: Run) -> None:
    assert run(*TRAIN, *MIX, "--max-iter", 4).status == 0
    shutil.rmtree("more")
    records_of("lmdb", "more", 20, 30)
    done = run(*TRAIN, "--resume", "auto")
    assert done.status == 1
    assert "(more: 10 records, then 11)" in done.err


def test_what_lies_beside_the_snapshot_is_checked(run: Run) -> None:
    assert run(*TRAIN, *MIX, "--max-iter", 4).status == 0
    file = Path("short_iter_4.resume.json")
    kept = json.loads(file.read_text())
    for wrong in ("lmdb", [1], [{"source": "lmdb"}]):
        kept["data"][0]["data"]["mix"] = wrong
        file.write_text(json.dumps(kept))
        done = run(*TRAIN, "--resume", "short_iter_4.solverstate")
        assert done.status == 1
        assert 'its "data" is not what a training writes' in done.err


# ---- what is checked before ----


def looked_at(mix: str, world: int = 1) -> Preflight:
    file = look_at_solver("short.prototxt")
    mix_into(file, mix)
    return preflight(file, extras=Extras(mix=mix), world=world)


def errors_of(mix: str) -> list[str]:
    return [str(error) for error in looked_at(mix).errors]


def rename(folder: str, old: str, new: str) -> None:
    path = Path(folder, "labelmap.prototxt")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_labels_must_mean_the_same() -> None:
    assert errors_of(MIX[1]) == []
    names = [item.name for item in read_labelmap(Path("labelmap.prototxt")) if item.label > 0]
    rename("more", f'name: "{names[0]}"', 'name: "zebra"')
    shutil.copy("labelmap.prototxt", "lmdb")
    (error,) = errors_of(MIX[1])
    assert error.startswith("more: its labels mean other classes than those of lmdb: label 1 is")
    assert '"zebra"' in error


def test_one_class_has_one_label() -> None:
    """Where the labels differ, there is no label with two names."""
    map_of = 'item {{ name: "{}" label: {} display_name: "{}" }}\n'.format
    Path("lmdb/labelmap.prototxt").write_text(map_of("cat", 1, "cat") + map_of("dog", 2, "dog"))
    Path("more/labelmap.prototxt").write_text(map_of("cat", 3, "cat"))
    errors = errors_of(MIX[1])
    assert any('"cat" is label 1 and 3' in error for error in errors)


def test_a_part_of_the_classes_will_do() -> None:
    items = re.findall(r"item \{.*?\}", Path("more/labelmap.prototxt").read_text(), re.S)
    Path("more/labelmap.prototxt").write_text("\n".join(items[:-1]))
    assert errors_of(MIX[1]) == []


def test_without_a_labelmap_it_is_doubtful() -> None:
    Path("more/labelmap.prototxt").unlink()
    Path("labelmap.prototxt").unlink()
    said = [str(warning) for warning in looked_at(MIX[1]).warnings]
    assert any("--mix: more: no labelmap lies beside it" in warning for warning in said)


def test_channels_and_sizes_must_agree() -> None:
    with LmdbReader("lmdb") as reader:
        (key, value), *_ = reader.items()
    datum = caffe_pb2.AnnotatedDatum.FromString(value)
    datum.datum.channels = 1
    with LmdbWriter(Path("gray")) as writer:
        writer.put(key, datum.SerializeToString())
    assert any("gray: 1 channels" in e and "3 in lmdb" in e for e in errors_of("lmdb=1,gray=1"))
    net = Path("train.prototxt").read_text()
    Path("train.prototxt").write_text(re.sub(r"resize_param \{[^}]*\}", "", net))
    datum.datum.channels, datum.datum.width = 3, 5
    shutil.rmtree("gray")
    with LmdbWriter(Path("gray")) as writer:
        writer.put(key, datum.SerializeToString())
    assert any("pictures have several sizes" in error for error in errors_of("lmdb=1,gray=1"))


def test_all_sources_are_held_against_the_test_set() -> None:
    said = [str(warning) for warning in looked_at("more=1,lmdb_test=1").warnings]
    assert any("tests the pictures it is trained on: lmdb_test" in warning for warning in said)


def test_several_processes_take_more_at_once() -> None:
    alone, two = looked_at(MIX[1]), looked_at(MIX[1], world=2)
    assert [one.iterations for one in alone.mix] == [32, 4]
    assert [one.iterations for one in two.mix] == [16, 2]
    assert alone.to_json()["mix"][1]["pictures"] == 15


def test_the_source_that_the_net_names_need_not_be_there() -> None:
    Path("lmdb").rename("elsewhere")
    assert errors_of("elsewhere=1,more=1") == []


@pytest.mark.parametrize(
    ("mix", "what"),
    [
        ("lmdb=1,none=1", '"none" is not there'),
        ("lmdb=1,./lmdb=2", "./lmdb is lmdb once more"),
        ("lmdb=1,.=2", "neither a build nor an LMDB"),
    ],
)
def test_a_source_that_cannot_be_had(mix: str, what: str, run: Run) -> None:
    done = run(*TRAIN, "--mix", mix)
    assert done.status == 1
    assert what in done.err
    assert not Path("short.jsonl").exists()


def test_a_mix_is_for_one_layer() -> None:
    file = look_at_solver("short.prototxt")
    file.train.nodes[:] = [node for node in file.train.nodes if node.type != "AnnotatedData"]
    mix_into(file, MIX[1])
    (fault,) = file.faults
    assert fault.what == "the training net has no AnnotatedData layer: a mix is for one"


def test_the_run_itself_refuses_it() -> None:
    """Without a look at it before."""
    with pytest.raises(InputError, match='"none" is not there'):
        train_file(read_solver("short.prototxt"), TrainOptions(extras={"mix": "lmdb=1,none=1"}))


def test_a_build_means_its_training_split(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = ("--train", 3, "--test", 2, "--size", 64)
    assert run("sample", "shapes", "--layout", "voc", *sizes, "-q").status == 0
    assert run("build", "shapes/voc", "-o", "SHAPES", "-q").status == 0
    assert find_source("SHAPES") == "SHAPES/voc_trainval_lmdb"
    assert find_source("SHAPES/voc_test_lmdb") == "SHAPES/voc_test_lmdb"
    manifest = json.loads(Path("SHAPES/build.json").read_text())
    manifest["links"] = {}
    Path("SHAPES/build.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="which of its splits is for training") as error:
        find_source("SHAPES")
    assert "SHAPES/voc_test_lmdb" in error.value.hint


# ---- the text ----


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("", []),
        ("A=7", [("A", 1)]),
        ("A=2,B=4", [("A", 1), ("B", 2)]),
        ("A=0.1,B=0.2,C=1", [("A", 1), ("B", 2), ("C", 10)]),
        ("A=1,B=0.000001", None),
        ("a=b=1,/x y/z=0.5", [("a=b", 2), ("/x y/z", 1)]),
        ("A=999999,B=1", [("A", 999999), ("B", 1)]),
    ],
)
def test_weights_are_turns(text: str, shares: list[tuple[str, int]] | None) -> None:
    if shares is None:
        with pytest.raises(UsageError, match="a round of 1,000,001 pictures"):
            parse_shares(text)
    else:
        assert parse_shares(text) == shares


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "=1",
        "A=",
        "A=0",
        "A=-1",
        "A=nan",
        "A=1e3",
        "A=1,",
        ",",
        "A=1,B",
        "A=0.0",
        "A=٣",
        "A= 1",
    ],
)
def test_what_is_no_mix(text: str, run: Run) -> None:
    with pytest.raises(UsageError) as error:
        Extras(mix=text)
    assert error.value.where == "--mix"
    assert run(*TRAIN, "--mix", text).status == 2


def test_it_goes_on_with_its_seed(run: Run) -> None:
    whole = LOSS.findall(run(*TRAIN, *MIX, "--seed", 6, "--max-iter", 8).err)
    for file in Path().glob("short_iter_*"):
        file.unlink()
    assert run(*TRAIN, *MIX, "--seed", 6, "--max-iter", 4).status == 0
    done = run(*TRAIN, "--resume", "auto", "--max-iter", 8)
    assert "--seed 6: as the snapshot records" in done.err
    assert LOSS.findall(done.err) == whole[4:]


def test_another_seed_is_refused(run: Run) -> None:
    """Its place would be one in another order."""
    assert run(*TRAIN, *MIX, "--seed", 6, "--max-iter", 4).status == 0
    resumed = (*TRAIN, "--resume", "auto", "--seed", 7, "--max-iter", 6)
    done = run(*resumed)
    assert done.status == 2
    assert "--seed 7: the snapshot's mix is in the order of --seed 6" in done.err
    assert not Path("short_iter_6.solverstate").exists()
    assert run(*resumed, "--other-data").status == 0


def test_another_seed_of_one_lmdb_is_said(run: Run) -> None:
    assert run(*TRAIN, "--seed", 6, "--max-iter", 4).status == 0
    done = run(*TRAIN, "--resume", "auto", "--seed", 7, "--max-iter", 6)
    assert done.status == 0
    assert "--seed 7: until the snapshot it was --seed 6" in done.err
