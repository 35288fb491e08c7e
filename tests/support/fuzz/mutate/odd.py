"""Values that readers trip over."""

from __future__ import annotations

from random import Random
from typing import Any

NUMBERS = (
    *("0", "-0", "1", "-1", "2", "255", "256", "65535", "65536", "2147483647", "2147483648"),
    *("-2147483649", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808"),
    *(
        "18446744073709551616",
        "1e9",
        "1e18",
        "1e38",
        "3.5e38",
        "1e308",
        "1e309",
        "-1e400",
        "1e-400",
    ),
    *("nan", "NaN", "inf", "-inf", "Infinity", "0x10", "0b1", "0o7", "010", "1_000", "1,5", "+1"),
    *("1.", ".5", "1e", "e1", "--1", "1.0.0", "1 2", "", " ", "½", "١٢", "²", "1\u00a0000", "−1"),
    *("0.5", "-0.5", "0.9999999999999999", "1.0000001", "1e-9", "100", "1000", "9" * 400),
)
WORDS = (
    *("", " ", "\t", "a", "A", "None", "null", "true", "False", "nan", "..", ".", "/", "~", "-"),
    *("../x", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "C:\\x", "\\\\host\\x", "a/b"),
    *("a//b", "./a", "a/./b", "a/../b", "-rf", "--help", "$HOME", "`id`", "%s%n", "{0}", "{}"),
    *(
        "a\nb",
        "a\rb",
        "a\0b",
        "\x1b[31mred\x1b[0m",
        "\x07",
        "\x9b2J",
        "\u202eabc",
        "\u2028",
        "\ufeff",
    ),
    *("\u0130", "ß", "ſ", "é", "e\u0301", "\ud7ff", "\ue000", "😀", "\U0010ffff", "\x7f", "\x85"),
    *("'", '"', "\\", '\\"', "<b>", "&amp;", "&x;", "]]>", "#", ",", ";", ":", "|", "*", "?", "%"),
    *("http://x/y", "file:///etc/passwd", "s3://b/k", "x" * 300, "é" * 200, "a " * 200),
    *("CON", "con.", "a.jpg.", "a.JPG", "1.jpg", "1.jpg#t=1", "a?b.jpg", "x.jpg\u200b"),
)
NOT_TEXT = (
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0"),
    *(b"\xe2\x28", b"\x80", b"\xc3", b"\x1b[2J", b"\xef\xbb\xbf"),
)
INTEGERS = (
    *(0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 257, 511, 512, 1000),
    *(4095, 4096, 4097, 32767, 32768, 65534, 65535, 65536, 100_000, 1 << 20, (1 << 24) - 1),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-38, 3.4e38, 1e300, float("inf"), float("nan"), -1e30)


def number(random: Random) -> str:
    if random.random() < 0.3:
        return str(random.randrange(-3, 300) / random.choice([1, 1, 2, 10, 100]))
    if random.random() < 0.01:
        return random.choice("19-") + "9" * random.choice([1000, 4400, 6000])
    return random.choice(NUMBERS)


def word(random: Random) -> str:
    if random.random() < 0.02:
        return random.choice(["a", "é", "/a", "<", "[", "\x1b"]) * random.choice(
            [1000, 5000, 70_000]
        )
    return random.choice(WORDS)


def value(random: Random) -> Any:
    """A value of JSON, of any type."""
    kind = random.randrange(9)
    if kind < 2:
        return random.choice(
            [0, 1, -1, 2, 1.5, -0.5, 1e9, 1e308, 1 << 31, 1 << 63, 1 << 64, -(1 << 63)]
        )
    if kind < 4:
        return word(random)
    if kind == 4:
        return number(random)
    if kind == 5:
        return random.choice([None, True, False])
    if kind == 6:
        return [value(random) for _ in range(random.randrange(5))]
    if kind == 7:
        return {word(random): value(random) for _ in range(random.randrange(4))}
    return random.choice([[], {}, [[]], [{}], [[], []], {"": None}, [1, 2, 3, 4], [0.1] * 5])


def integer(random: Random) -> int:
    return random.choice(INTEGERS) + random.choice([0, 0, 0, 1, -1, random.randrange(64)])
