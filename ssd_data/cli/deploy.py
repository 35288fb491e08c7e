"""``ssd-data deploy``"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssd_data.cli.parts import net_options, shared
from ssd_data.cli.parts.fields import offered_option, options_of
from ssd_data.core.registry import TARGETS

if TYPE_CHECKING:
    from ssd_data.deploy import DeployedNet


class WithTargets(click.Command):
    """A command that says what targets there are, and has the options of all of them.

    They are read when the command is used, not when it is listed.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, and before ``--pictures`` the targets'."""
        own = super().get_params(ctx)
        place = [param.name for param in own].index("pictures")
        return [*own[:place], *target_options(), *check_options(), *own[place:]]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its help, and in the place of ``{targets}`` what each of them gives."""
        given = " ".join(f"{name}: {TARGETS.load(name).BRIEF}" for name in TARGETS.names())
        self.help = (self.help or "").replace("{targets}", given)
        super().format_help_text(ctx, formatter)


@cache
def target_options() -> list[click.Parameter]:
    """What targets offer in their files, as options of the command line."""
    from ssd_data.deploy.targets import known_options

    held = click.Command("targets")
    for name, (kind, targets) in known_options().items():
        offered_option(kind, name, whose=", ".join(targets))(held)
    return held.params


@cache
def check_options() -> list[click.Parameter]:
    """How what is written is checked, as options of the command line."""
    from ssd_data.deploy.checks import CheckOptions

    held = options_of(CheckOptions)(click.Command("checks"))
    return list(reversed(held.params))


@click.command(
    cls=WithTargets, short_help="Ship a trained net: for OpenCV, ncnn, MNN, NPUs, or as ONNX."
)
@click.argument("deploy", metavar="DEPLOY|RUN_DIR", type=shared.PATH)
@click.argument("weights", metavar="[WEIGHTS]", required=False, type=shared.PATH)
@click.option(
    "--profile",
    type=click.Choice(TARGETS.names()),
    required=True,
    help="For whom.",
)
@shared.out_option("A new folder for it.", required=True)
@click.option("--labelmap", type=shared.PATH, help="Names the classes.")
@click.option(
    "--pictures",
    type=shared.PATH,
    multiple=True,
    metavar="FILE|FOLDER",
    help="Compare on these (16 at most).  [default: noise and drawn pictures]",
)
@shared.follow_links_option
@net_options.mean_options
@shared.output_options
def command(
    deploy: Path,
    weights: Path | None,
    profile: str,
    out: Path,
    labelmap: Path | None,
    pictures: tuple[Path, ...],
    follow_links: bool,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Write DEPLOY (a prototxt) with WEIGHTS (a caffemodel) as others take it, into a new folder.

    The folder holds the net, a README.md of what it expects and gives, and the same as
    preprocess.json. What is written is run first and compared with the embedded engine: where it
    is not the same, nothing is written, and the difference is said.

    {targets}

    In the place of both, RUN_DIR is a folder with deploy.prototxt and the snapshots of a training:
    the one with the best test is taken, else the newest.

    \b
    Examples:
      ssd-data deploy deploy.prototxt net.caffemodel --profile caffe-ssd -o shipped
      ssd-data deploy deploy.prototxt net.caffemodel --profile onnx --head decoded -o shipped
      ssd-data deploy deploy.prototxt net.caffemodel --profile ncnn --score test_lmdb -o shipped
      ssd-data deploy ssd --profile npu --labelmap labelmap.prototxt -o shipped
    """
    from ssd_data.deploy import deploy as ship
    from ssd_data.deploy.checks import CheckOptions
    from ssd_data.training.run_folder import RunFolder

    if weights is None:
        run = RunFolder(deploy)
        deploy, (model, why) = run.deploy, run.best()
        weights, labelmap = model.path, labelmap or next(iter(run.labelmaps), None)
        if not quiet:
            shared.say(f"weights: {weights} ({why})", err=True)
    prepare = net_options.preprocessing(deploy, chosen)
    made = ship(
        profile,
        net_options.deploy_net(deploy, quiet, weights),
        weights,
        out,
        prepare,
        labelmap=shared.read_names(labelmap),
        options=_given(chosen),
        checks=CheckOptions(**{str(one.name): chosen[str(one.name)] for one in check_options()}),
        pictures=pictures,
        follow_links=follow_links,
    )
    if as_json:
        shared.print_json({"folder": str(made.folder), "files": made.files, **made.table})
    elif not quiet:
        _print(made)


def _given(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The targets' options that the call has, in the targets' order."""
    told = click.get_current_context().get_parameter_source
    names = [str(one.name) for one in target_options()]
    return {name: chosen[name] for name in names if told(name) is ParameterSource.COMMANDLINE}


def _print(made: DeployedNet) -> None:
    files = made.table["net"]["files"]
    for name in made.files:
        shared.say(f"{made.folder / name}" + (f": {files[name]}" if name in files else ""))
    for note in made.notes:
        shared.say(f"note: {note}")
    for proof in made.proofs:
        shared.say(f"equal to the embedded engine by {proof.sentence()}")
    for name, loss in made.table["losses"].items():
        shared.say(f"{name}:")
        shared.print_table(
            [
                ["  " + key.replace("_", " "), f"{v:.4g}" if isinstance(v, float) else v]
                for key, v in loss.items()
            ]
        )
