"""A run's recipe as a file beside its table: for people, and to train by once more. Resuming goes
by what each snapshot records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssd_data.core.files.there import is_file
from ssd_data.core.files.whole import write_whole
from ssd_data.training.recipe.parts import TrainRecipe

ENDING = ".recipe.toml"


def recipe_file(table: Path) -> Path:
    """``run.recipe.toml`` of ``run.jsonl``."""
    return table.with_name(table.stem + ENDING)


def keep_recipe(table: Path, recipe: object) -> None:
    """Write it; where the run has none, no other run's stays.

    Raises:
        OutputError: it cannot be written.
    """
    path = recipe_file(table)
    if isinstance(recipe, TrainRecipe):
        from ssd_data.training.recipe.read import as_toml

        write_whole(path, as_toml(recipe))
    elif is_file(path):
        path.unlink()


def said_of(recipe: TrainRecipe | None) -> dict[str, Any] | None:
    """A recipe as JSON: its name, its digest, what it says.

    >>> said_of(None) is None
    True
    """
    if recipe is None:
        return None
    from ssd_data.training.recipe.read import digest_of, to_table

    return {"name": recipe.origin, "digest": digest_of(recipe), "elements": to_table(recipe)}


def in_a_line(recipe: TrainRecipe) -> str:
    """A recipe in a line: its name, its digest, what there is of it.

    >>> from ssd_data.training.recipe.read import read_recipe
    >>> in_a_line(read_recipe("faces")).partition(": ")[2]
    'schedule cosine, boxes giou, average, augmentation square'
    """
    from ssd_data.training.recipe.read import digest_of, to_table

    parts = []
    for name, table in to_table(recipe).items():
        inner = [key for key, value in table.items() if name == "augmentation" and value]
        inner = [key for key in inner if isinstance(table[key], dict)]
        parts.append(" ".join([name, *filter(None, [table.get("kind")]), *inner]))
    return f"recipe {recipe.origin} ({digest_of(recipe)}): {', '.join(parts)}"
