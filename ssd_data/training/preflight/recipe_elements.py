"""What a preflight looks for where a recipe has elements of augmentation."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.batches.composer import faults
from ssd_data.training.options import Extras
from ssd_data.training.preflight.data import ANNOTATED, Source
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.recipe.parts import Augmentation


def check_elements(
    found: Preflight, how: Augmentation, extras: Extras, sources: Sequence[Source], where: str
) -> None:
    """That the data layers can have them.

    Args:
        sources: the training net's data layers.
    """
    elements = how.elements()
    for source in sources:
        if source.node.type != ANNOTATED:
            continue
        for fault in faults(elements, source.node.param, extras.min_face, source.node.where):
            name, _, what = fault.what.partition(": ")
            found.error(f"{where}.{name}", f"{source.node.where}: {what}", fault.hint)
    several = [one.name for one in elements if one.takes_others]
    if several and not extras.cache:
        verb = "decodes" if len(several) == 1 else "decode"
        listed = " and ".join(filter(None, (", ".join(several[:-1]), several[-1])))
        what = f"{listed} {verb} pictures again and again"
        found.warn(where, what, "Keep as many as memory allows: --cache MB")
