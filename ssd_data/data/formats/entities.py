"""Entities of XML: a file that has its own is refused, since what they stand for is not fetched.

Where a document type is named, libxml2 takes an entity that nothing declares for one of a file that
it was told not to load: in an attribute it is left out without a word.
"""

from __future__ import annotations

from lxml import etree

from ssd_data.core.errors import InputError

_HINT = "Write out what they stand for"


def refuse_entities(root: etree._Element, log: etree._ListErrorLog, name: str) -> None:
    """Refuse a file that declares entities, or uses some that it does not declare.

    Args:
        root: the file's. log: the parser's, so far. name: the file, for the error.

    Raises:
        InputError: it does; the error names the line.
    """
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is None:
        return
    if any(True for _ in dtd.iterentities()):
        raise InputError("the XML declares entities, which are refused", where=f"{name}:1")
    unknown = etree.ErrorTypes.WAR_UNDECLARED_ENTITY
    for line in (entry.line for entry in log if entry.type == unknown):
        what = "the XML has entities that it does not declare"
        raise InputError(what, where=f"{name}:{line}", hint=_HINT)
