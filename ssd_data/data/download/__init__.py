"""A data set's archives fetched and unpacked; the one part that uses the network."""
