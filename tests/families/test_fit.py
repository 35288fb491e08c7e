"""``ssd-data fit``: the original's matching, map sizes without PyTorch, proposals that hold."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from support.commands import run

from ssd_data import families
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.registry import FAMILIES
from ssd_data.core.structures import Boxes
from ssd_data.data.lmdb.records import encode_record, key_of
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.engines.torch import matching as original
from ssd_data.engines.torch.summary import summarise
from ssd_data.families.fit import fit as fitting
from ssd_data.families.fit.layout import Layout, Rules, read_layout
from ssd_data.families.fit.matching import Matches, match
from ssd_data.families.fit.proposals import Coverage, Sizes
from ssd_data.families.fit.truths import Truths, read_truths
from ssd_data.nets.graph import to_graph
from ssd_data.nets.priors import prior_boxes
from ssd_data.nets.prototxt import to_text
from ssd_data.nets.sizes import map_sizes
from ssd_data.proto import caffe_pb2

SHAPE = (3, 100, 200)  # of the records: channels, height, width


def write_lmdb(path: Path, pictures: list[list[list[float]]], hard: bool = False) -> Path:
    """Records with these boxes, fractions; their pictures are none, and are not looked at."""
    with LmdbWriter(path) as writer:
        for number, boxes in enumerate(pictures):
            count = len(boxes)
            value = encode_record(
                b"not a picture", SHAPE, np.ones(count, np.int32),
                np.array(boxes, np.float32).reshape(-1, 4), np.full(count, hard),
            )  # fmt: skip
            writer.put(key_of(number, f"picture{number}.jpg"), value)
    return path


def draw_boxes(seed: int, count: int, low: float = 0.02, high: float = 0.6) -> Boxes:
    random = np.random.default_rng(seed)
    sides = np.exp(random.uniform(np.log(low), np.log(high), (count, 2)))
    corners = random.uniform(0, 1 - sides)
    return np.concatenate((corners, corners + sides), 1).astype(np.float32)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a family's training net."""
    folder = tmp_path_factory.mktemp("nets")

    def write(family: str = "mobilenet_ssd", stage: str = "train", **options: Any) -> Path:
        model = families.generate(family, 2, **{"size": (160, 160), **options})
        path = folder / f"{len(list(folder.iterdir()))}.prototxt"
        path.write_text(to_text(model.nets[stage]))  # type: ignore[index]
        return path

    return write


# ---- map sizes ----


@pytest.mark.parametrize("family", FAMILIES.names())
def test_map_sizes_are_those_of_the_engine(family: str) -> None:
    for variant in FAMILIES.load(family).VARIANTS:
        model = families.generate(family, 3, variant=variant)
        width, height = model.settings.size
        graph = to_graph(model.nets["deploy"], "TEST")
        expected = {row.blob: row.map for row in summarise(graph).priors}
        for same in (graph, to_graph(model.nets["train"], "TRAIN")):
            found = map_sizes(same, (height, width))
            assert {blob: found[blob] for blob in expected} == expected, variant


def test_a_map_that_vanishes_is_refused() -> None:
    net = caffe_pb2.NetParameter()
    layer = net.layer.add(name="data", type="Input", top=["data"])
    layer.input_param.shape.add(dim=[1, 3, 8, 8])
    layer = net.layer.add(name="wide", type="Convolution", bottom=["data"], top=["wide"])
    layer.convolution_param.kernel_size.append(9)
    with pytest.raises(InputError, match="0x0"):
        map_sizes(to_graph(net))
    layer.convolution_param.kernel_size[0] = 3
    layer.convolution_param.stride.append(0)
    with pytest.raises(InputError, match="stride"):
        map_sizes(to_graph(net))


@pytest.mark.parametrize("name", ["step", "step_h", "img_size", "img_w"])
def test_a_step_of_nothing_is_refused(name: str) -> None:
    param = caffe_pb2.PriorBoxParameter(min_size=[8], **{name: 0})
    with pytest.raises(InputError, match="positive"):
        prior_boxes(param, (2, 2), (16, 16))


