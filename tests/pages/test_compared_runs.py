"""Several runs on a page: those that differ in their seed alone are one, what each gains, costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import run
from support.html_pages import EVIL, Reader, read_safely

from ssd_data.pages.report.groups import differing, gain, group_runs, seed_of
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.run_page import run_page, shown_runs
from ssd_data.pages.report.run_subject import gather_run

NET = """layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label"
  include {{ phase: TRAIN }} data_param {{ source: "lmdb" batch_size: {batch} }} }}"""
ATSS = {"origin": "atss.toml", "matching": {"kind": "atss", "candidates": 9}}


def made(
    folder: Path,
    score: float,
    seed: int = 1,
    recipe: Any = None,
    speed: float = 20.0,
    batch: int = 4,
    rate: float = 0.1,
) -> Path:
    """A run's folder of two tests and three losses."""
    folder.mkdir(parents=True)
    (folder / "train.prototxt").write_text(NET.format(batch=batch))
    (folder / "solver.prototxt").write_text(
        f'train_net: "train.prototxt" snapshot_prefix: "{folder}/run" base_lr: {rate} max_iter: 20'
    )
    options = {"seed": seed, "max_iter": None, "extras": {"ema": 0.0}}
    options |= {} if recipe is None else {"recipe": recipe}
    rows: list[dict[str, Any]] = [{"event": "begin", "options": options, "seed": seed}]
    for at in (0, 10, 20):
        more = {"loss": 5 - at / 10, "lr": rate, "pictures_per_second": speed, "seconds": at}
        rows.append({"event": "train", "iteration": at, "waiting_share": 0.1, **more})
    for at, share in ((10, 0.5), (20, 1.0)):
        outputs = {"detection_eval": share * score}
        rows.append({"event": "test", "iteration": at, "net": 0, "outputs": outputs, "seconds": at})
    (folder / "run.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three seeds of the original, three of ATSS."""
    plain = [made(tmp_path / "plain" / str(n), 0.2 + n / 100, n) for n in (1, 2, 3)]
    atss = [
        made(tmp_path / "more" / str(n), 0.3 + n / 50, n, {**ATSS, "origin": f"{n}/r.toml"}, 10)
        for n in (3, 2, 1)
    ]
    return [*plain, *atss]


def test_seeds_are_grouped(runs: list[Path]) -> None:
    plain, atss = groups = group_runs([gather_run(path) for path in runs])
    assert [one.title for one in groups] == ["original", "r"]
    assert [[seed_of(run) for run in one.runs] for one in groups] == [[1, 2, 3], [3, 2, 1]]
    assert plain.scores() == pytest.approx({1: 0.21, 2: 0.22, 3: 0.23})
    assert differing(groups) == ["matching.kind", "matching.candidates"]
    assert plain.milliseconds() == pytest.approx(200)
    assert atss.milliseconds() == pytest.approx(400)
    found = gain(atss, plain)
    assert found is not None
    # .32 - .21, .34 - .22, .36 - .23: mean .12, deviation .01
    assert found == pytest.approx((0.12, 0.01 / 3**0.5))
    at, scores = atss.curve(lambda run: run.history.scores())
    assert at.tolist() == [10, 20]
    assert scores.tolist() == pytest.approx([0.17, 0.34])


def test_what_makes_another_group(tmp_path: Path) -> None:
    paths = [
        made(tmp_path / "a", 0.5),
        made(tmp_path / "b", 0.5, 2),
        made(tmp_path / "c", 0.5, batch=8),
        made(tmp_path / "d", 0.5, rate=0.2),
        made(tmp_path / "e", 0.5, recipe=ATSS),
    ]
    groups = group_runs([gather_run(path) for path in paths])
    assert [[one.path.name for one in group.runs] for group in groups] == [
        ["a", "b"], ["c"], ["d"], ["e"],
    ]  # fmt: skip
    assert [group.title for group in groups] == ["a", "c", "d", "e"]
    names = ["solver.baseLr", "training net", "batch", "matching.kind", "matching.candidates"]
    assert sorted(differing(groups)) == sorted(names)
    assert gain(groups[1], groups[0]) == (0.0, None)


def test_no_gain_of_a_longer_training(tmp_path: Path) -> None:
    first, longer = made(tmp_path / "a", 0.5), made(tmp_path / "b", 0.9, recipe=ATSS)
    with (longer / "run.jsonl").open("a") as table:
        table.write(json.dumps({"event": "train", "iteration": 30, "loss": 1.0}) + "\n")
    groups = group_runs([gather_run(path) for path in (first, longer)])
    assert gain(groups[1], groups[0]) is None


def test_runs_without_tests_or_solver(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", 0.5), made(tmp_path / "b", 0.5, 2, recipe=ATSS)
    (first / "solver.prototxt").unlink()
    rows = [
        line for line in (second / "run.jsonl").read_text().split("\n") if "outputs" not in line
    ]
    (second / "run.jsonl").write_text("\n".join(rows))
    groups = group_runs([gather_run(path) for path in (first, second)])
    assert gain(groups[1], groups[0]) is None
    page = run_page([gather_run(path) for path in (first, second)], RunView(0))
    assert page.sections[0].name == "compared"


def page_of(out: Path, *args: object) -> Reader:
    assert run("report", *args, "-o", out, "--pictures", 0, "-q") == 0
    return read_safely(out.read_text("utf-8"))


def test_the_page(runs: list[Path], tmp_path: Path) -> None:
    text = " ".join(page_of(tmp_path / "page.html", *runs).text)
    for words in (
        "6 training runs", "Element by element", "0.3200 – 0.3600", "+0.1200 ± 0.0058", "2.00×",
        "matching.kind", "Score, mean over seeds", "Loss, mean over seeds",
    ):  # fmt: skip
        assert words in text, words
    alike = " ".join(page_of(tmp_path / "alike.html", *runs[:3]).text)
    assert "differ in their seeds alone" in alike
    alone = page_of(tmp_path / "alone.html", runs[0])
    assert "compared" not in [a["id"] for tag, a in alone.tags if tag == "section"]


def test_as_json(runs: list[Path], tmp_path: Path, capsys: Any) -> None:
    assert run("report", *runs, "-o", tmp_path / "p.html", "--pictures", 0, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["runs"]) == 6
    plain, atss = said["compared"]
    assert (plain["gain"], atss["gain"]) == (0, pytest.approx(0.12))
    assert atss["differs"] == {"matching.kind": "atss", "matching.candidates": "9"}
    assert atss["scores"] == pytest.approx({"3": 0.36, "2": 0.34, "1": 0.32})


def test_more_groups_than_colours(tmp_path: Path) -> None:
    paths = [made(tmp_path / f"r{n}", 0.1 + n / 100, rate=0.1 + n) for n in range(9)]
    subjects = [gather_run(path) for path in paths]
    groups = group_runs(subjects)
    assert len(groups) == 9
    assert [one.path.name for one in shown_runs(groups)] == ["r0", "r4", "r5", "r6", "r7", "r8"]
    text = " ".join(page_of(tmp_path / "page.html", *paths).text)
    assert "Drawn are the 6 of the best scores, of 9." in text


def test_hostile_runs(tmp_path: Path) -> None:
    evil = {"origin": EVIL, EVIL: {EVIL: [EVIL]}, "long": "x" * 9000}
    paths = [made(tmp_path / "a", 0.5), made(tmp_path / "b", 0.5, recipe=evil)]
    html = "".join(page_of(tmp_path / "p.html", *paths).text)
    assert EVIL in html
    assert "x" * 9000 not in html
