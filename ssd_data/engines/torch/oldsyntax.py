"""Statements of Python 2 that Python 3 cannot parse: ``print x``, ``except A, b:``, ``raise A, x``,
and tabs among spaces."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Iterator
from tokenize import TokenInfo
from typing import TypeAlias

Place: TypeAlias = Callable[[tuple[int, int]], int]  # a row and column → how far into the text
_IGNORED = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
_OPEN, _CLOSE = "([{", ")]}"


def to_python3(text: str) -> str:
    """The same in Python 3, as far as these go; a text that cannot be cut into words as it is.

    >>> print(to_python3('if x: print >>f, "a", x\\n'))
    if x: print( "a", x, file=f)
    <BLANKLINE>
    """
    text = "".join(map(_without_tabs, text.splitlines(keepends=True)))
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(at: tuple[int, int]) -> int:
        return starts[at[0] - 1] + at[1]

    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    edits: list[tuple[int, int, str]] = []
    for words in _statements(tokens):
        for start, end, new in _edits(words, text, place):
            edits.append((start, end, new))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _without_tabs(line: str) -> str:
    """Python 2 has a tab end at a multiple of eight columns."""
    bare = line.lstrip(" \t")
    return line[: len(line) - len(bare)].expandtabs(8) + bare


def _statements(tokens: list[TokenInfo]) -> Iterator[list[TokenInfo]]:
    """The words of each simple statement, and of each header without its colon."""
    words: list[TokenInfo] = []
    depth = lambdas = 0
    for token in tokens:
        if token.type in _IGNORED:
            continue
        depth += (token.string in _OPEN) - (token.string in _CLOSE) if token.string else 0
        lambdas += token.string == "lambda"
        ends = token.type in (tokenize.NEWLINE, tokenize.ENDMARKER) or token.string == ";"
        if token.string == ":" and not depth:
            ends, lambdas = not lambdas, max(lambdas - 1, 0)
        if ends and not depth:
            if words:
                yield words
            words, lambdas = [], 0
        else:
            words.append(token)


def _commas(words: list[TokenInfo]) -> list[int]:
    """Where commas stand that are in no brackets."""
    depth, found = 0, []
    for index, token in enumerate(words):
        depth += (token.string in _OPEN) - (token.string in _CLOSE) if token.string else 0
        if token.string == "," and not depth:
            found.append(index)
    return found


def _edits(words: list[TokenInfo], text: str, at: Place) -> list[tuple[int, int, str]]:
    """(from, to, what stands there instead) of a statement."""
    first, last = words[0].string, at(words[-1].end)
    commas = _commas(words)
    if first == "print" and _is_statement(words):
        return _print_edits(words, commas, text, at)
    if first == "except" and commas:
        comma = words[commas[0]]
        return [(at(comma.start), at(comma.end), " as")]
    if first == "raise" and commas:
        comma = words[commas[0]]
        return [(at(comma.start), at(comma.end), "("), (last, last, ")")]
    return []


def _is_statement(words: list[TokenInfo]) -> bool:
    """Whether this print is none that Python 3 would call."""
    if len(words) == 1:
        return True
    if words[1].string in ("=", "."):
        return False
    if words[1].string != "(":
        return True
    depth = 0
    for index, token in enumerate(words[1:], 1):
        depth += (token.string == "(") - (token.string == ")")
        if not depth:
            return index < len(words) - 1
    return False


def _print_edits(
    words: list[TokenInfo], commas: list[int], text: str, at: Place
) -> list[tuple[int, int, str]]:
    begin, last = at(words[0].end), at(words[-1].end)
    edits, tail = [(begin, begin, "(")], ")"
    if words[-1].string == ",":
        edits.append((at(words[-1].start), last, ""))
        tail = ', end=" ")'
    if len(words) > 1 and words[1].string == ">>":
        until = at(words[commas[0]].end) if commas else last
        stop = at(words[commas[0]].start) if commas else last
        file = text[at(words[1].end) : stop].strip()
        edits.append((at(words[1].start), until, ""))
        tail = f"{', ' if commas else ''}file={file}{tail}"
    return [*edits, (last, last, tail)]
