"""Do a net's priors match a data set's boxes? Without the net's weights and without PyTorch."""
