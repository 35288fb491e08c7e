"""Changes to XML: elements and attributes gone, twice, renamed, moved, filled with odd values."""

from __future__ import annotations

import copy
from random import Random

from lxml import etree

from support.fuzz.mutate import odd, text

HEADS = (
    b'<?xml version="1.0" encoding="latin-1"?>',
    b'<?xml version="1.1" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="nonsense"?>',
    b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>',
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
    b"<!-- a -->",
    b"<?a b?>",
)


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.25:
        return text.mutate(data, random)
    try:
        root = etree.fromstring(data, etree.XMLParser(recover=True, resolve_entities=False))
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        return text.mutate(data, random)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        try:
            _change(root, random)
        except ValueError:  # what lxml does not write
            continue
    made = etree.tostring(root, encoding="UTF-8")
    return random.choice(HEADS) + made if random.random() < 0.05 else made


def _change(root: etree._Element, random: Random) -> None:
    everything = [e for e in root.iter() if isinstance(e.tag, str)]
    if not everything:
        return
    one, other = random.choice(everything), random.choice(everything)
    above = one.getparent()
    kind = random.randrange(11)
    if kind < 3:
        one.text = random.choice([odd.number(random), odd.number(random), odd.word(random)])
    elif kind == 3 and one.attrib:
        key = random.choice(list(one.attrib))
        one.set(key, random.choice([odd.number(random), odd.word(random), one.attrib[key] * 2]))
    elif kind == 4 and above is not None:
        above.remove(one)
    elif kind == 5 and above is not None:
        above.insert(random.randrange(len(above) + 1), copy.deepcopy(one))
    elif kind == 6:
        one.tag = random.choice(
            [other.tag, one.tag.upper(), one.tag.title(), "a", "{u}a", f"{one.tag}s"]
        )
    elif kind == 7:
        other.append(copy.deepcopy(one))
    elif kind == 8:
        one.text, other.text = other.text, one.text
    elif kind == 9 and one.attrib:
        key = random.choice(list(one.attrib))
        held = one.attrib.pop(key)
        if random.random() < 0.5:
            one.set(random.choice([key.upper(), "x", *other.attrib]), held)
    else:
        _put_beside(one, random)


def _put_beside(one: etree._Element, random: Random) -> None:
    kind = random.randrange(5)
    if kind == 0:
        one.append(etree.Comment(" a "))
    elif kind == 1:
        one.insert(0, etree.ProcessingInstruction("a", "b"))
    elif kind == 2:
        one.tail = odd.word(random)
    elif kind == 3:
        one.append(etree.Entity("x"))
    else:
        for _ in range(random.choice([2, 50, 300])):
            one = etree.SubElement(one, one.tag)
