"""A net as ncnn's two files, ``.param`` and ``.bin``, written layer by layer.

ncnn has no batch: its blobs are Caffe's of one picture without their first axis.
Formats and parameters: Tencent/ncnn, ``src/net.cpp``, ``src/paramdict.cpp``, ``src/modelbin.cpp``,
``src/layer/*.cpp``.
"""
