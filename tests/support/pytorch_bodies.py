"""MobileNets as PyTorch modules: the same structure, so the same names, as the libraries' own."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

V2 = [  # torchvision's table: expansion, channels, repeats, stride
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
]  # fmt: skip
V1 = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)]  # channels, repeats, stride


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, group: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=group, bias=False)


def unit(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, group: int = 1) -> nn.Module:
    return nn.Sequential(
        conv(inputs, outputs, kernel, stride, group), nn.BatchNorm2d(outputs), nn.ReLU6()
    )


class Residual(nn.Module):
    """torchvision's inverted residual."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        parts = [unit(inputs, wide)] if expansion > 1 else []
        parts += [unit(wide, wide, 3, stride, wide), conv(wide, outputs), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*parts)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class TorchvisionV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [unit(3, 32, 3, 2)]
        channels = 32
        for expansion, outputs, repeats, stride in V2:
            for i in range(repeats):
                parts.append(Residual(channels, outputs, expansion, 1 if i else stride))
                channels = outputs
        self.features = nn.Sequential(*parts, unit(channels, 1280))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(1280, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)


class Separable(nn.Module):
    """timm's depthwise separable block; V1 has an activation behind the second convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int, acts: bool) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = conv(inputs, inputs, 3, stride, inputs), nn.BatchNorm2d(inputs)
        self.conv_pw, self.bn2 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.act = nn.ReLU6() if acts else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu6(self.bn1(self.conv_dw(x)))
        return self.act(self.bn2(self.conv_pw(x)))


class Inverted(nn.Module):
    """timm's inverted residual."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.conv_pw, self.bn1 = conv(inputs, wide), nn.BatchNorm2d(wide)
        self.conv_dw, self.bn2 = conv(wide, wide, 3, stride, wide), nn.BatchNorm2d(wide)
        self.conv_pwl, self.bn3 = conv(wide, outputs), nn.BatchNorm2d(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.relu6(self.bn1(self.conv_pw(x)))
        y = nn.functional.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.adds else y


class TimmV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2), nn.BatchNorm2d(32)
        stages, channels = [], 32
        for expansion, outputs, repeats, stride in V2:
            stage: list[nn.Module] = []
            for i in range(repeats):
                step = 1 if i else stride
                if expansion == 1:
                    stage.append(Separable(channels, outputs, step, False))
                else:
                    stage.append(Inverted(channels, outputs, expansion, step))
                channels = outputs
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = conv(channels, 1280), nn.BatchNorm2d(1280)
        self.classifier = nn.Linear(1280, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(nn.functional.relu6(self.bn1(self.conv_stem(x))))
        return nn.functional.relu6(self.bn2(self.conv_head(x)))


class TimmV1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2), nn.BatchNorm2d(32)
        stages, channels = [], 32
        for outputs, repeats, stride in V1:
            stage = []
            for i in range(repeats):
                stage.append(Separable(channels, outputs, 1 if i else stride, True))
                channels = outputs
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(nn.functional.relu6(self.bn1(self.conv_stem(x))))


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """A module with values as after training: statistics are those of its own activations.

    One channel of each convolution is so weak that the normalisation's eps counts.
    """
    random = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data.normal_(0, (2 / part.weight[0].numel()) ** 0.5, generator=random)
            part.weight.data[0] *= 0.02
        elif isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
            part.weight.data.uniform_(0.6, 1.4, generator=random)
            part.bias.data.uniform_(-0.3, 0.6, generator=random)
    with torch.no_grad():
        module.train()(torch.randn(16, 3, 64, 64, generator=random))
    return module.eval()


def features(module: nn.Module, picture: np.ndarray, mean: object, std: object) -> np.ndarray:
    """What a module gives in double precision for a BGR picture of 0 … 255, (height, width, 3)."""
    rgb = (picture[:, :, ::-1].astype(np.float64) / 255 - np.array(mean)) / np.array(std)
    with torch.no_grad():
        return deepcopy(module).double()(torch.from_numpy(rgb.transpose(2, 0, 1)[None])).numpy()
