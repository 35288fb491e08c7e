"""Detecting over a whole data set and scoring what was found.

``sources`` says which pictures there are and what is true of them, ``journal`` keeps what was found
on the disk, ``detecting`` runs the net, ``results`` writes and scores, ``worst`` draws.
"""
