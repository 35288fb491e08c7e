"""Which of a net's layers take part in a phase, by their ``include`` and ``exclude``."""

from __future__ import annotations

from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

Phase: TypeAlias = int  # caffe_pb2.TRAIN or caffe_pb2.TEST
PHASES = {"TRAIN": 0, "TEST": 1}


def phase_number(phase: Phase | str) -> Phase:
    """0 for ``TRAIN``, 1 for ``TEST``, from either form.

    Raises:
        ValueError: it is neither.
    """
    number = PHASES.get(phase, -1) if isinstance(phase, str) else phase
    if number not in (0, 1):
        raise ValueError(f"phase is {phase!r}, neither 'TRAIN' (0) nor 'TEST' (1)")
    return number


def takes_part(param: caffe_pb2.LayerParameter, state: caffe_pb2.NetState, where: str = "") -> bool:
    """Whether a layer's include or exclude rules let it take part.

    Raises:
        InputError: it has rules of both kinds.
    """
    if param.include and param.exclude:
        raise InputError("has include rules and exclude rules", where=where, hint="Keep one kind")
    if param.include:
        return any(_meets(state, rule) for rule in param.include)
    return not any(_meets(state, rule) for rule in param.exclude)


def _meets(state: caffe_pb2.NetState, rule: caffe_pb2.NetStateRule) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )
