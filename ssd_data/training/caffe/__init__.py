"""A real Caffe as the engine: its executable or its Python module, its log read."""
