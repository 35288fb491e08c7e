"""``ssd-data score``: one frame for all metrics, exit status, plots, what is not installed."""

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from support.scored import CocoScored, VocScored, Wider

from ssd_data.cli import score as command
from ssd_data.core.registry import METRICS
from ssd_data.metrics import Extra, score
from ssd_data.metrics.analysis import EXTRAS


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    for name in ("voc", "coco", "wider"):
        (tmp_path / name).mkdir()
    voc, coco = VocScored(tmp_path / "voc"), CocoScored(tmp_path / "coco")
    wider = Wider(tmp_path / "wider")
    return {
        "voc": (voc.root, voc.pred),
        "coco": (coco.truth, coco.pred),
        "widerface": (wider.truth, wider.pred),
    }


@pytest.mark.parametrize("metric", ["voc", "coco", "widerface"])
def test_one_frame(metric: str, sets: Any, run: Any, tmp_path: Path) -> None:
    truth, found = sets[metric]
    args = ["score", metric, "--truth", truth, "--detections", found]
    extra = [f"--with={name}" for name in EXTRAS]
    done = run(*args, "--json", *extra, "-o", tmp_path / "scores.json")
    assert (done.status, done.err) == (0, "")
    assert list(done.json)[:4] == ["metric", "ap", "rules", "counts"]
    assert done.json["metric"] == metric
    assert set(EXTRAS) <= set(done.json)
    assert json.loads((tmp_path / "scores.json").read_text()) == done.json
    assert {"pictures", "truths", "detections"} <= set(done.json["counts"])
    assert {"ap", "overlap", "plus_one", "missing"} <= set(done.json["rules"])
    printed = run(*args, *extra)
    assert printed.status == 0
    for name in done.json["ap"]:
        assert f"\n{name}" in f"\n{printed.out}"
    assert run(*args, "-q").out == ""


def test_errors_and_usage(sets: Any, run: Any, tmp_path: Path) -> None:
    truth, found = sets["widerface"]
    args = ["score", "widerface", "--truth", truth, "--detections"]
    assert run(*args, found, "--split", "x").status == 2
    assert run(*args, found, "--missing", "maybe").status == 2
    assert run("score", "ap", "--truth", truth, "--detections", found).status == 2
    (found / "0--A" / "one.txt").unlink()
    done = run(*args, found, "--json")
    assert done.status == 1
    assert "0--A/one" in done.json["error"]["what"]
    assert "--missing count" in done.err
    assert run(*args, found, "--missing", "skip", "--json").json["subset"] == "2 of 3"
    assert "subset: 2 of 3" in run(*args, found, "--missing", "skip").out
    assert run(*args, tmp_path / "nothing").status == 1


def test_plots(sets: Any, run: Any, tmp_path: Path) -> None:
    truth, found = sets["voc"]
    args = ["--truth", truth, "--detections", found, "--plot", tmp_path / "plots"]
    assert "2 curves drawn" in run("score", "voc", *args).out
    files = sorted((tmp_path / "plots").iterdir())
    assert [f.name for f in files] == ["voc_cat.png", "voc_dog.png"]
    assert files[0].read_bytes()[:4] == b"\x89PNG"


def test_choices_are_those_that_there_are() -> None:
    assert tuple(EXTRAS) == get_args(Extra)
    (metric,) = (p for p in command.command.params if p.name == "metric")
    assert METRICS.names() == sorted(metric.type.choices)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("metric", "module", "needed"),
    [("coco", "hotcoco", True), ("widerface", "scipy", False)],
)
def test_what_is_not_installed(
    metric: str,
    module: str,
    needed: bool,
    sets: Any,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    whole = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == module:
            raise ImportError(name)
        return whole(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(
        "ssd_data.core.optional.import_module", lambda name: without(name, None, None, ())
    )
    truth, found = sets[metric]
    done = run("score", metric, "--truth", truth, "--detections", found)
    assert done.status == (1 if needed else 0)
    assert ("pip install 'ssd-data[score]'" in done.err) == needed


def test_scoring_needs_neither_torch_nor_matplotlib(sets: Any) -> None:
    truth, found = sets["voc"]
    program = (
        "import sys\nfrom ssd_data.metrics import score\n"
        f"score('voc', {str(truth)!r}, {str(found)!r})\n"
        "print(sorted({'torch', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_metric_is_known() -> None:
    from ssd_data.core.errors import UsageError

    with pytest.raises(UsageError, match='no metric "map"'):
        score("map", Path(), Path())
