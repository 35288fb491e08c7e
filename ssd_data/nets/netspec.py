"""Nets written in Python, as pycaffe has it: ``NetSpec``, ``layers``, ``params``, ``to_proto``.

Names of layers and the meaning of parameters are those of Caffe's ``python/caffe/net_spec.py``, so
that scripts written for it give the same prototxts.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ssd_data.core.errors import UsageError
from ssd_data.proto import caffe_pb2

# Types that have another's parameter: forks let its fields be given like those of that.
_SHARED = {
    "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
}
_messages: list[Any] = [caffe_pb2]
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


def use_messages(messages: Any) -> Any:
    """Write nets in a fork's messages from here on; returns those that were written in before.

    Args:
        messages: a module like ``caffe_pb2``.
    """
    before, _messages[0] = _messages[0], messages
    return before


@cache
def _own_fields(messages: Any) -> dict[str, str]:
    """A layer's type → the field that holds what it alone has: "Pooling" → "pooling_param"."""
    found = {
        field.message_type.name.removesuffix("Parameter"): field.name
        for field in messages.LayerParameter.DESCRIPTOR.fields
        if field.message_type is not None and field.name.endswith("_param")
    }
    return {**_SHARED, **found}


class Function:
    """A layer: its type, its bottoms and its parameters; nothing is computed.

    Args:
        kind: the type.
        bottoms: the :class:`Top` of each.
        settings: fields of the layer or of its own parameter; ``ntop`` is how many tops it has (1),
            ``in_place`` whether these are its bottoms.
    """

    def __init__(self, kind: str, bottoms: tuple[Top, ...], settings: dict[str, Any]) -> None:
        self.kind, self.bottoms = kind, bottoms
        self.settings = dict(settings)
        self.ntop = int(self.settings.pop("ntop", 1))
        self.in_place = bool(self.settings.pop("in_place", False))
        self.tops = tuple(Top(self, number) for number in range(self.ntop))
        for bottom in bottoms:
            if not isinstance(bottom, Top):
                raise UsageError(
                    f"a bottom of {kind} is {type(bottom).__name__}, no top of a layer",
                    hint="Give net.NAME or net[NAME]; a layer with several tops gives a tuple",
                )

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net of this layer and of all that it needs, with names made of types."""
        return to_proto(self)


class Top:
    """One blob that a layer gives."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net of the layers that it needs, with names made of types."""
        return to_proto(self)


