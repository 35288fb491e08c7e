"""What a detector has besides its body: the data layer, and the heads of MultiBox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssd_data.core.errors import UsageError
from ssd_data.families.parts.model_libs.blocks import ConvBNLayer, constant
from ssd_data.nets.netspec import NetSpec, Top
from ssd_data.nets.netspec import layers as L  # noqa: N812
from ssd_data.proto import caffe_pb2


def CreateAnnotatedDataLayer(  # noqa: N802
    source: str,
    batch_size: int = 32,
    backend: int = caffe_pb2.DataParameter.LMDB,
    output_label: bool = True,
    train: bool = True,
    label_map_file: str = "",
    anno_type: int | None = None,
    transform_param: Mapping[str, Any] | None = None,
    batch_sampler: Sequence[Mapping[str, Any]] = ({},),
) -> Any:
    """The data layer ``data``: its top, and with ``output_label`` the labels' as well."""
    annotated: dict[str, Any] = {
        "label_map_file": label_map_file,
        "batch_sampler": list(batch_sampler),
    }
    if anno_type is not None:
        annotated["anno_type"] = anno_type
    return L.AnnotatedData(
        name="data",
        annotated_data_param=annotated,
        data_param={"batch_size": batch_size, "backend": backend, "source": source},
        ntop=2 if output_label else 1,
        include={"phase": caffe_pb2.TRAIN if train else caffe_pb2.TEST},
        transform_param=dict(transform_param or {}),
    )


def CreateMultiBoxHead(  # noqa: N802
    net: NetSpec,
    data_layer: str = "data",
    num_classes: int = 0,
    from_layers: Sequence[str] = (),
    use_objectness: bool = False,
    normalizations: Sequence[float] = (),
    use_batchnorm: bool = True,
    lr_mult: float = 1,
    use_scale: bool = True,
    min_sizes: Sequence[Any] = (),
    max_sizes: Sequence[Any] = (),
    prior_variance: Sequence[float] = (0.1,),
    aspect_ratios: Sequence[Any] = (),
    steps: Sequence[float] = (),
    img_height: int = 0,
    img_width: int = 0,
    share_location: bool = True,
    flip: bool = True,
    clip: bool = True,
    offset: float = 0.5,
    inter_layer_depth: Sequence[int] = (),
    kernel_size: int = 1,
    pad: int = 0,
    conf_postfix: str = "",
    loc_postfix: str = "",
    **bn_param: Any,
) -> list[Top]:
    """Locations, confidences and priors of some blobs, each kind joined.

    Args:
        data_layer: its size is the picture's.
        normalizations: of each blob what its Normalize begins with; -1 for none.
        min_sizes, max_sizes, aspect_ratios: of each blob a number or a list. steps: 0 for none.
        use_scale: of no effect, as in the original.
        inter_layer_depth: of each blob the channels of a convolution before the heads; 0 for none.

    Returns:
        mbox_loc, mbox_conf, mbox_priorbox, and with ``use_objectness`` mbox_objectness.

    Raises:
        UsageError: a list has not as many values as there are blobs.
    """
    if num_classes < 1:
        raise UsageError("CreateMultiBoxHead needs num_classes above 0")
    if data_layer not in net:
        raise UsageError(f'the net has no data layer "{data_layer}"')
    if len(min_sizes) != len(from_layers):
        raise _uneven("min_sizes", min_sizes, from_layers)
    lists = {
        "normalizations": normalizations,
        "max_sizes": max_sizes,
        "aspect_ratios": aspect_ratios,
        "steps": steps,
        "inter_layer_depth": inter_layer_depth,
    }
    for name, values in lists.items():
        if values and len(values) != len(from_layers):
            raise _uneven(name, values, from_layers)
    conv = {"kernel_size": kernel_size, "pad": pad, "stride": 1, "lr_mult": lr_mult}
    head = _Head(net, use_batchnorm, conv | bn_param)
    shape = _image(img_height, img_width)
    shape |= {"clip": clip, "variance": list(prior_variance), "offset": offset}
    for number, layer in enumerate(from_layers):
        own = {name: values[number] for name, values in lists.items() if values}
        blob = _prepared(net, layer, own, use_batchnorm, lr_mult, bn_param)
        sizes, ratios = _listed(min_sizes[number]), _listed(own.get("aspect_ratios", []))
        most = _listed(own.get("max_sizes", []))
        if most and len(most) != len(sizes):
            raise UsageError(f'"{layer}" has {len(sizes)} min_sizes and {len(most)} max_sizes')
        count = len(sizes) * (1 + bool(most) + len(ratios) * (2 if flip else 1))
        places = 4 * count * (1 if share_location else num_classes)
        head.predict("loc", blob, f"{blob}_mbox_loc{loc_postfix}", places)
        head.predict("conf", blob, f"{blob}_mbox_conf{conf_postfix}", count * num_classes)
        prior = {"min_size": sizes, **shape} | ({"max_size": most} if most else {})
        prior |= {"aspect_ratio": ratios, "flip": flip} if ratios else {}
        prior |= {"step": own["steps"]} if own.get("steps") else {}
        head.place(f"{blob}_mbox_priorbox", L.PriorBox(net[blob], net[data_layer], **prior))
        if use_objectness:
            head.predict("objectness", blob, f"{blob}_mbox_objectness", 2 * count)
    return head.join()


class _Head:
    """The predictions of all blobs, by kind.

    Args:
        conv: what their convolutions have in common.
    """

    def __init__(self, net: NetSpec, use_bn: bool, conv: dict[str, Any]) -> None:
        self.net, self.use_bn, self.conv = net, use_bn, conv
        self.found: dict[str, list[Top]] = {"loc": [], "conf": [], "priorbox": []}

    def predict(self, kind: str, blob: str, name: str, channels: int) -> None:
        """A convolution, its values in the order of the places."""
        net = self.net
        ConvBNLayer(net, blob, name, self.use_bn, False, channels, **self.conv)
        net[f"{name}_perm"] = L.Permute(net[name], order=[0, 2, 3, 1])
        net[f"{name}_flat"] = L.Flatten(net[f"{name}_perm"], axis=1)
        self.found.setdefault(kind, []).append(net[f"{name}_flat"])

    def place(self, name: str, priors: Top) -> None:
        """A layer of priors."""
        self.net[name] = priors
        self.found["priorbox"].append(priors)

    def join(self) -> list[Top]:
        """One blob a kind."""
        for kind, tops in self.found.items():
            axis = 2 if kind == "priorbox" else 1
            self.net[f"mbox_{kind}"] = L.Concat(*tops, axis=axis)
        return [self.net[f"mbox_{kind}"] for kind in self.found]


def _prepared(
    net: NetSpec,
    blob: str,
    own: Mapping[str, Any],
    use_bn: bool,
    lr_mult: float,
    bn_param: Mapping[str, Any],
) -> str:
    """The blob that is predicted from, behind its Normalize and a convolution where it has them."""
    scale = own.get("normalizations", -1)
    if scale != -1:
        settings = {"across_spatial": False, "channel_shared": False}
        norm = L.Normalize(net[blob], scale_filler=constant(scale), **settings)
        blob = f"{blob}_norm"
        net[blob] = norm
    if (depth := own.get("inter_layer_depth", 0)) > 0:
        between = f"{blob}_inter"
        ConvBNLayer(net, blob, between, use_bn, True, depth, 3, 1, 1, lr_mult=lr_mult, **bn_param)
        blob = between
    return blob


def _image(height: int, width: int) -> dict[str, Any]:
    if not (height and width):
        return {}
    return {"img_size": height} if height == width else {"img_h": height, "img_w": width}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _uneven(name: str, values: Sequence[Any], layers: Sequence[str]) -> UsageError:
    return UsageError(
        f"CreateMultiBoxHead is given {len(layers)} from_layers and {len(values)} {name}"
    )
