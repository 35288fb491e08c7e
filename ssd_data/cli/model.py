"""``ssd-data model``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import net_options, shared
from ssd_data.core.files.there import is_file
from ssd_data.core.registry import FAMILIES

if TYPE_CHECKING:
    from ssd_data.engines.torch.summary import Summary
    from ssd_data.families import Model
    from ssd_data.families.parts.write import Written
    from ssd_data.nets.graph import Graph


@click.command(short_help="Write train, test, deploy and solver prototxts.")
@click.argument(
    "family",
    metavar="FAMILY|PROTOTXT",
    type=shared.Name(FAMILIES, files=True),
    required=False,
)
@shared.out_option("Folder of the four prototxts.", metavar="DIR")
@click.option(
    "--num-classes", type=int, metavar="N", help="Classes; the background counts: 21 for VOC."
)
@click.option("--labelmap", type=shared.PATH, help="Take the classes from this labelmap.")
@click.option(
    "--build", type=shared.PATH, metavar="DIR", help="Take classes and test pictures from a build."
)
# What a family does not have of the following it refuses.
@click.option("--variant", metavar="NAME", help="One of the family's variants, see --list.")
@click.option("--size", metavar="N|WxH", help="The input's side in pixels, or width x height.")
@click.option("--width-multiplier", type=float, metavar="X", help="Times the channels of the body.")
@click.option("--batch-size", type=int, metavar="N", help="Pictures in a training batch.")
@click.option("--test-batch-size", type=int, metavar="N", help="Pictures in a test batch.")
@click.option("--iter-size", type=int, metavar="N", help="Batches that one solver step adds up.")
@click.option(
    "--min-sizes",
    metavar="A,B,…",
    help="The priors' sides in pixels, map by map.  [default: as published, for the size]",
)
@click.option(
    "--max-sizes",
    metavar="A,B,…",
    help="The larger sides, of the maps that have them.  [default: the next map's side]",
)
@click.option(
    "--aspect-ratios",
    metavar="A,B/C/…",
    help="The priors' width to height beside 1:1, maps parted by /, or one list for all.  "
    "[default: as published]",
)
@click.option("--relu6/--no-relu6", default=None, help="Activations stop at 6, or do not.")
@click.option(
    "--expand/--no-expand",
    default=None,
    help="Training also places pictures in a larger area, or does not.",
)
@click.option(
    "--tf-padding/--no-tf-padding",
    default=None,
    help="Strided layers pad as TensorFlow does, or as Caffe does.",
)
@click.option(
    "--merged/--unmerged",
    default=None,
    help="BatchNorm in the convolutions of the nets that are published so, or layers of it.",
)
@click.option(
    "--scores",
    type=click.Choice(["softmax", "sigmoid"]),
    help="Class scores of one softmax, or of a sigmoid each.  [default: as published]",
)
@click.option(
    "--from-scratch",
    is_flag=True,
    default=None,
    help="For training without weights: all layers learn at the same rate, by Adam.",
)
@click.option(
    "--new-heads",
    is_flag=True,
    default=None,
    help="Name the class heads anew, so that no other classes' weights load into them.",
)
@click.option("--list", "list_all", is_flag=True, help="Show families, variants, their options.")
@click.option(
    "--summary",
    is_flag=True,
    help="Show the deploy net's layers, sizes and priors; without -o nothing is written.",
)
@click.option("--redo", is_flag=True, help="Replace files that are there.")
@shared.output_options
def command(
    family: str | None,
    out: Path | None,
    num_classes: int | None,
    labelmap: Path | None,
    build: Path | None,
    list_all: bool,
    summary: bool,
    redo: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a net of FAMILY for training, for testing and for use, and its solver.

    Layers, names and priors are those of the published prototxts, so that published weights load.
    Run Caffe in the folder that this runs in: the nets read the links trainval_lmdb, test_lmdb and
    labelmap.prototxt there.

    With --summary, of a FAMILY's deploy net or of any PROTOTXT: shapes, learned parameters,
    multiply-adds of convolutions and inner products, and of each map with priors its stride and
    its receptive field. Both are in pixels of the input.

    \b
    Examples:
      ssd-data model --list
      ssd-data model sfd_mobilenetv2 --variant mod2 --num-classes 2 --summary
      ssd-data model deploy.prototxt --summary
      ssd-data model mobilenet_ssd --num-classes 21 -o ssd
      ssd-data model sfd_mobilenetv2 --variant mod2 --build WIDERFACE -o sfd
    """
    if list_all:
        _list(as_json)
        return
    if family is None or (out is None and not summary):
        raise click.UsageError("Give a FAMILY and -o DIR or --summary, or --list.")
    options["size"] = shared.parse_size(options["size"])
    for name in ("min_sizes", "max_sizes"):
        options[name] = _numbers(options[name], name)
    if (ratios := options["aspect_ratios"]) is not None:
        groups = [_numbers(group, "aspect_ratios") for group in ratios.split("/")]
        options["aspect_ratios"] = tuple(groups)
    if out is None:
        graph = _graph(family, (num_classes, labelmap, build), options, quiet)
        _show(graph, as_json, quiet)
        return
    from ssd_data.families.parts.write import write_model

    written = write_model(
        family,
        out,
        num_classes=num_classes,
        labelmap=labelmap,
        build=build,
        redo=redo,
        **options,
    )
    if as_json:
        shared.print_json(_table(written, summary))
    elif not quiet:
        if summary:
            _show(_deploy(written.model))
            shared.say()
        for path in written.files.values():
            shared.say(path)
        for note in written.notes:
            shared.say(f"note: {note}")