class NetSpec:
    """A net under construction: an assigned top, or a layer without one, gets that name.

    >>> from ssd_data import NetSpec, layers as L, params as P
    >>> net = NetSpec()
    >>> net.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
    >>> net.conv = L.Convolution(net.data, num_output=4, kernel_size=3)
    >>> net["relu"] = L.ReLU(net.conv, in_place=True)
    >>> net.pool = L.Pooling(net.relu, pool=P.Pooling.AVE, global_pooling=True)
    >>> [(layer.name, *layer.bottom, *layer.top) for layer in net.to_proto().layer[2:]]
    [('relu', 'conv', 'conv'), ('pool', 'conv', 'pool')]

    Attributes:
        tops: name → what was assigned, in that order.
    """

    tops: OrderedDict[str, Top | Function]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Top | Function) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        if name != "tops" and name in self.tops:
            return self.tops[name]
        raise AttributeError(f'the net has no "{name}"')

    def __setitem__(self, name: str, value: Top | Function) -> None:
        if not isinstance(value, (Top, Function)):
            raise UsageError(
                f'"{name}" is given {type(value).__name__}, no top of a layer',
                hint="A layer with several tops gives a tuple: net.data, net.label = …",
            )
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tops

    def keys(self) -> list[str]:
        """The names, in the order in which they were given."""
        return list(self.tops)

    def vals(self) -> list[Top | Function]:
        """What has them."""
        return list(self.tops.values())

    def update(self, name: str, settings: Mapping[str, Any]) -> None:
        """Change parameters of the layer whose top has that name."""
        _function(self.tops[name]).settings.update(settings)

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net of all that was assigned and of what it needs."""
        return _write(self.tops.values(), {top: name for name, top in self.tops.items()})


def to_proto(*tops: Top | Function) -> caffe_pb2.NetParameter:
    """The net of the layers that tops need, with names made of types and numbers.

    >>> from ssd_data import layers as L, to_proto
    >>> data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
    >>> print(to_proto(L.ReLU(data)).layer[1])
    name: "ReLU1"
    type: "ReLU"
    bottom: "Input1"
    top: "ReLU1"
    <BLANKLINE>
    """
    return _write(tops, {})


class Layers:
    """``layers.TYPE(bottom, …, field=value, …)`` is a layer of that type.

    A field is one of the type's own parameter or of the layer; one whose name ends in ``param`` is
    the layer's. Dicts stand for messages, lists for repeated fields.

    >>> from ssd_data import layers as L
    >>> data, label = L.Data(source="lmdb", batch_size=1, ntop=2)
    >>> L.Pooling(data, kernel_size=2, stride=2).to_proto().layer[1].pooling_param.stride
    2
    """

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        if kind.startswith("__"):
            raise AttributeError(kind)

        def layer(*bottoms: Top, **settings: Any) -> Any:
            function = Function(kind, bottoms, settings)
            if function.ntop == 0:
                return function
            return function.tops[0] if function.ntop == 1 else function.tops

        return layer


class Parameters:
    """``params.TYPE.NAME`` is a value of an enumeration of that type's parameter.

    >>> from ssd_data import params as P
    >>> P.Pooling.AVE, P.PriorBox.CENTER_SIZE
    (1, 2)
    """

    def __getattr__(self, kind: str) -> Any:
        found = getattr(_messages[0], f"{kind}Parameter", None)
        if found is None:
            known = [name.removesuffix("Parameter") for name in vars(_messages[0])]
            raise AttributeError(f'there is no "{kind}Parameter". {_near(kind, known)}'.strip())
        return found


layers = Layers()
params = Parameters()


# ---- writing ----


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f"Did you mean {found[0]}?" if found else ""


def _function(top: Top | Function) -> Function:
    return top.fn if isinstance(top, Top) else top


def _write(
    wanted: Iterable[Top | Function], names: dict[Top | Function, str]
) -> caffe_pb2.NetParameter:
    """The net, each layer behind those that it needs."""
    net: caffe_pb2.NetParameter = _messages[0].NetParameter()
    written: dict[Function, caffe_pb2.LayerParameter] = {}
    numbers: Counter[str] = Counter()
    waiting = [_function(top) for top in wanted][::-1]
    while waiting:
        function = waiting[-1]
        needed = [b.fn for b in function.bottoms if b.fn not in written]
        if function not in written and needed:
            waiting += needed[::-1]
            continue
        waiting.pop()
        if function not in written:
            written[function] = _add(net, function, names, written, numbers)
    return net


def _add(
    net: caffe_pb2.NetParameter,
    function: Function,
    names: dict[Top | Function, str],
    written: Mapping[Function, caffe_pb2.LayerParameter],
    numbers: Counter[str],
) -> caffe_pb2.LayerParameter:
    def name_of(one: Top | Function) -> str:
        if one not in names:
            numbers[function.kind] += 1
            names[one] = f"{function.kind}{numbers[function.kind]}"
        return names[one]

    layer = net.layer.add(type=function.kind)
    layer.bottom.extend(written[bottom.fn].top[bottom.n] for bottom in function.bottoms)
    if function.kind != "Silence":  # it has none, whatever a script calls it
        layer.top.extend(layer.bottom if function.in_place else map(name_of, function.tops))
    layer.name = name_of(function.tops[0] if function.tops else function)
    for field, value in function.settings.items():
        _set(layer, field, value)
    return layer


def _set(layer: caffe_pb2.LayerParameter, field: str, value: Any) -> None:
    """A field of the layer's own parameter, or of the layer."""
    own = _own_fields(_messages[0]).get(layer.type)
    where = f'layer "{layer.name}" ({layer.type})'
    if not field.endswith("param") and own is not None:
        param = getattr(layer, own)
        if field in param.DESCRIPTOR.fields_by_name or field not in _fields(layer):
            _assign(param, field, value, where)
            return
    _assign(layer, field, value, where)


def _fields(message: Message) -> Any:
    return message.DESCRIPTOR.fields_by_name


def _assign(message: Message, name: str, value: Any, where: str) -> None:
    """Set a field; a dict is a message, a list or tuple a repeated field, as is what it holds."""
    field = _fields(message).get(name)
    kind = message.DESCRIPTOR.name
    if field is None:
        raise UsageError(
            f'{kind} has no field "{name}"', where=where, hint=_near(name, _fields(message))
        )
    held = getattr(message, name)
    if hasattr(held, "extend"):  # a repeated field
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, dict) and field.message_type is not None:
                _fill(held.add(), one, where)
            else:
                _put(held.append, field, one, where)
    elif field.message_type is None:
        _put(partial(setattr, message, name), field, value, where)
    elif isinstance(value, dict):
        _fill(held, value, where)
    else:
        _put(held.CopyFrom, field, value, where)


def _fill(message: Message, values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        _assign(message, name, value, where)


def _put(into: Callable[[Any], object], field: Any, value: Any, where: str) -> None:
    try:
        into(_whole(field, value))
    except (TypeError, ValueError):
        named = f"{field.containing_type.name}.{field.name}"
        raise UsageError(f"{named} cannot be {value!r:.60}", where=where) from None


def _whole(field: Any, value: Any) -> Any:
    """Scripts of Python 2 divide integers: 32 / 32 is 1.0 today."""
    if isinstance(value, float) and field.cpp_type in _INTEGERS and value.is_integer():
        return int(value)
    return value