# ---- matching ----


def table_of(pictures: list[Boxes]) -> Truths:
    picture = np.repeat(np.arange(len(pictures)), [len(boxes) for boxes in pictures])
    boxes = np.concatenate(pictures)
    keys = [str(number) for number in range(len(pictures))]
    return Truths(keys, picture, boxes, np.ones(len(boxes), np.int32))


def original_matches(truths: Truths, priors: Boxes, rules: Rules) -> tuple[Any, ...]:
    """The embedded engine's: best overlap, matched, forced, number of priors of each box."""
    truth = original.GroundTruth(
        torch.from_numpy(truths.picture), torch.from_numpy(truths.labels).long(),
        torch.from_numpy(truths.boxes),
    )  # fmt: skip
    boxes = torch.from_numpy(priors)
    threshold = None if rules.bipartite_only else rules.overlap
    index, _ = original.match(
        boxes, truth, len(truths.keys), threshold=threshold, ignore_outside=rules.ignore_outside
    )
    table = original.overlap(truth.boxes, boxes).numpy()
    owned = np.array([[(row == box).numpy() for box in range(len(truths))] for row in index]).any(0)
    matched = (owned & (table >= np.float32(rules.overlap))).any(1)
    return matched, owned.any(1) & ~matched, owned.sum(1)


@settings(max_examples=60)
@given(
    strategies.lists(strategies.integers(1, 9), min_size=1, max_size=4),
    strategies.sampled_from([0.1, 0.3, 0.5, 0.9]),
    strategies.booleans(),
    strategies.booleans(),
    strategies.integers(0, 1 << 16),
)
def test_matching_is_the_originals(
    counts: list[int], overlap: float, only: bool, outside: bool, seed: int
) -> None:
    # Corners on a coarse grid tie often, and few priors are fought for.
    pictures = [np.round(draw_boxes(seed + i, n) * 8) / 8 for i, n in enumerate(counts)]
    truths = table_of([boxes.astype(np.float32) for boxes in pictures])
    priors = np.round(draw_boxes(seed + 77, 12, 0.1, 0.9) * 8 - 0.4).astype(np.float32) / 8
    rules = Rules(overlap, bipartite_only=only, ignore_outside=outside)
    found = match(truths, priors, rules, workers=1)
    matched, forced, owned = original_matches(truths, priors, rules)
    np.testing.assert_array_equal(found.matched, matched)
    np.testing.assert_array_equal(found.forced, forced)
    np.testing.assert_array_equal(found.priors, owned)
    assert found.by_prior.sum() == owned.sum()


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    truths = table_of([draw_boxes(i, 1 + i % 5) for i in range(40)])
    priors = draw_boxes(99, 50)
    whole = match(truths, priors, Rules(0.4), workers=1)
    monkeypatch.setattr("ssd_data.families.fit.matching.PAIRS", 200)
    parts = match(truths, priors, Rules(0.4), workers=2)
    for name in Matches.__slots__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_a_picture_with_too_many_boxes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssd_data.families.fit.matching.MOST_PAIRS", 100)
    with pytest.raises(InputError, match="too many"):
        match(table_of([draw_boxes(0, 11)]), draw_boxes(1, 10), Rules(0.5))


# ---- truths ----


def test_boxes_as_the_loss_gets_them(tmp_path: Path, net: Callable[..., Path]) -> None:
    sound = [0.2, 0.2, 0.6, 0.8]
    lmdb = write_lmdb(
        tmp_path / "lmdb",
        [[sound], [], [[-0.2, 0.1, 0.4, 0.9], [0.5, 0.5, 0.5, 0.9], [0.9, 0.1, 1.4, 0.3]]],
    )
    truths = read_truths(lmdb, read_layout(net()))
    # The resizing cuts them first, so the centre of the last lies inside.
    cut = [[0, 0.1, 0.4, 0.9], [0.9, 0.1, 1, 0.3]]
    np.testing.assert_allclose(truths.boxes, [sound, *cut], atol=1e-6)
    assert truths.picture.tolist() == [0, 2, 2]
    assert list(truths.left_out.values()) == [1]


