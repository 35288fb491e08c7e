"""The benchmarks run; what they measure is not looked at here."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from support import ROOT

from benchmarks import agreement, augment, cluster, fit, loss, nets, recipes, scores, shards
from benchmarks import eval as evaluation
from benchmarks.build import main
from ssd_data.data.build.builder import build
from ssd_data.data.find import find
from ssd_data.data.synthetic.sample import draw_sample


def test_a_quick_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kept", "--quick", "--dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "### Bytes kept" in printed
    assert "stand-in" in printed
    assert not list(tmp_path.iterdir())


def test_a_quick_run_of_the_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scores.main(["--quick", "--dir", str(tmp_path)]) == 0
    assert '"ratio"' in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_quick_run_of_the_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shards.main(["--quick", "--dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "merge: time" in printed
    assert "one changed: time" in printed
    assert not list(tmp_path.iterdir())


def test_an_unknown_topic() -> None:
    with pytest.raises(SystemExit):
        main(["everything"])


def test_the_loss_of_a_small_batch(capsys: pytest.CaptureFixture[str]) -> None:
    loss.main(["--batch", "1", "--boxes", "2", "--rounds", "1"])
    assert "MultiBoxLoss" in capsys.readouterr().out


def test_the_fit_of_a_few_boxes(capsys: pytest.CaptureFixture[str]) -> None:
    assert fit.main(["--boxes", "50"]) == 0
    assert "1,917 priors" in capsys.readouterr().out


def test_a_quick_run_of_the_data_layers(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    topics = ["sfd", "mobilenet", "elements"]
    assert augment.main(["--quick", "--data", str(shared / "VOCdevkit"), *topics]) == 0
    printed = capsys.readouterr().out
    assert "### mobilenet: the training data layer" in printed
    assert "no round trips, 2 workers" in printed
    assert "sfd, pictures kept in memory: mosaic" in printed
    assert not list(tmp_path.iterdir())


def test_nets_in_one_round(capsys: pytest.CaptureFixture[str]) -> None:
    nets.main(["--quick", "--threads", "1", "--processor-time"])
    printed = capsys.readouterr().out
    assert printed.count("###") == 4
    assert "detections: torch 800, onnxruntime 800, opencv 800" in printed


def test_the_docs_have_every_layer_that_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """Types and numbers of cases; the differences depend on the machine's arithmetic."""
    agreement.main()
    page = (Path(__file__).parent.parent / "docs" / "engines.md").read_text("utf-8")
    for line in capsys.readouterr().out.splitlines():
        beginning = "|".join(line.split("|")[:3])
        assert beginning in page


def test_a_quick_run_of_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--pictures", "2", "--batch", "1", "--rounds", "1", "--dir", str(tmp_path)]
    assert evaluation.main(few) == 0
    assert "ratio of the rates" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_recipes_beside_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_sample(tmp_path / "sample", ["voc"], train=8, test=4, size=100)
    build(find(tmp_path / "sample" / "voc"), tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    arguments = ["build", "--dir", "trials", "--iterations", "2", "--seeds", "1", "--device", "cpu"]
    assert recipes.main([str(tmp_path / arguments[0]), *arguments[1:], "--only", "focal"]) == 0
    told = capsys.readouterr().out
    assert "2 of 2: focal, seed 1" in told
    assert "| original | 1 | " in told
    assert "| focal | 1 | " in told
    monkeypatch.chdir(tmp_path)
    assert recipes.main([str(tmp_path / arguments[0]), *arguments[1:], "--only", "focal"]) == 0
    assert capsys.readouterr().out == told[told.index("| recipe") :]  # nothing is made again


def test_a_small_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--pictures", "5000", "--shards", "10", "100", "--machines", "3", "--cpus", "2"]
    assert cluster.main([*small, "--life", "300", "--dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "a machine is lost every 2 hours each" in printed
    assert "planned 100 shards" in printed
    assert not list(tmp_path.iterdir())


def test_the_tables_of_many_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that need no cluster are made and pasted; all that is between other marks stays."""
    spec = spec_from_file_location("tables", ROOT / "docs" / "make_many_machines.py")
    assert spec is not None
    assert spec.loader is not None
    tables = module_from_spec(spec)
    spec.loader.exec_module(tables)
    page, before = tmp_path / "page.md", tables.PAGE.read_text("utf-8")
    page.write_text(before, "utf-8")
    parts = ["planning", "many", "cluster"]
    assert tables.main([*parts, "--quick", "--dir", str(tmp_path), "--page", str(page)]) == 0
    made = page.read_text("utf-8")
    for part in tables.PARTS:
        marks = f"<!-- figures: {part} -->", f"<!-- /figures: {part} -->"
        (then, now) = (t.partition(marks[0])[2].partition(marks[1])[0] for t in (before, made))
        assert (then != now) == (part in parts)
    assert "| widerface: peak memory |" in made
    assert "| reading through links and store |" in made
    assert made.partition("## What bounds")[0].count("\n") > 90
