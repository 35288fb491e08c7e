"""The body of MobileNet V2 (arXiv:1801.04381) and SSDLite's layers above it, as Caffe nets have it;
and the detector that TensorFlow's models make of it, whatever its heads.

Names are those of chuanqi305's conversion of TensorFlow's model, which bonseyes' SFD nets keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.builder import NetBuilder
from ssd_data.families.parts.detector import Design, Settings, Stage, finish, halving_solver, start
from ssd_data.families.parts.heads import ssd_maps
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual: 1x1 wider, 3x3 depthwise, 1x1 narrower without activation.

    Attributes:
        channels: that come out.
        stride: of the depthwise convolution.
        expansion: times the channels that go in.
    """

    channels: int
    stride: int
    expansion: int


@dataclass(frozen=True, slots=True)
class Body:
    """The numbers of a body.

    Attributes:
        blocks: ``conv_1`` and following.
        first: channels of the depthwise convolution of block 0.
        stem_per_first: ``Conv`` has so many times as many.
        stem_stride: the stride of ``Conv``.
        narrow: channels that block 0 gives.
        top: channels of ``Conv_1``.
        extras: ``layer_19_1_2``, ``layer_19_2_2`` and following: channels of the 1x1 unit, and of
            the strided one that follows it.
        mark: ends the names of the blocks' layers.
        pools: block number (-1 for ``Conv``) to the name of a max-pooling behind it, 3x3 and 2.
    """

    blocks: Sequence[Block]
    first: int = 32
    stem_per_first: int = 1
    stem_stride: int = 2
    narrow: int = 16
    top: int = 1280
    extras: Sequence[tuple[int, int]] = ((256, 512), (128, 256), (128, 256))
    mark: str = ""
    pools: Mapping[int, str] = field(default_factory=dict)


# Channels and strides of conv_1 … conv_16 in arXiv:1801.04381, table 2.
CHANNELS = (24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
STRIDES = (2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)


def blocks(
    expansions: Sequence[int], strides: Sequence[int] = STRIDES, channels: Sequence[int] = CHANNELS
) -> list[Block]:
    """Blocks of the same expansion each, or of several in turn."""
    expansions = [*expansions] * (len(channels) // len(expansions))
    return [Block(*row) for row in zip(channels, strides, expansions, strict=True)]


def divisible(channels: float) -> int:
    """The nearest multiple of 8 not under nine tenths: TensorFlow's rule for multiplied nets."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


@dataclass(slots=True)
class MobileNetV2:
    """Adds a body's layers to a net.

    Args:
        net: where they go.
        body: its numbers.
        width: times the channels; of ``Conv_1`` only where it is above 1.
        size: width and height of the input in pixels, where strided layers pad as TensorFlow does:
            an even side gets its one row or column of zeros at the end, not at the start.
    """

    net: NetBuilder
    body: Body
    width: float = 1.0
    size: tuple[int, int] | None = None
    margins: list[str] = field(default_factory=list)

    def add(self) -> None:
        """``Conv`` … ``Conv_1``, then the extra layers."""
        body, net = self.body, self.net
        first = self._channels(body.first)
        top = self._strided("Conv", "data", first * body.stem_per_first, body.stem_stride)
        top = self._pool(-1, top)
        net.unit("conv/depthwise", top, first, 3, group=first)
        top = net.unit("conv/project", "conv/depthwise", self._channels(body.narrow), linear=True)
        for number, block in enumerate(body.blocks, 1):
            top = self._pool(number, self._block(number, block, top))
        last = self._channels(body.top) if self.width > 1 else body.top
        self._add_extras(net.unit("Conv_1", top, last))

    def _add_extras(self, top: str) -> None:
        """``layer_19_2_2`` and following, each of half the last one's side."""
        for number, (narrow, wide) in enumerate(self.body.extras, 2):
            top = self.net.unit(f"layer_19_1_{number}", top, narrow)
            name = f"layer_19_2_{number}"
            top = self._strided(f"{name}/depthwise", top, narrow, 2, group=narrow)
            top = self.net.unit(name, top, wide)
        if self.margins:
            self.net.add("Silence", "silence", self.margins, [])

    def _block(self, number: int, block: Block, bottom: str) -> str:
        net, mark, name = self.net, self.body.mark, f"conv_{number}"
        wide = net.channels[bottom] * block.expansion
        top = net.unit(f"{name}/expand{mark}", bottom, wide)
        top = self._strided(f"{name}/depthwise{mark}", top, wide, block.stride, group=wide)
        top = net.unit(f"{name}/project{mark}", top, self._channels(block.channels), linear=True)
        if block.stride == 1 and net.channels[top] == net.channels[bottom]:
            net.add("Eltwise", f"{name}/sum", [bottom, top], [name])
            net.channels[name] = net.channels[top]
            return name
        return top

    def _strided(self, name: str, bottom: str, channels: int, stride: int, group: int = 1) -> str:
        """A 3x3 unit that halves the side where ``stride`` is 2."""
        if stride == 1 or not self._even_side():
            return self.net.unit(name, bottom, channels, 3, stride=stride, group=group)
        net = self.net
        whole, rest = f"{name}/pad", f"{name}/tmp"
        net.convolution(
            name, bottom, channels, 3, stride=2, pad=2, group=group, bias=net.merged, top=whole
        )
        for number, (source, kept) in enumerate(((whole, rest), (rest, name)), 1):
            margin = f"{name}/margin{number}"
            param = net.add("Slice", "slice", [source], [margin, kept]).slice_param
            param.axis = number + 1
            param.slice_point.append(1)
            self.margins.append(margin)
        net.channels[name] = channels
        net.finish_unit(name)
        return name

    def _even_side(self) -> bool:
        """Whether TensorFlow pads a strided layer here unlike Caffe; halves the side."""
        if self.size is None:
            return False
        width, height = self.size
        if width % 2 != height % 2:
            raise UsageError(
                f"a {width}x{height} blob would be padded differently in width and height",
                where="--tf-padding",
                hint="Give a square --size, or leave out --tf-padding",
            )
        self.size = (width + 1) // 2, (height + 1) // 2
        return width % 2 == 0

    def _pool(self, number: int, bottom: str) -> str:
        name = self.body.pools.get(number)
        return self.net.max_pool(name, bottom, 3, 2) if name else bottom

    def _channels(self, count: int) -> int:
        return count if self.width == 1 else divisible(count * self.width)


SSD_BODY = Body(blocks([6]), extras=((256, 512), (128, 256), (128, 256), (64, 128)))
SSD_MAPS = ("conv_13/expand", "Conv_1", *(f"layer_19_2_{i}" for i in (2, 3, 4, 5)))


def ssd_net(
    settings: Settings, stage: Stage, detector: Design, *, merged: bool
) -> caffe_pb2.NetParameter:
    """The detector of chuanqi305's conversions: six maps, heads as ``detector`` has them."""
    net = NetBuilder("MobileNetv2-SSDLite", eps=0.001, merged=merged, relu6=settings.relu6)
    start(net, detector, settings, stage)
    padded = settings.size if settings.tf_padding else None
    MobileNetV2(net, SSD_BODY, settings.width_multiplier, padded).add()
    maps = ssd_maps(SSD_MAPS, settings.size, settings.min_sizes)
    return finish(net, detector, settings, stage, maps)


def ssd_solver(settings: Settings) -> caffe_pb2.SolverParameter:
    """``solver_train.prototxt``; interval and batches of the test as ``solver_test`` has them."""
    return halving_solver(settings, test_iter=[1000], base_lr=0.00001, weight_decay=0.00001)
