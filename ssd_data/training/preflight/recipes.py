"""What a preflight looks for where a recipe trains: each of its parts can be had of this net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ssd_data.training.options import Extras
from ssd_data.training.preflight import recipe_elements, recipe_inputs, recipe_losses
from ssd_data.training.preflight.data import Source
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import LayerRates, TrainRecipe
from ssd_data.training.solver_file import SolverFile

if TYPE_CHECKING:
    from ssd_data.engines.torch.shapes import Shapes


def check_recipe(
    found: Preflight,
    file: SolverFile,
    recipe: TrainRecipe,
    extras: Extras,
    shapes: Shapes | None,
    sources: Sequence[Source],
) -> None:
    """That solver, nets and options have what the recipe changes, and do not contradict it.

    Args:
        shapes: of the training net, as far as they are known. sources: its data layers.
    """
    where = f"--recipe {recipe.origin}"
    _check_solver(found, file, recipe, extras, where)
    if recipe.layers is not None and shapes is not None:
        _check_layers(found, recipe.layers, shapes, f"{where}: layers")
    if recipe.has_loss and file.train.nodes:
        recipe_losses.check_losses(found, file, recipe, extras)
    if recipe.input is not None:
        recipe_inputs.check_sizes(found, file, recipe.input, sources, f"{where}: input")
        if extras.compile:
            text = "a compiled net takes pictures of one size"
            found.error(f"{where}: input", text, "Leave out --compile, or [input]")
    if recipe.augmentation is not None:
        what = recipe.augmentation
        recipe_inputs.check_rest(found, file, what, sources, f"{where}: augmentation")
        recipe_elements.check_elements(found, what, extras, sources, f"{where}: augmentation")
    if recipe.distillation is not None and file.train.nodes:
        own = recipe.distillation
        recipe_inputs.check_teacher(found, file, own, extras, shapes, f"{where}: distillation")


def _check_solver(
    found: Preflight, file: SolverFile, recipe: TrainRecipe, extras: Extras, where: str
) -> None:
    schedule, param = recipe.schedule, file.param
    if schedule is not None and extras.warm_up:
        what = "the recipe has a schedule, which warms up by itself"
        hint = "Say warm_up in [schedule], and --warm-up 0"
        found.error(f"--warm-up {extras.warm_up}", what, hint)
    if schedule is not None and schedule.warm_up >= param.max_iter:
        what = f"warm_up is {schedule.warm_up}, max_iter is {param.max_iter}"
        found.warn(f"{where}: schedule", f"{what}: the rate never comes to its greatest")
    if recipe.optimiser is not None and (schedule is None or schedule.rate is None):
        what = f"the rate is the solver's, base_lr {param.base_lr:g}, as for its {param.type}"
        found.warn(f"{where}: optimiser", what, "Say rate in [schedule], if another is meant")
    if recipe.average is not None and recipe.average.decay != extras.ema:
        what = f"the recipe's average has a decay of {recipe.average.decay:g}"
        found.warn(f"--ema {extras.ema:g}", what, "The option counts")


def _check_layers(found: Preflight, layers: LayerRates, shapes: Shapes, where: str) -> None:
    from ssd_data.training.recipe.rates import factor_of, unmatched

    names = [slot.name for slot in shapes.slots]
    for pattern in unmatched(names, layers):
        hint = f"Such layers are {', '.join(names[:3])}, …" if names else ""
        found.error(where, f'no layer with parameters fits "{pattern}"', hint)
    if names and not any(factor_of(name, layers) for name in names):
        found.error(where, "all layers are frozen: nothing is learned", "Freeze fewer")
