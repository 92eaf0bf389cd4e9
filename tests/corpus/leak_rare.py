# SPDX-License-Identifier: GPL-2.0-only
"""Allocates as fast as it can, and leaks one object of 100 bytes in 10,000.

What is dropped has no free list in front of pymalloc: each is a block handed out, and one taken back.
The list that keeps the objects is made beforehand, so that its growing adds nothing.
"""
import itertools

from background import work

ALLOCATIONS = 10000
SIZES = tuple(range(40, 440, 8))  # as bytes objects: blocks of 80 to 480 bytes
ROOM = 4000000
KEPT = [None] * ROOM
used = itertools.count()


class Point:
    __slots__ = ("x", "y")


def point():
    Point()


def text(size):
    "x" * size


def blob(size):
    bytes(size)


def churn(allocations):
    """So many blocks, each dropped before the next."""
    kinds = len(SIZES) * 2 + 1
    for _ in range(allocations // kinds):
        point()
        for size in SIZES:
            text(size)
            blob(size)
    for _ in range(allocations % kinds):
        point()


def leak():
    return bytes(67)  # sys.getsizeof: 100


def step():
    churn(ALLOCATIONS - 1)
    KEPT[next(used)] = leak()


def leaked():
    count = next(used)
    KEPT[count] = leak()
    return {"function": leak.__name__, "line": leak.__code__.co_firstlineno + 1, "objects": count + 1}


if __name__ == "__main__":
    work(step, {"leaked": leaked})
