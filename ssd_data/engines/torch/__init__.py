"""The embedded engine: Caffe nets on PyTorch, layer by layer as the original computes them."""