def _numbers(text: str | None, name: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(",")) if text.strip() else ()
    except ValueError:
        option = f"--{name.replace('_', '-')}"
        raise click.BadParameter(f'"{text}" is not A,B,…', param_hint=option) from None


def _graph(
    name: str,
    classes: tuple[int | None, Path | None, Path | None],
    options: dict[str, Any],
    quiet: bool,
) -> Graph:
    """A family's deploy net, or that of a file."""
    from ssd_data import families

    if name in FAMILIES.names() or not (is_file(name) or name.endswith(".prototxt")):
        from ssd_data.families.parts.write import count_classes

        FAMILIES.check(name)
        return _deploy(families.generate(name, count_classes(*classes), **options))
    if any(value is not None for value in (*classes, *options.values())):
        raise click.UsageError("The options of a FAMILY do not go with a PROTOTXT.")
    return net_options.deploy_graph(Path(name), quiet)


def _deploy(model: Model) -> Graph:
    from ssd_data.nets.graph import to_graph

    return to_graph(model.nets["deploy"], "TEST", origin=model.family)


def _table(written: Written, summary: bool) -> dict[str, Any]:
    from dataclasses import asdict

    model = written.model
    prepare = model.preprocessing
    return {
        **({"summary": _summary_table(_deploy(model))} if summary else {}),
        "family": model.family,
        "settings": asdict(model.settings),
        "files": written.files,
        "test_iter": list(written.solver.test_iter),
        "preprocessing": {"mean": prepare.mean, "scale": prepare.scale},
        "notes": written.notes,
    }


def _list(as_json: bool) -> None:
    from ssd_data import families

    modules = {name: FAMILIES.load(name) for name in FAMILIES.names()}
    if as_json:
        tables = {
            name: {"title": m.TITLE, "source": m.SOURCE, "variants": m.VARIANTS}
            for name, m in modules.items()
        }
        shared.print_json({"families": tables})
        return
    rows: list[list[object]] = [["family", "variant", "size", "batch", "what"]]
    for name, module in modules.items():
        for variant, has in module.VARIANTS.items():
            width, height = has["size"]
            batch = f"{has['batch_size']} x {has['iter_size']}"
            rows.append([name, variant, f"{width}x{height}", batch, module.TITLE])
    shared.print_table(rows)
    shared.say()
    for name, module in modules.items():
        options = families.options_of(module, next(iter(module.VARIANTS)))
        shared.say(f"{name}: " + " ".join(f"--{o.replace('_', '-')}" for o in sorted(options)))


def _show(graph: Graph, as_json: bool = False, quiet: bool = False) -> None:
    """Print the summary of a net."""
    if as_json:
        shared.print_json(_summary_table(graph))
    elif not quiet:
        _print_summary(_summarise(graph))


def _summary_table(graph: Graph) -> dict[str, Any]:
    from dataclasses import asdict

    found = _summarise(graph)
    sums = ("parameters", "multiply_adds", "prior_count")
    return {**asdict(found), **{name: getattr(found, name) for name in sums}}


def _summarise(graph: Graph) -> Summary:
    from ssd_data.engines.torch import require_torch

    require_torch()
    from ssd_data.engines.torch.summary import summarise

    return summarise(graph)


def _print_summary(found: Summary) -> None:
    from ssd_data.nets.geometry import shape_text

    rows: list[list[object]] = [["layer", "type", "output", "parameters", "multiply-adds"]]
    for layer in found.layers:
        shapes = ", ".join(shape_text(s) for s in layer.shapes)
        counts = [f"{n:,}" if n else "" for n in (layer.parameters, layer.multiply_adds)]
        rows.append([layer.name, layer.type, shapes, *counts])
    rows.append(["all", "", "", f"{found.parameters:,}", f"{found.multiply_adds:,}"])
    shared.print_table(rows, right=[3, 4])
    if not found.priors:
        return
    shared.say()
    head = ["priors of", "map", "a place", "in all", "stride", "field", "width x height, pixels"]
    table: list[list[object]] = [list(head)]
    for prior in found.priors:
        sizes = " ".join(f"{width:.4g}x{height:.4g}" for width, height in prior.sizes)
        pairs = [_pair(prior.map), len(prior.sizes), f"{prior.count:,}"]
        table.append([prior.blob, *pairs, _pair(prior.stride), _pair(prior.field), sizes])
    table.append(["all", "", "", f"{found.prior_count:,}", "", "", ""])
    shared.print_table(table, right=[1, 2, 3, 4, 5])


def _pair(values: tuple[float, ...]) -> str:
    """Height and width, once where they are the same."""
    return "x".join(f"{v:g}" for v in (values[:1] if len(set(values)) == 1 else values))
