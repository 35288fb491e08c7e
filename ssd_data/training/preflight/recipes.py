"""What a preflight looks for where a recipe trains: each of its parts can be had of this net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssd_data.training.options import Extras
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.solver_file import SolverFile

if TYPE_CHECKING:
    from ssd_data.engines.torch.shapes import Shapes


def check_recipe(
    found: Preflight, file: SolverFile, recipe: TrainRecipe, extras: Extras, shapes: Shapes | None
) -> None:
    """That solver, nets and options have what the recipe changes, and do not contradict it.

    Args:
        shapes: of the training net, as far as they are known.
    """
    where = f"--recipe {recipe.origin}"
    _check_solver(found, file, recipe, extras, where)
    if recipe.layers is not None and shapes is not None:
        _check_layers(found, recipe, shapes, where)


def _check_solver(
    found: Preflight, file: SolverFile, recipe: TrainRecipe, extras: Extras, where: str
) -> None:
    if recipe.schedule is not None and extras.warm_up:
        what = "the recipe has a schedule, which warms up by itself"
        found.error(f"--warm-up {extras.warm_up}", what, "Say warm_up in [schedule]")
    if recipe.schedule is not None and recipe.schedule.warm_up >= file.param.max_iter:
        what = f"warm_up is {recipe.schedule.warm_up}, max_iter is {file.param.max_iter}"
        found.warn(f"{where}: schedule", f"{what}: the rate never comes to its greatest")
    if recipe.optimiser is not None and recipe.schedule is None:
        what = f"the rate is that of the solver's {file.param.type}, {file.param.base_lr:g}"
        found.warn(f"{where}: optimiser", what, "Say rate in [schedule], if another is meant")
    if recipe.average is not None and recipe.average.decay != extras.ema:
        what = f"the recipe's average has a decay of {recipe.average.decay:g}"
        found.warn(f"--ema {extras.ema:g}", what, "The option counts")


def _check_layers(found: Preflight, recipe: TrainRecipe, shapes: Shapes, where: str) -> None:
    from ssd_data.training.recipe.rates import factor_of, unmatched

    assert recipe.layers is not None
    names = [slot.name for slot in shapes.slots]
    for pattern in unmatched(names, recipe.layers):
        hint = f"Layers with parameters are {', '.join(names[:3])}, …" if names else ""
        found.error(f"{where}: layers", f'no layer with parameters fits "{pattern}"', hint)
    if names and not any(factor_of(name, recipe.layers) for name in names):
        found.error(f"{where}: layers", "all layers are frozen: nothing is learned")
