"""``ssd-data doctor``"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ssd_data.cli.parts import shared
from ssd_data.core.optional import install_line
from ssd_data.core.version import __version__

if TYPE_CHECKING:
    from ssd_data.core.files.abilities import Abilities
    from ssd_data.core.installed import Needed
    from ssd_data.core.machine import Machine

# What each extra is for; a test holds it against the package's own list.
USES = {
    "": "everything",
    "torch": "train, test, detect, eval, parity, deploy, time, import-backbone",
    "onnx": "deploy --profile onnx, --engine onnxruntime",
    "ncnn": "deploy --profile ncnn, --engine ncnn",
    "mnn": "deploy --profile mnn, --engine mnn",
    "openvino": "deploy --profile openvino, --engine openvino",
    "openvino-int8": "deploy --profile openvino --int8",
    "litert": "deploy --profile litert, --engine litert",
    "litert-int8": "deploy --profile litert --int8",
    "score": "score coco, curves",
    "download": "download, build --download",
    "hf": "data sets of Hugging Face",
    "datasets": "ssd_data.hf_dataset, in Python",
    "datumaro": "ssd_data.datumaro_dataset, in Python",
    "fiftyone": "ssd_data.fiftyone_importer, in Python",
    "hdf5": "HDF5Data layers",
    "tensorboard": "train --tensorboard",
    "ray": "build, eval, train --on ray",
    "remote": "data sets and LMDBs in stores (s3://, https:// …)",
    "report": "report",
    "view": "view",
}
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "CUDA_VISIBLE_DEVICES",
    "CAFFE_ROOT",
    "CAFFE_PYTHON",
    "RKNN_PYTHON",
    "TPU_MLIR_PYTHON",
)


@click.command(short_help="What is here: versions, engines, GPU, this folder, what is missing.")
@click.argument("folder", metavar="[DIR]", type=shared.PATH, default=".")
@shared.output_options
def command(folder: Path, as_json: bool, quiet: bool) -> None:
    """Say what there is on this machine, and what is missing for which command.

    Looks at the packages, engines, processors, memory, GPUs, and at what the file system of DIR
    (here by default) can do; a folder is made in it and removed again. Nothing is sent anywhere.

    \b
    Example:
      ssd-data doctor
      ssd-data doctor --json > for-the-report.json

    Exit status: 1 where a package that every command needs is missing or too old.
    """
    from ssd_data.core.errors import OutputError
    from ssd_data.core.files.abilities import abilities
    from ssd_data.core.installed import needed
    from ssd_data.core.machine import machine

    packages, here = needed(), machine()
    seen: Abilities | None = None
    refused = ""
    try:
        seen = abilities(folder)
    except OutputError as error:
        refused = str(error)
    gpus = _gpus(packages)
    found = {
        "ssd-data": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": asdict(here),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": [asdict(one) | {"is_there": one.is_there} for one in packages],
        "gpu": gpus,
        "toolkits": toolkits(),
        "folder": {"path": str(folder.absolute()), "refused": refused}
        | (asdict(seen) if seen else {}),
        "missing": missing(packages),
    }
    if as_json:
        shared.print_json(found)
    elif not quiet:
        _print(found, here, packages, seen)
    if any(not one.is_there for one in packages if not one.extra):
        raise click.exceptions.Exit(1)


def missing(packages: list[Needed]) -> list[dict[str, Any]]:
    """The extras of which a package is missing or too old, what for, and the line that mends it."""
    lacking: dict[str, list[str]] = {}
    for one in packages:
        if not one.is_there:
            lacking.setdefault(one.extra, []).append(f"{one.name}{one.bounds}")
    return [
        {
            "extra": extra,
            "packages": names,
            "for": USES.get(extra, extra),
            "install": install_line(extra),
        }
        for extra, names in lacking.items()
    ]


def toolkits() -> list[dict[str, Any]]:
    """The toolkits that another interpreter has, if one is named: its version, or what is wrong."""
    from ssd_data.core.errors import SsdDataError
    from ssd_data.engines._foreign import Child
    from ssd_data.engines._toolkits import TOOLKITS

    found = []
    for one in TOOLKITS:
        version = why = ""
        if os.environ.get(one.variable):
            try:
                version = Child(one).ask("version")[0]["version"] or "there"
            except SsdDataError as error:
                why = error.what
        named = {"name": one.name, "for": one.use, "variable": one.variable}
        found.append({**named, "version": version, "why": why, "install": one.install})
    return found


def _gpus(packages: list[Needed]) -> dict[str, Any]:
    """What PyTorch sees of GPUs."""
    if not any(one.name == "torch" and one.version for one in packages):
        return {"seen": [], "why": "PyTorch is not installed"}
    from ssd_data.engines.torch.gpus import gpus

    names, why = gpus()
    return {"seen": names, "why": why}


def _print(
    found: dict[str, Any], here: Machine, packages: list[Needed], seen: Abilities | None
) -> None:
    shared.say(f"ssd-data {__version__}, Python {found['python']}, {here.system}")
    shared.say(_processors(here))
    gpu = found["gpu"]
    shared.say(f"GPU: {', '.join(gpu['seen']) or 'none'}{gpu['why'] and ' (' + gpu['why'] + ')'}")
    for name, value in found["environment"].items():
        shared.say(f"{name}={value}")
    shared.say()
    _print_packages(packages)
    shared.say()
    _print_toolkits(found["toolkits"])
    shared.say()
    _print_folder(found["folder"], seen)
    shared.say()
    for one in found["missing"]:
        shared.say(f"missing for {one['for']}: {', '.join(one['packages'])}")
        shared.say(f"  {one['install']}")
    if not found["missing"]:
        shared.say("nothing is missing")


def _processors(here: Machine) -> str:
    text = f"{here.processor}, {here.usable} of {here.processors} processors"
    if here.quota is not None and here.quota < here.usable:
        text += f", time for {here.quota:g} of them"
    if here.features:
        text += f" ({' '.join(here.features)})"
    if here.memory is not None:
        text += f"; memory {here.memory / 1024:.0f} GiB"
    if here.available is not None:
        text += f", {here.available / 1024:.0f} free"
    if here.running is not None and here.running > here.processors:
        text += f"; busy: {here.running} programs run"
    return text


def _print_packages(packages: list[Needed]) -> None:
    rows = [
        [one.extra or "all", one.name, one.version or "-", _judged(one)]
        for one in sorted(packages, key=lambda one: one.extra)
    ]
    shared.print_table([["for", "package", "version", ""], *rows])


def _print_toolkits(found: list[dict[str, Any]]) -> None:
    rows = [
        [one["for"], one["name"], one["version"] or "-", one["why"] or _named(one)] for one in found
    ]
    shared.print_table([["for", "in a Python of its own", "version", ""], *rows])


def _named(one: dict[str, Any]) -> str:
    return "" if one["version"] else f"{one['variable']} names none ({one['install']})"


def _judged(one: Needed) -> str:
    if one.is_there:
        return ""
    return f"too old: {one.bounds}" if one.version else "missing"


def _print_folder(folder: dict[str, Any], seen: Abilities | None) -> None:
    from ssd_data.core.files.abilities import WITHOUT

    if seen is None:
        for line in folder["refused"].splitlines():
            shared.say(line)
        return
    kind = f"{seen.kind}, " if seen.kind else ""
    shared.say(
        f"{folder['path']}: {kind}{seen.free / 1024:.1f} GiB free, a small file is on the disk "
        f"after {seen.sync * 1e3:.1f} ms"
    )
    for name, can in seen.can.items():
        if not can:
            shared.say(f"  no {name}: {WITHOUT[name]}")
    if seen.folds:
        shared.say("  names that differ in capitals only are one file here")
