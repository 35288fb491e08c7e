"""Detecting over a whole data set and scoring what was found; whether two nets agree.

``run`` is an evaluation from top to bottom: ``sources`` says which pictures there are and what is
true of them, ``protocols`` how a picture goes through a net, ``detecting`` runs the net over all of
them, ``journal`` keeps what was found on the disk, ``results`` writes and scores, ``worst`` draws.
``detect`` is for pictures of which nothing is known; ``compare`` holds one net against another.
"""
