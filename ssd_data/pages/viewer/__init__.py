"""``ssd-data view``: a local page to browse an LMDB, of any size, and detections over its truth.

``index`` reads what records say of themselves; ``choice`` is what the address asks for, ``select``
finds it; ``judging`` holds detections against the truth, ``judged`` is its result; ``sight`` says
what is drawn; ``app`` answers requests, ``door`` says whose, ``server`` hears and answers them, and
``opening`` shows the page in the person's browser.
"""
