"""``ssd-data link``"""

from __future__ import annotations

from pathlib import Path

import click

from ssd_data.cli.parts import shared
from ssd_data.core.files.there import is_link


@click.command(short_help="Link a build under the names that prototxts use.")
@click.argument("build_dir", type=shared.PATH)
@click.argument("into", type=shared.PATH)
@click.option("--copy", is_flag=True, help="Copy, where links cannot be made.")
@shared.output_options
def command(build_dir: Path, into: Path, copy: bool, as_json: bool, quiet: bool) -> None:
    """Make trainval_lmdb, test_lmdb and labelmap.prototxt in INTO, as links to BUILD_DIR.

    The data set's recipe says which split each link takes. Links that are there are replaced in one
    step, links that lead nowhere are mended, a real file or folder in the way is never touched.

    \b
    Example:
      ssd-data link VOC0712 MobileNet-SSD
    """
    from ssd_data.data.build.links import link

    made = link(build_dir, into, copy=copy)
    if as_json:
        shared.print_json({"links": made})
    elif not quiet:
        for path in made:
            target = Path(path)
            shared.say(f"{path} -> {target.readlink()}" if is_link(target) else path)
