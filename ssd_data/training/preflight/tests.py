"""What a preflight looks for in what a test net's DetectionOutput is to write, or to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.nets.graph import Graph, Node
from ssd_data.training.preflight.data import Source
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.preflight.solver import check_folder
from ssd_data.training.save_output import FORMATS, Saver, wants_files


def check_saving(
    found: Preflight, graph: Graph, sources: Sequence[Source], test_iter: int, engine: str
) -> None:
    """The files that ``save_output_param`` names, and that a test sees enough pictures for it."""
    for node in graph.nodes:
        if node.type != "DetectionOutput":
            continue
        param = node.param.detection_output_param
        if param.visualize and engine != "caffe":
            hint = "ssd-data detect and ssd-data eval draw pictures"
            found.warn(node.where, "visualize shows no windows here", hint)
        kind = param.save_output_param.output_format
        if wants_files(param):
            _check_files(found, node, sources, test_iter, engine)
        elif param.save_output_param.output_directory and kind not in FORMATS:
            what = f'output_format is "{kind}": nothing is saved'
            found.warn(node.where, what, f"Known are {', '.join(FORMATS)}")


def _check_files(
    found: Preflight, node: Node, sources: Sequence[Source], test_iter: int, engine: str
) -> None:
    param = node.param.detection_output_param
    where = f"{node.where}: output_directory"
    # The original makes the folder itself.
    check_folder(found, where, Path(param.save_output_param.output_directory), "torch")
    try:
        saver = Saver(param, node.where)
    except InputError as error:
        found.take(error)
        return
    records = next((s.lmdb.records for s in sources if s.lmdb is not None), saver.wanted)
    if saver.wanted != records:
        what = f"num_test_image (or its name_size_file) says {saver.wanted} pictures, not {records}"
        found.warn(node.where, what, "Names and pictures would not go together")
    batch = next((s.node.param.data_param.batch_size for s in sources), 0)
    if batch and test_iter * batch < saver.wanted:
        what = f"detections are saved every {saver.wanted} pictures, a test has {test_iter * batch}"
        found.warn(node.where, what, f"test_iter {-(-saver.wanted // batch)} covers them")
