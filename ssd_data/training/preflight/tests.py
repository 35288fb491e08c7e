"""What a preflight looks for in tests: what a test net gives, how much of the test set it sees, and
what its DetectionOutput is to write, or to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.legible import count_of
from ssd_data.metrics import SSD_VERSIONS
from ssd_data.nets.graph import Graph, Node
from ssd_data.training.preflight.data import Source
from ssd_data.training.preflight.report import Preflight
from ssd_data.training.preflight.solver import check_folder
from ssd_data.training.save_output import FORMATS, Saver, wants_files
from ssd_data.training.solver_file import SolverFile


def check_tests(found: Preflight, file: SolverFile) -> None:
    """What the test nets give is what the solver makes scores of."""
    param = file.param
    if param.eval_type == "detection" and param.ap_version not in SSD_VERSIONS:
        hint = f"Known are {', '.join(SSD_VERSIONS)}"
        found.error(file.origin, f'no ap_version is called "{param.ap_version}"', hint)
    for graph, count in zip(file.tests, param.test_iter, strict=True):
        if not count:
            found.warn(file.origin, f"test_iter is 0: {graph.origin} is not tested", "Set it")
        rows = {
            top for node in graph.nodes if node.type == "DetectionEvaluate" for top in node.tops
        }
        others = [name for name in graph.outputs if name not in rows]
        if param.eval_type == "detection" and others:
            found.error(
                graph.origin,
                f'the output "{others[0]}" is not DetectionEvaluate\'s, eval_type is detection',
                "Silence it, or set eval_type to classification",
            )
        if param.eval_type == "classification" and rows & set(graph.outputs):
            found.error(
                file.origin,
                f'{graph.origin} gives DetectionEvaluate\'s rows, eval_type is "{param.eval_type}"',
                'Set eval_type: "detection"',
            )


def check_coverage(found: Preflight, source: Source, test_iter: int) -> None:
    """The test's batches make up the test set."""
    batch = source.node.param.data_param.batch_size
    if source.lmdb is None or not batch or not test_iter:
        return
    tested, records = test_iter * batch, source.lmdb.records
    product = f"test_iter {test_iter} x batch_size {batch} = {tested}"
    fitting = -(-records // batch)
    hint = "" if fitting == test_iter else f"test_iter {fitting} covers them"
    if tested < records:
        what = f"{product}: {records - tested} of its {records} records are not tested"
        found.warn(source.lmdb.path, what, hint)
    elif tested > records:
        over = tested - records
        again = f"{over} are tested {'twice' if over <= records else 'again'}"
        what = f"{product}, but it has {count_of(records, 'record')}: {again}"
        found.warn(source.lmdb.path, what, hint)


def check_name_sizes(found: Preflight, graph: Graph, sources: Sequence[Source]) -> None:
    """A ``name_size_file`` has a line for each record. (That it can be read, its layer checks.)"""
    lmdb = next((source.lmdb for source in sources if source.lmdb is not None), None)
    for node in graph.nodes:
        stated = node.param.detection_evaluate_param.name_size_file
        if node.type != "DetectionEvaluate" or not stated:
            continue
        path = found.locate("sizes", stated, node.where)
        if path is None or lmdb is None:
            continue
        try:
            lines = len(read_lines(path, "name_size_file"))
        except InputError as error:
            found.take(error)
            continue
        if lines != lmdb.records:
            found.warn(
                path,
                f"it has {lines} lines, but {lmdb.path} {lmdb.records} records",
                "Is it of another split? ssd-data build writes one beside each LMDB",
            )


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