def test_difficult_boxes_are_left_out_where_the_loss_does(tmp_path: Path, net: Any) -> None:
    lmdb = write_lmdb(tmp_path / "lmdb", [[[0.2, 0.2, 0.6, 0.8]]], hard=True)
    text = net().read_text()
    assert len(read_truths(lmdb, read_layout(net()))) == 1
    (tmp_path / "easy").write_text(
        text.replace("use_difficult_gt: true", "use_difficult_gt: false")
    )
    with pytest.raises(InputError, match="no box"):
        read_truths(lmdb, read_layout(tmp_path / "easy"))


# ---- layouts ----


def test_a_deploy_net_needs_an_overlap(net: Callable[..., Path]) -> None:
    path = net(stage="deploy")
    with pytest.raises(UsageError, match="MultiBoxLoss"):
        read_layout(path)
    layout, trained = read_layout(path, 0.5), read_layout(net())
    np.testing.assert_array_equal(layout.boxes()[0], trained.boxes()[0])
    assert trained.rules == Rules(0.5)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("resize_param {", "resize_param { resize_mode: FIT_SMALL_SIZE", "own sizes"),
        ("PriorBox", "Silence", "no PriorBox"),
        ("resize_param {", "crop_size: 100 resize_param {", "crops"),
        ("min_size: 32.0", "min_size: -1", "positive"),
        ("min_size: 32.0", "min_size: nan", "positive"),
        ("min_size: 32.0", "min_size: 3e38", "positive"),
        ("min_size: 32.0", "min_size: 2e9 #", "max_size|far outside"),
        ("offset: 0.5", "offset: nan", "far outside"),
        ("offset: 0.5", "offset: 0.5 step: inf", "positive"),
        ("overlap_threshold: 0.5", "overlap_threshold: nan", "no number"),
    ],
)  # fmt: skip
def test_nets_that_cannot_be_fitted(
    old: str, new: str, what: str, net: Callable[..., Path], tmp_path: Path
) -> None:
    text = net().read_text()
    assert old in text
    text = text.replace(old, new)
    if new == "Silence":
        text = "\n".join(line for line in text.splitlines() if "mbox_priorbox" not in line)
    (tmp_path / "net").write_text(text)
    with pytest.raises(InputError, match=what):
        read_layout(tmp_path / "net").boxes()


def test_priors_without_area_match_nothing(net: Callable[..., Path], tmp_path: Path) -> None:
    text = re.sub(r"min_size: \d+\.?0?", "min_size: 0.5", net().read_text())
    (tmp_path / "net").write_text(text)
    lmdb = write_lmdb(tmp_path / "lmdb", [draw_boxes(0, 3).tolist()])
    # The original holds sizes in an int.
    assert run("fit", lmdb, "--net", tmp_path / "net", "-o", tmp_path / "plots", "-q") == 0


# ---- the search ----


def test_the_fast_coverage_is_the_exact_one(net: Callable[..., Path]) -> None:
    for family in ("mobilenet_ssd", "sfd_mobilenetv2"):
        layout = read_layout(net(family))
        boxes = draw_boxes(3, 200, 0.01, 0.9)
        search = Coverage(layout, boxes)
        fast = search.all_maps(Sizes.of(layout)).max(0)
        exact = match(table_of([boxes]), layout.boxes()[0], layout.rules).best
        np.testing.assert_allclose(fast, exact, atol=2e-6)


