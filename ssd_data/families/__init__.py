"""Families of nets, one file a family; the file's name is its registration.

A family's module has:

* ``TITLE``: one line that says what it is;
* ``SOURCE``: the repository whose published files its nets equal;
* ``DETECTOR``: its :class:`~ssd_data.families.parts.detector.Design`;
* ``VARIANTS``: name to settings as published; the first is the default. A variant has the options
  that its settings name, and no others;
* ``FIXED``: settings that are no options of the family, where it has such;
* ``build(settings, stage) -> NetParameter``: the net of a stage;
* ``solver(settings) -> SolverParameter``: the published solver, without the nets' paths.

>>> from ssd_data import families
>>> model = families.generate("mobilenet_ssd", num_classes=21)
>>> len(model.nets["deploy"].layer), model.solver.type
(119, 'RMSProp')
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ssd_data.core.errors import UsageError
from ssd_data.core.registry import FAMILIES
from ssd_data.families.parts.detector import STAGES, Scores, Settings, Stage
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.proto import caffe_pb2

MOST_CLASSES, MOST_SIDE, MOST_BATCH, MOST_RATIO = 100_000, 8192, 65_536, 100


@dataclass(frozen=True, slots=True)
class Model:
    """The nets and the solver that some settings give, in memory.

    Attributes:
        family: its name.
        settings: all of them, the family's own values included.
        nets: one for each of ``train``, ``test``, ``deploy``.
        solver: without the nets' paths and its number of test batches where none is published.
        preprocessing: mean and scale of its input, blue first.
    """

    family: str
    settings: Settings
    nets: Mapping[Stage, caffe_pb2.NetParameter]
    solver: caffe_pb2.SolverParameter
    preprocessing: Preprocessing


def generate(family: str, num_classes: int, **options: Any) -> Model:
    """The nets and the solver of a family.

    Args:
        family: its name, one of :data:`~ssd_data.core.registry.FAMILIES`.
        num_classes: classes, the background included.
        options: the fields of :class:`~ssd_data.families.parts.detector.Settings` that shall
            differ from the published ones; None for those that shall not.

    Raises:
        UsageError: unknown family or variant, an option that it does not have, a value that makes
            no net.
    """
    module = FAMILIES.load(family)
    settings = resolve(family, num_classes, options)
    nets = {stage: module.build(settings, stage) for stage in STAGES}
    solver = module.solver(settings)
    return Model(family, settings, nets, solver, module.DETECTOR.preprocessing)


def resolve(family: str, num_classes: int, options: Mapping[str, Any]) -> Settings:
    """The settings that options give, see :func:`generate`."""
    given = {key: value for key, value in options.items() if value is not None}
    module = FAMILIES.load(family)
    variants: Mapping[str, Mapping[str, Any]] = module.VARIANTS
    variant = given.pop("variant", next(iter(variants)))
    if variant not in variants:
        raise UsageError(
            f'{family} has no variant "{variant}"',
            where="--variant",
            hint=f"Known: {', '.join(variants)}",
        )
    published = variants[variant]
    known = options_of(module, variant)
    for key in given:
        if key not in known:
            raise UsageError(
                f"{family} ({variant}) does not have this option",
                where=f"--{key.replace('_', '-')}",
                hint="It has " + ", ".join(f"--{k.replace('_', '-')}" for k in known),
            )
    own = {"scores": "sigmoid" if module.DETECTOR.scores.logistic else "softmax"}
    settings = Settings(variant=variant, num_classes=num_classes, **{**own, **published, **given})
    _check(settings)
    return settings


def options_of(module: Any, variant: str) -> list[str]:
    """The names of the options that a variant of a family's module has."""
    own = [key for key in module.VARIANTS[variant] if key not in getattr(module, "FIXED", ())]
    return [*own, "scores"]


def _check(settings: Settings) -> None:
    if settings.scores not in get_args(Scores):
        known = " or ".join(get_args(Scores))
        raise UsageError(f'"{settings.scores}" is no way to score: {known}', where="--scores")
    for option, value, least, most in (
        ("--num-classes", settings.num_classes, 2, MOST_CLASSES),
        ("--size", min(settings.size), 32, MOST_SIDE),
        ("--size", max(settings.size), 32, MOST_SIDE),
        ("--batch-size", settings.batch_size, 1, MOST_BATCH),
        ("--test-batch-size", settings.test_batch_size, 1, MOST_BATCH),
        ("--iter-size", settings.iter_size, 1, MOST_BATCH),
        ("--width-multiplier", settings.width_multiplier, 0.01, 16),
    ):
        if not least <= value <= most:
            hint = "The background counts too" if option == "--num-classes" else ""
            raise UsageError(f"{value:g} is not in {least} … {most}", where=option, hint=hint)
    ratios = tuple(ratio for own in settings.aspect_ratios for ratio in own)
    for option, values, most in (
        ("--min-sizes", settings.min_sizes, MOST_SIDE),
        ("--max-sizes", settings.max_sizes, MOST_SIDE),
        ("--aspect-ratios", ratios, MOST_RATIO),
    ):
        for value in values:
            if not (math.isfinite(value) and 0 < value <= most):
                raise UsageError(f"{value:g} is not in 0 … {most}", where=option)
            if most == MOST_SIDE and value != int(value):
                raise UsageError(
                    f"{value:g} is no whole number of pixels",
                    where=option,
                    hint="Caffe cuts off the rest and OpenCV does not: boxes would differ",
                )
