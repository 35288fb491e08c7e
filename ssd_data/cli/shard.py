"""``ssd-data shard``"""

from __future__ import annotations

from pathlib import Path

import click

from ssd_data.cli.parts import shared


@click.command(short_help="Cut an LMDB into shards.")
@click.argument("lmdb", type=shared.PATH)
@shared.out_option("The sharded LMDB to write, a folder.", required=True)
@click.option(
    "--shards", type=click.IntRange(min=1), metavar="N", required=True, help="How many shards."
)
@click.option("--redo", is_flag=True, help="Replace a sharded LMDB that lies there.")
@shared.output_options
def command(
    lmdb: Path, out: Path | None, shards: int, redo: bool, as_json: bool, quiet: bool
) -> None:
    """Cut LMDB into shards of almost as many records each: a folder with shards.json.

    Any LMDB will do, made here or by Caffe, or a sharded one. What is read of the result is the
    same, in the same order; 'ssd-data merge' goes back.

    \b
    Example:
      ssd-data shard trainval_lmdb -o BIG_trainval_lmdb --shards 16
    """
    from ssd_data.data.lmdb.split import shard

    assert out is not None
    result = shard(lmdb, out, shards, redo=redo, track=shared.tracker(quiet))
    table = result.table
    if as_json:
        sizes = [{"name": s.name, "records": s.records, "bytes": s.bytes} for s in table.shards]
        shared.print_json({"out": result.out, "records": table.records, "shards": sizes})
    elif not quiet:
        count, size = len(table.shards), sum(one.bytes for one in table.shards)
        shards_ = "shard" if count == 1 else "shards"
        what = f"{count:,} {shards_}, {table.records:,} records, {size / 1e6:.1f} MB"
        shared.say(f"done: {result.out} ({what})")
