# SPDX-License-Identifier: GPL-2.0-only
"""Gives its memory back to the system, all the time: who looks at a block, may find no page there.

usage: unmapped.py arenas|blocks|maps [PROGRESS-FILE]
"""
import collections
import ctypes
import mmap
import sys

from background import work

HELD = 4  # steps that something lives
held = collections.deque()


def arenas():
    """Some 8 MB of small objects at once, all of which pymalloc's arenas go with."""
    return [bytes(300) for _ in range(25000)]


def blocks():
    """Blocks that glibc maps one by one: run with MALLOC_MMAP_THRESHOLD_=131072."""
    return [bytes(200000 + 4096 * i) for i in range(40)]


libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
MAP_BYTES = 1 << 20


class Mapped:
    def __init__(self):
        self.address = libc.mmap(None, MAP_BYTES, mmap.PROT_READ | mmap.PROT_WRITE,
                                 mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        ctypes.memset(self.address, 1, MAP_BYTES // 4)

    def __del__(self):
        libc.munmap(self.address, MAP_BYTES)


def maps():
    """Maps of its own, that come and go between the arenas and where they were."""
    return [Mapped() for _ in range(20)] + arenas()[:5000]


KINDS = {"arenas": arenas, "blocks": blocks, "maps": maps}
make = None


def step():
    held.append(make())
    if len(held) > HELD:
        held.popleft()


if __name__ == "__main__":
    make = KINDS[sys.argv[1]]
    work(step, progress=sys.argv[2] if len(sys.argv) > 2 else None)
