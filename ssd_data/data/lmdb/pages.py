"""Is an LMDB's tree sound? Read here page by page, before LMDB maps it and believes what it says.

LMDB follows the offsets in a page unchecked: one wrong byte can take it behind the mapping, which
kills the process. The layout is that of LMDB 0.9 (``mdb.c``: MDB_page, MDB_node, MDB_meta), data
version 1. Only branch and leaf pages are read; pictures lie in overflow pages, whose number alone
is checked.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import naming

MAGIC, VERSION = 0xBEEFC0DE, 1
ANEW = "Build it anew, or copy it: mdb_dump -f records LMDB, mdb_load -f records NEW_LMDB"
# What a database may be told when it is made; Caffe's are told nothing.
FLAGS = ("reversekey", "dupsort", "integerkey", "dupfixed", "integerdup", "reversedup")
BRANCH, LEAF, DIRTY = 0x01, 0x02, 0x10
FIRST = 2 << 16  # bytes: two of the largest pages
BIG, NAMED, OTHER_NODES = 0x01, 0x02, 0x06  # F_BIGDATA; F_SUBDATA; with F_DUPDATA beside it
NO_PAGE = 2**64 - 1
HEADER, NODE = 16, 8
_META = struct.Struct("=IIQQ48s48sQQ")  # magic, version, address, map size, two trees …
_TREE = struct.Struct("=IHHQQQQQ")  # page size, flags, depth, branch, leaf, overflow, entries, root
_NODE = struct.Struct("=HHHH")  # low, high, flags, key size


def require_sound(data: Path) -> int:
    """Check the tree of a ``data.mdb``.

    Returns:
        how many bytes the file must keep for as long as it is mapped.

    Raises:
        InputError: it is not an LMDB, it is cut short, or a page is damaged.
        OSError: as the system says.
    """
    with naming(data), data.open("rb") as file:
        try:
            tree = _Tree(file.fileno())
            tree.check()
        except struct.error:
            raise InputError("the LMDB is damaged: it is cut short", where=data.parent) from None
        except _DamagedError as error:
            raise InputError(f"the LMDB is damaged: {error}", where=data.parent) from None
        size: int = (tree.last + 1) * tree.size
        return size


def named_databases(data: Path) -> list[bytes]:
    """The named databases that an LMDB holds, of many the first; Caffe's hold none.

    What is damaged is left to :func:`require_sound`.

    Raises:
        InputError: it is sound, but of a kind that Caffe's LMDBs are not.
        OSError: as the system says.
    """
    with naming(data), data.open("rb") as file:
        try:
            return _Tree(file.fileno()).named()
        except _OtherKindError as error:
            raise InputError(str(error), where=data.parent, hint=ANEW) from None
        except (_DamagedError, struct.error):
            return []


class _DamagedError(Exception):
    pass


class _OtherKindError(_DamagedError):
    pass


class _Tree:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        start = os.pread(descriptor, FIRST, 0)
        magic, _, _, _, free, *_ = _META.unpack_from(start, HEADER)
        if magic != MAGIC:
            raise _DamagedError("its first page is no LMDB's")
        self.size = _TREE.unpack(free)[0]
        if self.size not in (2**n for n in range(9, 17)):
            raise _DamagedError(f"a page size of {self.size}")
        metas = [_META.unpack_from(start, HEADER + self.size * i) for i in (0, 1)]
        newest = max(metas, key=lambda meta: meta[-1])
        magic, version, _, map_size, free, main, self.last, _ = newest
        if (magic, version) != (MAGIC, VERSION):
            raise _OtherKindError(f"another LMDB wrote it (data version {version}, not {VERSION})")
        _, flags, self.depth, _, _, _, self.entries, self.root = _TREE.unpack(main)
        if told := [name for bit, name in enumerate(FLAGS, 1) if flags >> bit & 1]:
            raise _OtherKindError(
                f"its database was made with {', '.join(told)}, as Caffe's is not"
            )
        if flags or _TREE.unpack(free)[0] != self.size:
            raise _DamagedError("its two first pages do not fit each other")
        if not (self.last + 1) * self.size <= map_size < 1 << 47:
            raise _DamagedError(f"a map size of {map_size}")
        if (self.last + 1) * self.size > os.fstat(descriptor).st_size:
            raise _DamagedError("it is cut short, pages are missing at its end")

    def check(self) -> None:
        """Walk from the root; every page is reached at most once."""
        if self.root == NO_PAGE:
            if self.entries:
                raise _DamagedError("entries without a tree")
            return
        todo, seen, entries = [(self.root, 1)], {self.root}, 0
        while todo:
            number, level = todo.pop()
            wanted = LEAF if level == self.depth else BRANCH
            page = self._page(number, wanted)
            nodes = self._nodes(number, page)
            if wanted == LEAF:
                entries += len(nodes)
                for at, node in nodes:
                    self._leaf(number, page, at, node)
                continue
            if len(nodes) < 2:
                raise _DamagedError(f"page {number} has one branch")
            for _, (low, high, flags, _) in nodes:
                child = low | high << 16 | flags << 32
                if child in seen:
                    raise _DamagedError(f"page {child} is reached twice")
                seen.add(child)
                todo.append((child, level + 1))
        if entries != self.entries:
            raise _DamagedError(f"{self.entries} entries are stated, {entries} are there")

    def named(self) -> list[bytes]:
        """The names in the root, where it is a leaf; they are few, and so it is."""
        if self.root == NO_PAGE or self.depth != 1:
            return []
        page = self._page(self.root, LEAF)
        keys = [(at + NODE, node) for at, node in self._nodes(self.root, page)]
        return [page[at : at + node[3]] for at, node in keys if node[2] & OTHER_NODES == NAMED]

    def _page(self, number: int, flag: int) -> bytes:
        """A page that must be of one kind, and of no other beside it.

        It is read, not mapped: a file that is cut while it is read kills who has mapped it.
        """
        if not 2 <= number <= self.last:
            raise _DamagedError(f"there is no page {number}")
        page = os.pread(self.descriptor, self.size, number * self.size)
        if len(page) < self.size:
            raise _DamagedError("it is cut short, pages are missing at its end")
        (flags,) = struct.unpack_from("=H", page, 10)
        if flags & ~DIRTY != flag:
            raise _DamagedError(f"page {number} is of another kind")
        return page

    def _nodes(self, number: int, page: bytes) -> list[tuple[int, tuple[int, int, int, int]]]:
        """Offset in the page and header of each node."""
        lower, upper = struct.unpack_from("=HH", page, 12)
        if not HEADER <= lower <= upper <= self.size or lower % 2:
            raise _DamagedError(f"page {number} has wrong bounds")
        offsets = struct.unpack_from(f"={(lower - HEADER) // 2}H", page, HEADER)
        nodes = []
        for at in offsets:
            if not upper <= at <= self.size - NODE:
                raise _DamagedError(f"a node leaves page {number}")
            node = _NODE.unpack_from(page, at)
            if at + NODE + node[3] > self.size:
                raise _DamagedError(f"a key leaves page {number}")
            nodes.append((at, node))
        if not nodes:
            raise _DamagedError(f"page {number} is empty")
        return nodes

    def _leaf(self, number: int, page: bytes, at: int, node: tuple[int, int, int, int]) -> None:
        low, high, flags, key_size = node
        length, value = low | high << 16, at + NODE + key_size
        if flags & OTHER_NODES:
            raise _DamagedError(f"page {number} holds nodes of another kind")
        if not flags & BIG:
            if value + length > self.size:
                raise _DamagedError(f"a value leaves page {number}")
            return
        if value + 8 > self.size:
            raise _DamagedError(f"a value leaves page {number}")
        (first,) = struct.unpack_from("=Q", page, value)
        if not 2 <= first <= first + (HEADER + length - 1) // self.size <= self.last:
            raise _DamagedError(f"a value of page {number} lies behind the end")
