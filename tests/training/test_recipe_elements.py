"""Recipes with elements of augmentation: read, refused, trained and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.recipe_runs import run_of

from ssd_data.core.errors import InputError
from ssd_data.core.registry import AUGMENTATIONS
from ssd_data.engines.torch.layers.annotateddata import data_layers
from ssd_data.training.options import Extras
from ssd_data.training.preflight import preflight
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.read import from_table, parse_recipe, to_table
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import look_at_solver

ALL = """# All elements
[augmentation]
close = 0.25
rest = []
[augmentation.mosaic]
prob = 0.5
scale = [0.4, 1.2]
[augmentation.mixup]
prob = 0.5
[augmentation.paste]
[augmentation.square]
scales = [0.5, 1, 1.5]
[augmentation.hsv]
[augmentation.gamma]
[augmentation.gray]
[augmentation.blur]
[augmentation.compress]
[input]
scales = [0.75, 1, 1.25]
every = 2
multiple = 8
"""


def written(text: str) -> Path:
    path = Path("my.toml")
    path.write_text(text)
    return path


def found_of(text: str, **extras: object) -> Preflight:
    return preflight(
        look_at_solver("short.prototxt"),
        [Path("sgd_iter_120.caffemodel")],
        recipe=parse_recipe(written(text)),
        extras=Extras(**extras),  # type: ignore[arg-type]
    )


def said(errors: list[InputError]) -> str:
    return "\n".join(str(one) for one in errors)


def test_all_of_it_is_read_and_written_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = parse_recipe(written(ALL))
    assert recipe.augmentation is not None
    assert {one.name for one in recipe.augmentation.elements()} == {*AUGMENTATIONS.names()}
    table = to_table(recipe)
    assert [*table["augmentation"]] == ["close", "rest", *sorted(AUGMENTATIONS.names())]
    assert table["augmentation"]["mosaic"]["least"] == 2
    again = from_table(msgspec.json.decode(msgspec.json.encode(table)), recipe.origin)
    assert again == recipe
    few = to_table(parse_recipe(written("[augmentation.gray]")))
    assert few == {"augmentation": {"gray": {"prob": 0.1}}}


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("[augmentation.mosiac]", ":1: augmentation.mosiac", "unknown key", "mosaic"),
        (
            "[augmentation.gray]\n\n[augmentation.mosaic]\nprob = 2",
            ":4: augmentation.mosaic.prob",
            "<= 1",
            "",
        ),
        (
            "[augmentation.hsv]\n[augmentation.mosaic]\nscale = [2, 1]",
            ":2: augmentation.mosaic",
            "scale falls from 2 to 1",
            "",
        ),
        ("[augmentation]\nmosaic = 3", ":2: augmentation.mosaic", "should be a", ""),
        (
            "[augmentation.mosaic]\nscal = [1, 2]",
            ":2: augmentation.mosaic.scal",
            "unknown key",
            "",
        ),
        ("[augmentation.blur]\nsigma = [1, inf]", ":2: augmentation.blur.sigma", "no number", ""),
        ("[augmentation.mosaic]\nscale = [1]", ":2: augmentation.mosaic.scale", "length 2", ""),
    ],
)
def test_what_is_refused(
    text: str, where: str, what: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        parse_recipe(written(text))
    assert str(caught.value.where) == f"my.toml{where}"
    assert what in caught.value.what
    assert hint in caught.value.hint


# ---- before a run ----


def test_a_fitting_recipe_has_no_errors(solver_file: Path) -> None:
    found = found_of(ALL, cache=10)
    assert not found.errors, said(found.errors)
    assert not any("my.toml" in str(one) for one in found.warnings)
    (warning,) = [one for one in found_of(ALL).warnings if "my.toml" in str(one)]
    assert "mixup, mosaic and paste decode pictures again and again" in str(warning)
    assert "--cache MB" in str(warning)


def test_mosaic_and_small_faces(solver_file: Path) -> None:
    (error,) = found_of("[augmentation.mosaic]", min_face=6, cache=1).errors
    assert str(error.where) == "--recipe my.toml: augmentation.mosaic"
    assert "those below 6 pixels would be seen, and left out" in error.what
    assert "Leave --min-face out" in error.hint
    assert not found_of("[augmentation.mixup]\n[augmentation.square]", min_face=6).errors


@pytest.mark.parametrize(
    ("text", "old", "new", "what"),
    [
        (
            "[augmentation.mosaic]",
            "resize_mode: WARP",
            "resize_mode: FIT_SMALL_SIZE",
            "needs a resize_param of WARP or FIT_LARGE",
        ),
        (
            "[augmentation.hsv]",
            "transform_param {",
            "transform_param { noise_param { convert_to_hsv: true } ",
            "leaves no colours",
        ),
        (
            "[input]\nscales = [0.75, 1]",
            "prior_box_param {",
            "prior_box_param { img_size: 100 ",
            "img_size keeps the priors from following the input",
        ),
    ],
)
def test_what_does_not_fit(text: str, old: str, new: str, what: str, solver_file: Path) -> None:
    net = Path("train.prototxt").read_text()
    assert old in net
    Path("train.prototxt").write_text(net.replace(old, new))
    assert what in said(found_of(text).errors)


def test_something_that_is_strong_may_rest(solver_file: Path) -> None:
    text = "[augmentation]\nclose = 0.1\nrest = []\n"
    assert "has nothing of what is to rest" in said(found_of(text).warnings)
    found = found_of(f"{text}[augmentation.mixup]", cache=1)
    assert "has nothing of what is to rest" not in said(found.warnings)


# ---- runs ----


def test_a_resumed_run_is_the_same(solver_file: Path) -> None:
    solver_file.write_text(solver_file.read_text() + "iter_size: 2\n")
    whole = run_of(written(ALL))
    assert all(np.isfinite(loss) for loss in whole.values())
    again = run_of(None, resume=Path("short_iter_4.solverstate"))
    assert again == {n: loss for n, loss in whole.items() if n >= 4}
    beside = json.loads(Path("short_iter_12.resume.json").read_text())
    assert beside["options"]["recipe"]["augmentation"]["mosaic"]["scale"] == [0.4, 1.2]


def test_strong_ones_rest_for_the_last_iterations(solver_file: Path) -> None:
    solver = Solver("short.prototxt", recipe=parse_recipe(written(ALL)))
    solver.param.max_iter, solver.param.iter_size = 12, 2
    (layer,) = data_layers(solver.net)
    plan = solver.recipe.plan(layer)
    assert plan.closes == 9 * 2 * layer.global_batch
    assert plan.every == 2 * 2
    assert plan.resting == ()
    assert {one.name for one in plan.elements} == {*AUGMENTATIONS.names()}
