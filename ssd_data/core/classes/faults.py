"""What is wrong with a labelmap, and the cure of each fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ssd_data.core.classes.background import BACKGROUND_ITEM, is_background, may_be_label_0
from ssd_data.core.legible import QUOTE, legible, quoted

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMapItem

NUMBER = "Number the classes 1, 2, 3, … once each; the background is 0"


class Fault(NamedTuple):
    """What would break a training, and what to do about it."""

    what: str
    cure: str


def faults_of(items: Sequence[LabelMapItem]) -> list[Fault]:
    """All faults of a labelmap: duplicates, no background or two, gaps. Empty where it is sound."""
    found = [
        Fault(f"the name {quoted(name)} stands {count} times", "Give each class a name of its own")
        for name, count in Counter(item.name for item in items).items()
        if count > 1
    ]
    labels = Counter(item.label for item in items)
    found += [
        Fault(f"the label {n} stands {count} times", NUMBER)
        for n, count in labels.items()
        if count > 1
    ]
    found += background_faults(items)
    if any(label < 0 for label in labels):
        found.append(Fault("a label is negative", NUMBER))
    if gaps := _gaps(sorted(label for label in labels if label > 0)):
        found.append(Fault(f"the numbering has gaps: {gaps} missing", NUMBER))
    if not any(label > 0 for label in labels):
        found.append(
            Fault("there is no class but the background", "Add the classes, numbered 1, 2, 3, …")
        )
    return found


def background_faults(items: Sequence[LabelMapItem]) -> list[Fault]:
    """Label 0 is the background, and no other is: a class that has it would never be learned."""
    zero = [item for item in items if item.label == 0]
    real = any(may_be_label_0(item.name) or may_be_label_0(item.display_name) for item in zero)
    for item in items:
        if item.label > 0 and (is_background(item.name) or is_background(item.display_name)):
            name = legible(item.name, QUOTE)
            what = f'"{name}" has the label {item.label}, but the background is label 0'
            leave = (
                f"In a labelmap leave it out and number the others without it; of a data set "
                f"--map {name}= drops its boxes, --map {name}=NAME renames them"
            )
            move = f'Give "{name}" the label 0, and the classes 1, 2, 3, …'
            return [Fault(what, leave if real else move)]
    if not zero:
        return [Fault("the background (label 0) is missing", f"Add {BACKGROUND_ITEM}")]
    if real:
        return []
    name = legible(zero[0].name, QUOTE)
    return [
        Fault(
            f'label 0 is the background, but here it is "{name}"',
            f'Add {BACKGROUND_ITEM} and 1 to the label of each class ("{name}" gets 1); where '
            f'"{name}" is the background, give it display_name: "background"',
        )
    ]


def _gaps(labels: list[int], most: int = 8) -> str:
    """The numbers from 1 on that are not among the sorted labels; the first few of them."""
    missing = (labels[-1] if labels else 0) - len(labels)
    if missing <= 0:
        return ""
    first: list[int] = []
    for before, behind in pairwise([0, *labels]):
        first += range(before + 1, min(behind, before + 2 + most - len(first)))
        if len(first) >= most:
            break
    shown = ", ".join(map(str, first[:most]))
    return f"{shown} and {missing - most} more" if missing > most else shown
