"""Recipe files: what they say, what is refused and where, and what the preflight finds."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files import plain_toml
from ssd_data.training.options import Extras
from ssd_data.training.preflight import preflight
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import InputSizes, LayerRates
from ssd_data.training.recipe.read import (
    ELEMENTS,
    TABLES,
    from_table,
    names,
    parse_recipe,
    read_recipe,
    to_table,
)
from ssd_data.training.recipe.schedules.cosine import Cosine
from ssd_data.training.recipe.schedules.linear import Linear
from ssd_data.training.recipe.schedules.one_cycle import OneCycle
from ssd_data.training.recipe.schedules.steps import Steps
from ssd_data.training.solver_file import look_at_solver

WHOLE = """# All that there is
[schedule]
kind = "cosine"
rate = 0.02
warm_up = 500
hold = 0.25
last = 0.01
[optimiser]
kind = "adamw"
decay = 0.05
[gradients]
clip = 10
[average]
decay = 0.9998
[layers]
freeze = ["conv1*"]
rates = { "*_mbox_*" = 10, "conv*" = 0.1 }
[classification]
kind = "focal"
[boxes]
kind = "giou"
weight = 2
[matching]
kind = "atss"
[input]
scales = [0.8, 1, 1.2]
[augmentation]
close = 0.1
[distillation]
net = "big/deploy.prototxt"
weights = "big/big.caffemodel"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(text)
    return path


def test_all_of_it_is_read_and_written_back(tmp_path: Path) -> None:
    recipe = parse_recipe(written(tmp_path, WHOLE))
    table = to_table(recipe)
    assert [*table] == [name for name in TABLES if name in table]
    assert set(table) == set(TABLES)
    again = from_table(msgspec.json.decode(msgspec.json.encode(table)), recipe.origin)
    assert again == recipe
    assert recipe.extras() == {"ema": 0.9998}
    assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("[schedule]\n\nkind = 'cosin'", ":3: schedule.kind", 'is called "cosin"', "cosine"),
        ("[schedule]\nlast = 1", ":1: schedule.kind", "the key is missing", "one_cycle"),
        ("[schedule]\nkind = 3", ":2: schedule.kind", "should be a str", "one_cycle"),
        ("[boxes]\nkind = '_base'", ":2: boxes.kind", 'no box loss is called "_base"', "giou"),
        ("[boxes]\nkind = '../iou'", ":2: boxes.kind", "no box loss", "giou"),
        ("[schedule]\nkind='cosine'\nwarmup=5", ":3: schedule.warmup", "unknown key", '"warm_up"'),
        ("[schedule]\nkind='cosine'\nlast = 1.5", ":3: schedule.last", "a float <= 1", ""),
        ("[schedule]\nkind='cosine'\nlast = nan", ":3: schedule.last", "nan is no number", ""),
        ("[schedule]\nkind='cosine'\nrate = inf", ":3: schedule.rate", "inf is no number", ""),
        ("[schedule]\nkind='cosine'\nrate = -1", ":3: schedule.rate", "should be a float > 0", ""),
        ("[schedule]\nkind='cosine'\nrate = true", ":3: schedule.rate", "should be a float", ""),
        ("[schedule]\nkind='cosine'\nwarm_up = 1.5", ":3: schedule.warm_up", "should be a int", ""),
        ("[shedule]\nkind='cosine'", ":1: shedule", "no such part", "[schedule]"),
        ("seed = 3", ":1: seed", "no such part", "A recipe has schedule"),
        ("# a\nschedule = 3", ":2: schedule", "write [schedule]", ""),
        ("[schedule\nkind = 3", ":1", "not TOML", ""),
        ("[input]\nscales = []", ":2: input.scales", "length >= 1", ""),
        ("[input]\nscales = [0.01]", ":2: input.scales", ">= 0.1", ""),
        ("[average]\ndecay = 1", ":2: average.decay", "< 1", ""),
        ("[gradients]", ":1: gradients.clip", "the key is missing", ""),
        ("[layers]\nrates = { 'a*' = -1 }", ":2: layers.rates", ">= 0", ""),
        ("[augmentation]\nclose = 0.1\nrest = ['mosaic']", ":3: augmentation.rest", "mosaic", ""),
        ("[distillation]\nnet = 'a'", ":1: distillation.weights", "the key is missing", ""),
        ("[classification]\nkind='varifocal'\nsmoothing=0", ":3: class", "unknown key", ""),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, where: str, what: str, hint: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        parse_recipe(path)
    assert str(error.value.where).startswith(f"{path}{where}")
    assert what in error.value.what
    assert hint in error.value.hint


