"""``ssd-data recipe``"""

from __future__ import annotations

import click

from ssd_data.cli.parts import shared


@click.command(short_help="Show what a recipe of training says, or which there are.")
@click.argument("recipe", metavar="[NAME|F]", required=False)
@shared.output_options
def command(recipe: str | None, as_json: bool, quiet: bool) -> None:
    """Show a recipe for 'ssd-data train --recipe' with all keys that it does not name, or list
    those that come with ssd-data.

    What is shown is a recipe file again. A file of your own may begin with another:
    base = "small-data", and say only what differs.

    \b
    Examples:
      ssd-data recipe
      ssd-data recipe small-data
      ssd-data recipe my.toml --json
    """
    from ssd_data.training.recipe.kept import said_of
    from ssd_data.training.recipe.named import names, purpose_of
    from ssd_data.training.recipe.read import as_toml, read_recipe

    if recipe is not None:
        found = read_recipe(recipe)
        if as_json:
            shared.print_json(said_of(found))
        elif not quiet:
            for line in as_toml(found).rstrip("\n").split("\n"):
                shared.say(line)
    elif as_json:
        shared.print_json({"recipes": {name: purpose_of(name) for name in names()}})
    elif not quiet:
        shared.print_table([name, purpose_of(name)] for name in names())
