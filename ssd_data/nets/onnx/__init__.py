"""Nets as ONNX, layer by layer from the prototxt, with the package ``onnx`` alone.

A file of this folder holds emitters: functions below ``@emits("Type", …)`` that take a
:class:`~ssd_data.nets.onnx.emission.EmitStep` and return what the layer's tops are. What each
computes is the embedded engine's layer of that name (``engines/torch/layers/``).
"""