@given(st.text("[]=.'\"\n\t 0123456789abcdefkind_-#{}", max_size=80))
def test_whatever_is_written_is_a_recipe_or_an_error(text: str) -> None:
    path = Path("/tmp") / "never_read.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_toml, "read_text", lambda *_: text)
        where = str(path)
        try:
            parse_recipe(path)
        except InputError as error:
            where = str(error.where)
        assert where.startswith(str(path))


def test_a_key_of_very_many_parts(tmp_path: Path) -> None:
    path = written(tmp_path, "# first\n" + "a." * 20_000 + "b = 1")
    with pytest.raises(InputError, match="a key or list of 20,000 parts") as error:
        parse_recipe(path)
    assert error.value.where == f"{path}:2"
    with pytest.raises(InputError, match="bytes"):
        parse_recipe(written(tmp_path, "#" * 100_000))


def test_names() -> None:
    assert "original" in names()
    for name in names():
        assert read_recipe(name).origin == name
    with pytest.raises(UsageError, match='no recipe is called "orginal". Did you mean "original"'):
        read_recipe("orginal")
    with pytest.raises(InputError, match="missing"):
        read_recipe("nowhere.toml")


def test_every_element_says_its_own_name() -> None:
    for registry in ELEMENTS.values():
        for name in registry.names():
            assert registry.load(name).ELEMENT.kind == name
            assert registry.load(name).__doc__


# ---- schedules ----


def test_schedules_like_their_formulas() -> None:
    most, base = 50, 0.5
    cosine = Cosine(warm_up=10, warm_up_from=0.1, last=0.05, hold=0.25)
    linear, steps = Linear(last=0.2), Steps(at_shares=(0.5, 0.8), factor=0.1)
    cycle = OneCycle(rate=2.0, rise=0.2, begin=10.0, end=100.0)
    for i in range(most):
        if i < 10:
            wanted = base * (0.1 + 0.9 * (i + 1) / 10)
        else:
            t = max(0.0, ((i - 10) / 40 - 0.25) / 0.75)
            wanted = base * (0.05 + 0.95 * (1 + math.cos(math.pi * t)) / 2)
        assert cosine.at(i, most, base) == pytest.approx(wanted)
        assert linear.at(i, most, base) == pytest.approx(base * (1 - 0.8 * i / 50))
        drops = (i >= 25) + (i >= 40)
        assert steps.at(i, most, base) == pytest.approx(base * 0.1**drops)
        if i < 10:
            wanted = 0.2 + 1.8 * (1 - math.cos(math.pi * i / 10)) / 2
        else:
            wanted = 0.02 + 1.98 * (1 + math.cos(math.pi * (i - 10) / 40)) / 2
        assert cycle.at(i, most, base) == pytest.approx(wanted)


@pytest.mark.parametrize("schedule", [Cosine(hold=1.0), OneCycle(rise=1.0), OneCycle(rise=0.0)])
def test_schedules_at_their_ends(schedule: Cosine | OneCycle) -> None:
    for i in (0, 1, 9, 10, 99):
        assert 0 < schedule.at(i, 10, 1.0) <= 1
    assert schedule.at(0, 0, 1.0) > 0
    assert Cosine(warm_up=20).at(5, 10, 1.0) == pytest.approx(0.3)


