"""ONNX graphs, as ``nets/onnx`` emits them, as LiteRT's (TensorFlow Lite's) flat files.

``graph.py`` writes the file, ``translate.py`` walks the nodes and knows how each value lies;
one function translates each operator.
"""
