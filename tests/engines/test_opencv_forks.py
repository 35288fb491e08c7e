"""Layers of forks that OpenCV's DNN has too: it is one more judge of what they compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssd_data.core.errors import InputError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights

LAYERS = [
    'type: "AbsVal" bottom: "x"',
    'type: "BNLL" bottom: "x"',
    'type: "Exp" bottom: "x"',
    'type: "Exp" bottom: "x" exp_param { base: 2 scale: 0.5 shift: 1 }',
    'type: "Log" bottom: "up"',
    'type: "MVN" bottom: "x"',
    'type: "Mish" bottom: "x"',
    'type: "Swish" bottom: "x"',
    'type: "HardSwish" bottom: "x"',
    'type: "HardSigmoid" bottom: "x"',
    'type: "ShuffleChannel" bottom: "x" shuffle_channel_param { group: 2 }',
    'type: "Reorg" bottom: "x" reorg_param { stride: 2 }',
    'type: "Interp" bottom: "x" interp_param { height: 11 width: 5 }',
    'type: "Interp" bottom: "x" interp_param { zoom_factor: 2 }',
    'type: "HardSigmoid" bottom: "x" hard_sigmoid_param { alpha: 0.3 beta: 0.1 }',
    'type: "MVN" bottom: "x" mvn_param { normalize_variance: false }',
    'type: "Axpy" bottom: "each" bottom: "x" bottom: "x"',
]


def write(folder: Path, layer: str) -> tuple[Path, Path]:
    deploy, weights = folder / "net.prototxt", folder / "net.caffemodel"
    deploy.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 6 }\n'
        'layer { name: "x" type: "Convolution" bottom: "data" top: "x" '
        "convolution_param { num_output: 4 kernel_size: 1 } }\n"
        'layer { name: "up" type: "Power" bottom: "x" top: "up" power_param { shift: 9 } }\n'
        'layer { name: "each" type: "Pooling" bottom: "x" top: "each" pooling_param { pool: AVE '
        "global_pooling: true } }\n"
        f'layer {{ name: "it" top: "it" {layer} }}\n'
        'layer { name: "s" type: "Silence" bottom: "up" bottom: "each" }\n'
    )
    write_random_weights(deploy, weights)
    return deploy, weights


@pytest.mark.parametrize("layer", LAYERS)
def test_they_agree(layer: str, tmp_path: Path) -> None:
    files = write(tmp_path, layer)
    value = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
    ours, theirs = (load_engine(name, *files).forward(value)["it"] for name in ("torch", "opencv"))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(ours).max())


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ('type: "Axpy" bottom: "each" bottom: "x" bottom: "up"', "scales the third bottom"),
        ('type: "Interp" bottom: "x" interp_param { zoom_factor: 2 pad_end: -1 }', "not crop"),
        (
            'type: "Convolution" bottom: "x" '
            "convolution_param { num_output: 2 kernel_size: 3 pad_w: 1 }",
            "Convolution passes over a pad_h without",
        ),
        ('type: "Log" bottom: "up" log_param { base: 3 }', "has no base"),
        ('type: "MVN" bottom: "x" mvn_param { eps: 0.5 }', "adds eps"),
        ('type: "Reorg" bottom: "x" reorg_param { stride: 2 reverse: true }', "has no reverse"),
        ('type: "Swish" bottom: "x" swish_param { beta: 2 }', "has no beta"),
    ],
)
def test_what_it_computes_otherwise_is_refused(layer: str, sentence: str, tmp_path: Path) -> None:
    """Seen with OpenCV 4.14: other values, and no word."""
    files = write(tmp_path, layer)
    with pytest.raises(InputError, match=sentence) as error:
        load_engine("opencv", *files)
    assert error.value.where == f'{files[0]}:5 (layer "it")'


@pytest.mark.parametrize("kind", ["Threshold", "SPP"])
def test_what_opencv_has_not_is_named(kind: str, tmp_path: Path) -> None:
    files = write(tmp_path, f'type: "{kind}" bottom: "x" spp_param {{ pyramid_height: 1 }}')
    with pytest.raises(InputError, match=f'no layer of type "{kind}"') as error:
        load_engine("opencv", *files).forward(np.zeros((1, 3, 8, 6), np.float32))
    assert error.value.where == f'{files[0]}:5 (layer "it")'