def test_sizes_of_scales() -> None:
    sizes = InputSizes(scales=(0.8, 1.0, 1.2, 0.1)).sizes(300, 200)
    assert sizes == [(256, 160), (300, 200), (352, 256), (32, 32)]
    assert InputSizes(scales=(1.5,), multiple=1).sizes(300, 201) == [(450, 302)]


# ---- before a run ----


def found_of(text: str, **extras: object) -> Preflight:
    path = Path("my.toml")
    path.write_text(text)
    return preflight(
        look_at_solver("short.prototxt"),
        [Path("sgd_iter_120.caffemodel")],
        recipe=parse_recipe(path),
        extras=Extras(**extras),  # type: ignore[arg-type]
    )


def change(name: str, *pairs: tuple[str, str]) -> None:
    text = Path(name).read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text)


def said(found: Preflight) -> str:
    return "\n".join(str(one) for one in found.errors)


def test_a_fitting_recipe_has_no_errors(solver_file: Path) -> None:
    found = found_of(
        WHOLE.replace("big/deploy.prototxt", "test.prototxt").replace(
            "big/big.caffemodel", "sgd_iter_120.caffemodel"
        )
    )
    assert not found.errors, said(found)


@pytest.mark.parametrize(
    ("text", "changes", "what", "cure"),
    [
        (
            '[classification]\nkind = "varifocal"',
            [],
            "varifocal needs a net whose classes have a sigmoid each",
            "--scores sigmoid",
        ),
        (
            '[classification]\nkind = "focal"',
            [("train.prototxt", "conf_loss_type: SOFTMAX", "conf_loss_type: LOGISTIC")],
            "a softmax gives its scores, and the loss learns those of a sigmoid",
            "--scores sigmoid",
        ),
        (
            '[classification]\nkind = "focal"',
            [("test.prototxt", 'type: "Softmax"', 'type: "Sigmoid"')],
            "a sigmoid gives its scores, and the loss learns those of a softmax",
            "--scores softmax",
        ),
        (
            '[matching]\nkind = "atss"',
            [("train.prototxt", "share_location: true", "share_location: false")],
            "share_location is false",
            "share the locations",
        ),
        (
            '[matching]\nkind = "simota"',
            [("train.prototxt", "cross_boundary_bbox: false", "cross_boundary_bbox: true")],
            "ignore_cross_boundary_bbox is for the net's own matching",
            "Leave it out",
        ),
        (
            '[boxes]\nkind = "giou"',
            [("train.prototxt", "MAX_NEGATIVE", "MAX_NEGATIVE bp_inside: true")],
            "bp_inside is for the errors of offsets",
            "Leave bp_inside out",
        ),
        ('[layers]\nfreeze = ["convv*"]', [], 'no layer with parameters fits "convv*"', "conv1"),
        ('[layers]\nfreeze = ["*"]', [], "all layers are frozen", "Freeze fewer"),
        (
            "[input]\nscales = [0.1]\nmultiple = 1",
            [("train.prototxt", "kernel_size: 3 stride: 2 pad: 1", "kernel_size: 5 stride: 2")],
            "the net does not take pictures of 10x10",
            "Leave that scale out",
        ),
        (
            "[input]\nscales = [1]",
            [("train.prototxt", "transform_param {", "transform_param { crop_size: 90")],
            "has no resize_param that says the input's size alone",
            "no crop",
        ),
        (
            '[distillation]\nnet = "none.prototxt"\nweights = "sgd_iter_120.caffemodel"',
            [],
            "none.prototxt",
            "",
        ),
        (
            '[distillation]\nnet = "test.prototxt"\nweights = "initial.caffemodel"\nfeatures = 1',
            [],
            "no blobs are named to compare",
            "features = 0",
        ),
        (
            '[distillation]\nnet = "test.prototxt"\nweights = "initial.caffemodel"\nfeatures = 1\n'
            'maps = ["conv9"]',
            [],
            '"conv9" is no map of one size in both nets',
            "both have",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    text: str, changes: list[tuple[str, str, str]], what: str, cure: str, solver_file: Path
) -> None:
    for name, old, new in changes:
        change(name, (old, new))
    found = said(found_of(text))
    assert what in found
    assert cure in found


def test_priors_of_unknown_places(solver_file: Path) -> None:
    text = Path("train.prototxt").read_text()
    flat = (
        'layer { name: "again" type: "Concat" bottom: "conv3_mbox_priorbox" top: "again" '
        "concat_param { axis: 2 } }\n"
    )
    at = text.index('layer { name: "mbox_priorbox"')
    text = text[:at] + flat + text[at:].replace('bottom: "conv3_mbox_priorbox"', 'bottom: "again"')
    Path("train.prototxt").write_text(text)
    found = said(found_of('[matching]\nkind = "atss"'))
    assert '"again" is not a PriorBox\'s, so that atss cannot tell' in found
    assert not found_of('[boxes]\nkind = "giou"').errors


def test_a_teacher_of_other_priors(solver_file: Path) -> None:
    text = Path("test.prototxt").read_text()
    Path("other.prototxt").write_text(
        text.replace("aspect_ratio: 2", "aspect_ratio: 2 aspect_ratio: 3")
    )
    found = said(found_of('[distillation]\nnet = "other.prototxt"\nweights = "initial.caffemodel"'))
    assert "priors, the net" in found


def test_a_teacher_that_scores_or_codes_otherwise(solver_file: Path) -> None:
    text = Path("test.prototxt").read_text()
    own = '[distillation]\nnet = "other.prototxt"\nweights = "sgd_iter_120.caffemodel"'
    for old, new, what in (
        (
            'type: "Softmax"',
            'type: "Sigmoid"',
            "scores are those of a sigmoid, the net's of a soft",
        ),
        (
            "code_type: CENTER_SIZE",
            "code_type: CORNER",
            "are of code_type CORNER, the net's CENTER",
        ),
    ):
        assert old in text
        Path("other.prototxt").write_text(text.replace(old, new))
        assert what in said(found_of(own))


def test_two_warm_ups_and_averages(solver_file: Path) -> None:
    assert "warms up by itself" in said(found_of('[schedule]\nkind = "linear"', warm_up=3))
    found = found_of("[average]\ndecay = 0.9", ema=0.8)
    assert any("The option counts" in str(one) for one in found.warnings)
    assert "of one size" in said(found_of("[input]\nscales = [1]", compile=True))
    found = found_of('[matching]\nkind = "atss"', scale_compensation=True)
    assert "has no second stage" in said(found)
    found = found_of('[optimiser]\nkind = "adamw"\n[schedule]\nkind = "linear"\nwarm_up = 12')
    warned = "\n".join(str(one) for one in found.warnings)
    assert "the rate is the solver's, base_lr 0.005, as for its SGD" in warned
    assert "never comes to its greatest" in warned


def test_a_classifier_has_no_boxes(solver_file: Path) -> None:
    Path("short.prototxt").write_text(
        'train_net: "bare.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "x"'
    )
    Path("bare.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "loss" }\n'
    )
    for text in ('[boxes]\nkind = "iou"', "[input]\nscales = [1]", "[augmentation]\nclose = 0.5"):
        assert "bare.prototxt has no" in said(found_of(text))
    own = '[distillation]\nnet = "test.prototxt"\nweights = "initial.caffemodel"'
    assert "bare.prototxt has no MultiBoxLoss" in said(found_of(own))


def test_rates_by_pattern() -> None:
    from ssd_data.training.recipe.rates import factor_of, unmatched

    layers = LayerRates(freeze=("a[12]",), rates={"a*": 2.0, "ab": 3.0})
    assert [factor_of(n, layers) for n in ("a1", "a3", "ab", "b")] == [0, 2, 2, 1]
    assert unmatched(["a3"], layers) == ["a[12]", "ab"]
