"""``ssd-data pycaffe``"""

from __future__ import annotations

from pathlib import Path

import click

from ssd_data.cli.parts import shared


@click.command(
    short_help="Run a Python script that was written for pycaffe.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--model-libs",
    type=shared.PATH,
    metavar="FILE",
    help="A fork's python/caffe/model_libs.py, in the place of the SSD branch's.",
)
@click.option(
    "--proto", type=shared.PATH, metavar="FILE", help="A fork's caffe.proto, for fields of its own."
)
@shared.output_options
@click.argument("script", type=shared.PATH)
@click.argument("arguments", metavar="[ARGUMENT]…", nargs=-1, type=click.UNPROCESSED)
def command(
    model_libs: Path | None,
    proto: Path | None,
    script: Path,
    arguments: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Run SCRIPT with ssd-data in the place of pycaffe, where no Caffe is.

    For scripts that make prototxts (ssd_pascal.py and its like: caffe.NetSpec, layers, params,
    model_libs), merge BatchNorm, or detect. They write their files themselves; a caffe train that
    they start is not there. In a fork's checkout its own model_libs.py and caffe.proto are used.

    \b
    Examples:
      ssd-data pycaffe examples/ssd/ssd_pascal.py
      ssd-data pycaffe merge_bn.py --model deploy.prototxt --weights net.caffemodel
    """
    import io
    import sys
    import traceback
    from contextlib import redirect_stdout

    from ssd_data.core.errors import SsdDataError
    from ssd_data.engines.torch.alias import run_script

    def say(text: str) -> None:
        if not quiet:
            shared.say(text, err=True)

    own = sys.stderr if as_json else io.StringIO() if quiet else sys.stdout
    try:
        with redirect_stdout(own):
            used = run_script(script, arguments, model_libs, proto, say)
    except SsdDataError:
        raise
    except Exception as error:  # the script's own, as Python shows it
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != str(script):
            trace = trace.tb_next
        if trace is None and isinstance(error, OSError):  # it had not begun yet
            raise
        text = "".join(traceback.format_exception(type(error), error, trace))
        for line in text.splitlines():
            shared.say(line, err=True)
        click.get_current_context().exit(1)
    if as_json:
        files = dict(zip(("model_libs", "proto"), used, strict=True))
        shared.print_json({"script": script, "arguments": arguments, **files})
