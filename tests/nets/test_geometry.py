"""Windows over maps: what layers say of them, and the sizes that come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_data.nets.geometry import (
    Window,
    convolution_group,
    convolution_window,
    pooling_window,
)
from ssd_data.nets.graph import LayerError, Node
from ssd_data.nets.prototxt import parse_prototxt
from ssd_data.proto import caffe_pb2

SIDES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))


def node(text: str) -> Node:
    return Node(parse_prototxt(text, caffe_pb2.LayerParameter).message, 'net:3 (layer "x")')


@given(st.integers(1, 40), SIDES)
def test_a_convolution_counts_the_windows_that_fit(
    length: int, sides: tuple[int, int, int, int]
) -> None:
    kernel, stride, pad, dilation = sides
    window = Window((kernel, 1), (stride, 1), (pad, 0), (dilation, 1))
    places = dilation * (kernel - 1)
    fitting = [i for i in range(0, length + 2 * pad, stride) if i + places < length + 2 * pad]
    height, width = window.convolved((length, 7))
    assert (max(height, 0), width) == (len(fitting), 7)
    if height > 0:  # a transpose gives the least size that such a convolution makes this one of
        back = window.deconvolved((height, 7))
        assert window.convolved(back) == (height, 7)
        assert length - stride < back[0] <= length


@given(st.integers(1, 40), SIDES)
def test_pooling_covers_the_map_and_starts_within_it(
    length: int, sides: tuple[int, int, int, int]
) -> None:
    kernel, stride, pad, _ = sides
    pad = min(pad, kernel - 1)
    length = max(length, kernel)
    window = Window((1, kernel), (1, stride), (0, pad))
    count = window.pooled((5, length))[1]
    starts = [i * stride - pad for i in range(count)]
    assert starts[-1] < (length if pad else length - kernel + stride)
    assert starts[-1] + kernel >= length + pad or starts[-1] + stride >= length
    rows, columns = window.extents((5, length))
    assert rows == [1] * 5
    assert columns == [min(i + kernel, length + pad) - i for i in starts]
    assert window.far_pad((5, length)) == (0, starts[-1] + kernel - length)


def test_what_layers_say() -> None:
    said = "convolution_param { kernel_h: 3 kernel_w: 5 stride: 2 stride: 1 pad: 1 dilation: 4 }"
    assert convolution_window(node(said)) == Window((3, 5), (2, 1), (1, 1), (4, 4))
    said = "pooling_param { kernel_size: 3 stride_h: 2 stride_w: 1 pad: 1 }"
    assert pooling_window(node(said), (9, 9)) == Window((3, 3), (2, 1), (1, 1))
    assert pooling_window(node("pooling_param { global_pooling: true }"), (9, 7)) == Window((9, 7))
    assert convolution_group(node("convolution_param { num_output: 6 group: 3 }"), 9) == (6, 3)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("convolution_param { }", "has a kernel, stride or dilation of 0"),
        ("convolution_param { kernel_size: 3 stride: 0 }", "has a kernel, stride or dilation of 0"),
        ("convolution_param { kernel_size: 3 kernel_h: 3 }", "has kernel both as one number"),
        ("convolution_param { pad: 1 pad: 1 pad: 1 }", "has 3 numbers for pad; 2 at most"),
        ("convolution_param { kernel_size: 3 axis: 2 }", "only axis 1"),
        ("pooling_param { }", "has a kernel or stride of 0"),
        ("pooling_param { kernel_size: 2 pad: 2 }", "pads by the whole kernel or more"),
        ("pooling_param { global_pooling: true stride: 2 }", "global pooling has no kernel"),
        ("pooling_param { kernel_size: 3 pad_h: 1 }", "has pad_h, which Caffe refuses"),
        ("pooling_param { kernel_h: 3 kernel_w: 2 pad_w: 1 }", "has pad_w, which Caffe refuses"),
        ("pooling_param { kernel_size: 3 kernel_h: 2 kernel_w: 2 }", "kernel_size and kernel_h"),
        ("pooling_param { kernel_size: 3 stride: 2 stride_h: 1 stride_w: 1 }", "has stride and"),
        ("pooling_param { kernel_w: 3 }", "has kernel_w, which Caffe refuses"),
    ],
)
def test_what_is_no_window(said: str, wrong: str) -> None:
    pooling = said.startswith("pool")
    with pytest.raises(LayerError, match=wrong) as caught:
        pooling_window(node(said), (8, 8)) if pooling else convolution_window(node(said))
    assert caught.value.where == 'net:3 (layer "x")'
    with pytest.raises(LayerError, match="group 2 does not divide 3 channels and 4 outputs"):
        convolution_group(node("convolution_param { num_output: 4 group: 2 }"), 3)