@pytest.mark.parametrize(
    ("family", "low", "high"),
    [
        ("mobilenet_ssd", 0.02, 0.2),
        ("mobilenet_ssd", 0.3, 0.9),
        ("sfd_mobilenetv2", 0.015, 0.1),
        ("vgg_ssd", 0.05, 0.5),
    ],
)
def test_what_is_proposed_holds_when_it_is_built(
    family: str, low: float, high: float, tmp_path: Path, net: Any, capsys: Any
) -> None:
    lmdb = write_lmdb(tmp_path / "lmdb", [draw_boxes(i, 3, low, high).tolist() for i in range(60)])
    size = {"size": (300, 300)} if family == "vgg_ssd" else {}
    old = read_layout(net(family, **size)) if family != "vgg_ssd" else None
    options = ["--num-classes", "2", *([] if family == "vgg_ssd" else ["--size", "160"])]
    assert run("model", family, *options, "-o", tmp_path / "old", "-q") == 0
    assert run("fit", lmdb, "--net", tmp_path / "old/train.prototxt", "--json") == 0
    before = json.loads(capsys.readouterr().out)
    assert before["proposals"]
    matched = before["matched"]
    for number, proposal in enumerate(before["proposals"]):
        assert proposal["matched"] > matched
        matched = proposal["matched"]
        given = [word for pair in proposal["options"].items() for word in pair]
        new = tmp_path / f"new{number}"
        assert run("model", family, *options, *given, "-o", new, "-q") == 0
        assert run("fit", lmdb, "--net", new / "train.prototxt", "--no-propose", "--json") == 0
        after = json.loads(capsys.readouterr().out)
        assert after["matched"] == proposal["matched"]
        assert after["priors"] == before["priors"]  # so do weights still load
    assert old is None or old.rules.overlap == pytest.approx(before["overlap"])


@settings(max_examples=5)
@given(strategies.integers(0, 1000), strategies.floats(0.02, 0.2), strategies.floats(1.2, 4))
def test_no_proposal_is_worse(net_layout: Layout, seed: int, low: float, times: float) -> None:
    truths = table_of([draw_boxes(seed + i, 2, low, low * times) for i in range(20)])
    now = match(truths, net_layout.boxes()[0], net_layout.rules)
    for proposal in fitting._proposals(net_layout, truths, now):
        assert proposal.coverage > now.coverage
        assert proposal.sizes.sound()


@pytest.fixture(scope="module")
def net_layout(net: Callable[..., Path]) -> Layout:
    return read_layout(net("mobilenet_ssd"))


def test_boxes_that_fit_need_no_proposal(tmp_path: Path, net: Callable[..., Path]) -> None:
    layout = read_layout(net())
    priors, owner = layout.boxes()
    inside = priors[(owner < 2) & (priors >= 0).all(1) & (priors <= 1).all(1)][::7]
    lmdb = write_lmdb(tmp_path / "lmdb", [[box.tolist()] for box in inside])
    found = fitting.fit(lmdb, layout.origin)
    assert found.matches.coverage == 1
    assert not found.proposals
    assert not found.to_json()["unreached"]["listed"]


# ---- the command ----


def test_the_sums_agree(tmp_path: Path, net: Callable[..., Path], capsys: Any) -> None:
    pictures = [draw_boxes(i, 4, 0.01, 0.8).tolist() for i in range(30)]
    lmdb = write_lmdb(tmp_path / "lmdb", pictures)
    assert run("fit", lmdb, "--net", net(), "--no-propose", "--json") == 0
    table = json.loads(capsys.readouterr().out)
    for key in ("maps", "sizes", "ratios"):
        for name in ("boxes", "matched", "forced", "without"):
            assert sum(row[name] for row in table[key]) == table[name], (key, name)
    assert table["boxes"] == table["matched"] + table["forced"] + table["without"] == 120
    listed = table["unreached"]["listed"]
    assert 0 < len(listed) <= table["unreached"]["count"] == 120 - table["matched"]
    assert len({row["key"] for row in listed}) == len(listed)
    assert sorted(row["best_overlap"] for row in listed) == [row["best_overlap"] for row in listed]
    assert "picture" in listed[0]["key"]


