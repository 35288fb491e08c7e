"""``ssd-data merge``"""

from __future__ import annotations

from pathlib import Path

import click

from ssd_data.cli.parts import shared


@click.command(short_help="Make one LMDB of a sharded one.")
@click.argument("sharded", metavar="DIR", type=shared.PATH)
@shared.out_option("The LMDB to write.", metavar="LMDB", required=True)
@click.option("--redo", is_flag=True, help="Replace an LMDB that lies there.")
@shared.output_options
def command(sharded: Path, out: Path | None, redo: bool, as_json: bool, quiet: bool) -> None:
    """Write the records of a sharded LMDB, a folder with shards.json, into one LMDB.

    Every command here reads a sharded LMDB as it is; a real Caffe reads one file. It appears when
    all of it is there; a merge that was interrupted goes on where it was when it is run again.

    \b
    Examples:
      ssd-data merge BIG/BIG_trainval_lmdb -o trainval_lmdb
      ssd-data merge BIG/BIG_trainval_lmdb -o trainval_lmdb --redo
    """
    from ssd_data.data.lmdb.merge import merge

    assert out is not None
    result = merge(sharded, out, redo=redo, track=shared.tracker(quiet))
    if as_json:
        names = ("out", "records", "bytes", "resumed")
        shared.print_json({name: getattr(result, name) for name in names})
    elif not quiet:
        size = f"{result.records:,} records, {result.bytes / 1e6:.1f} MB"
        if result.resumed == result.records:
            shared.say(f"up to date: {result.out} ({size})")
            return
        more = f"; {result.resumed:,} were there" if result.resumed else ""
        shared.say(f"done: {result.out} ({size}{more})")
