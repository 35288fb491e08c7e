"""Changes to text: its numbers, words, lines and marks, whatever language it is in."""

from __future__ import annotations

import re
from random import Random

from support.fuzz.mutate import odd, raw

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
WORD = re.compile(r"[A-Za-z_][\w./-]*")
MARKS = ",;:|{}[]()<>=\"'/\\ \t#&!*"


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.15:
        return raw.mutate(data, random)
    text = data.decode("utf-8", "surrogateescape")
    return random.choice(CHANGES)(text, random).encode("utf-8", "surrogateescape")


def _replaced(text: str, pattern: re.Pattern[str], new: str, random: Random) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text + new
    one = random.choice(found)
    return text[: one.start()] + new + text[one.end() :]


def a_number(text: str, random: Random) -> str:
    return _replaced(text, NUMBER, odd.number(random), random)


def a_word(text: str, random: Random) -> str:
    return _replaced(text, WORD, odd.word(random), random)


def word_for_word(text: str, random: Random) -> str:
    found = WORD.findall(text) or [""]
    return _replaced(text, WORD, random.choice(found), random)


def number_for_number(text: str, random: Random) -> str:
    found = NUMBER.findall(text) or ["1"]
    return _replaced(text, NUMBER, random.choice(found), random)


def number_for_word(text: str, random: Random) -> str:
    pair = [(NUMBER, odd.word(random)), (WORD, odd.number(random))]
    return _replaced(text, *random.choice(pair), random)


def lines(text: str, random: Random) -> str:
    rows = text.split("\n")
    at, other = random.randrange(len(rows)), random.randrange(len(rows))
    kind = random.randrange(8)
    if kind == 0:
        del rows[at]
    elif kind == 1:
        rows.insert(other, rows[at])
    elif kind == 2:
        rows[at], rows[other] = rows[other], rows[at]
    elif kind == 3:
        rows.insert(at, random.choice(["", " ", "#", "\t", odd.word(random), odd.number(random)]))
    elif kind == 4:
        rows[at] += random.choice(["", " ", "\r", ","]) + rows[other]
    elif kind == 5:
        rows[at] = random.choice([" ", "\t", "  ", ""]) + rows[at].strip()
    elif kind == 6:
        rows[at:at] = rows[at : at + 5] * random.choice([2, 20])
    else:
        return random.choice(["\r\n", "\r", "\n\n", "\0"]).join(rows)
    return "\n".join(rows)


def mark(text: str, random: Random) -> str:
    """Put a mark in, take one out, or take another for one."""
    places = [i for i, letter in enumerate(text) if letter in MARKS]
    new = random.choice(MARKS)
    if not places or random.random() < 0.3:
        at = random.randrange(len(text) + 1)
        return text[:at] + new + text[at:]
    at = random.choice(places)
    return text[:at] + random.choice(["", new, text[at] * 2]) + text[at + 1 :]


def all_marks(text: str, random: Random) -> str:
    return text.replace(random.choice(",; \t:"), random.choice([",", ";", "\t", " ", "|", ""]))


def columns(text: str, random: Random) -> str:
    """A column of all lines left out, doubled or moved."""
    mark = random.choice([",", " ", "\t", ";"])
    rows = [row.split(mark) for row in text.split("\n")]
    at, kind = random.randrange(6), random.randrange(3)
    for row in rows:
        if at < len(row) and len(row) > 1:
            piece = row.pop(at)
            if kind:
                row[at:at] = [piece, piece] if kind == 1 else []
            if kind == 2:
                row.append(piece)
    return "\n".join(mark.join(row) for row in rows)


def nest(text: str, random: Random) -> str:
    a, b = sorted(random.randrange(len(text) + 1) for _ in range(2))
    left, right = random.choice(["[]", "{}", "()", '""', "''", ("{a:", "}"), ('{"a":', "}")])
    times = random.choice([1, 2, 30, 200, 1100, 20_000])
    return text[:a] + left * times + text[a:b] + right * times + text[b:]


def other_letters(text: str, random: Random) -> str:
    kind = random.randrange(6)
    if kind == 0:
        return text.upper()
    if kind == 1:
        return text.swapcase()
    if kind == 2:
        return "\ufeff" + text
    if kind == 3:
        code = random.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7"])
        return text.encode(code, "ignore").decode("utf-8", "surrogateescape")
    if kind == 4:
        return text.replace("a", random.choice(["а", "ａ", "á"]))
    return text.translate({ord("0"): "٠", ord("1"): "١"})


def repeat(text: str, random: Random) -> str:
    a, b = sorted(random.randrange(len(text) + 1) for _ in range(2))
    piece = text[a : min(b, a + 200)]
    return text[:a] + piece * random.choice([2, 5, 100]) + text[a:]


CHANGES = (
    *(a_number, a_number, a_number, a_word, a_word, a_word, word_for_word, word_for_word),
    *(number_for_number, number_for_number, number_for_word, lines, lines, lines, mark, mark),
    *(all_marks, columns, nest, other_letters, repeat),
)