def test_what_people_see(tmp_path: Path, net: Callable[..., Path], capsys: Any) -> None:
    lmdb = write_lmdb(tmp_path / "lmdb", [draw_boxes(i, 4, 0.02, 0.3).tolist() for i in range(9)])
    assert run("fit", lmdb, "--net", net(), "-o", tmp_path / "plots") == 0
    shown = capsys.readouterr().out
    for text in ("best prior in", "conv17_2", "width : height", "--min-sizes", "expands up to 4"):
        assert text in shown
    files = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert files == ["fit_ratios.png", "fit_shapes.png", "fit_sizes.png"]
    assert run("fit", lmdb, "--net", net(), "--no-propose", "-q") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("lmdb", "name", "status", "what"),
    [("absent", None, 1, "no LMDB"), ("lmdb", "absent", 1, "missing"), ("lmdb", "text", 1, "")],
)
def test_bad_input(
    lmdb: str, name: str | None, status: int, what: str, tmp_path: Path, net: Any, capsys: Any
) -> None:
    write_lmdb(tmp_path / "lmdb", [[[0.1, 0.1, 0.5, 0.5]]])
    (tmp_path / "text").write_text("<html>")
    path = net() if name is None else tmp_path / name
    assert run("fit", tmp_path / lmdb, "--net", path) == status
    assert what in capsys.readouterr().err


def test_a_record_that_is_none(tmp_path: Path, net: Callable[..., Path], capsys: Any) -> None:
    with LmdbWriter(tmp_path / "lmdb") as writer:
        writer.put(b"00000000_a", b"\xff\xff")
    assert run("fit", tmp_path / "lmdb", "--net", net()) == 1
    assert "00000000_a" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("--max-sizes 1,2", "have 5"),
        ("--max-sizes 30,40,50,60,1", "min_size"),
        ("--aspect-ratios 2/2", "there are 6"),
        ("--aspect-ratios 2,0.5", "already"),
        ("--aspect-ratios 1", "already"),
        ("--aspect-ratios -2", "not in"),
        ("--aspect-ratios 2/a/2/2/2/2", "not A,B"),
    ],
)
def test_priors_that_make_no_net(options: str, what: str, tmp_path: Path, capsys: Any) -> None:
    args = ["model", "mobilenet_ssd", "--num-classes", "2", "-o", str(tmp_path / "m")]
    assert run(*args, *options.split()) == 2
    assert what in capsys.readouterr().err


def test_ratios_of_all_maps_at_once(tmp_path: Path) -> None:
    args = ["model", "mobilenet_ssd", "--num-classes", "2", "-o", str(tmp_path / "m"), "-q"]
    assert run(*args, "--aspect-ratios", "1.5") == 0
    layout = read_layout(tmp_path / "m" / "train.prototxt")
    assert {tuple(one.param.aspect_ratio) for one in layout.maps} == {(1.5,)}
    assert [len(one.shapes.sizes) for one in layout.maps] == [3, 4, 4, 4, 4, 4]


def test_what_few_boxes_propose_is_said_to_be_of_those(
    net: Callable[..., Path], tmp_path: Path
) -> None:
    notes = {}
    for count in (20, 2000):
        boxes = draw_boxes(3, count, 0.02, 0.1).tolist()
        lmdb = write_lmdb(tmp_path / str(count), [[box] for box in boxes])
        found = fitting.fit(lmdb, net())
        assert found.proposals
        notes[count] = [note for note in found.to_json()["notes"] if "few" in note]
        assert fitting.fit(lmdb, net(), proposals=False).to_json()["notes"] == list(
            found.layout.notes
        )
    assert notes[2000] == []
    assert re.search(r"20 boxes are few for \d+ shapes .* fits these alone", notes[20][0])
