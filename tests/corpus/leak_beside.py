# SPDX-License-Identifier: GPL-2.0-only
"""A leak of one object of 100 bytes a step, beside work that is dropped: how much of it, is known.

usage: leak_beside.py KIND [PROGRESS-FILE]
The kinds are those of loops.py, and `light`, which uses the CPU and takes next to no memory. As in
lives.py, it can fork, exec and end, here at full load; what it execs is this same workload.
"""
import os
import sys
import zlib

from background import work
from loops import LOOPS

BLOCK_BYTES = 112  # what pymalloc hands out for bytes(67), of which sys.getsizeof says 100
ROOM = 4000000
KEPT = [None] * ROOM
DATA = bytes(40 << 20)
used = 0


def light():
    """About 20 ms."""
    zlib.crc32(DATA)


def leak_one():
    return bytes(67)


KINDS = dict(LOOPS, light=light)
drop = None


def step():
    global used
    drop()
    KEPT[used % ROOM] = leak_one()
    used += 1


def leaked():
    return {"function": leak_one.__name__, "line": leak_one.__code__.co_firstlineno + 1,
            "blocks": min(used, ROOM), "bytes": min(used, ROOM) * BLOCK_BYTES}


def fork():
    """A child that works on as its parent does, until that ends."""
    parent = os.getpid()
    child = os.fork()
    while child == 0:
        step()
        if os.getppid() != parent:
            os._exit(0)
    return {"child": child}


def execute():
    os.execv(sys.executable, [sys.executable] + sys.argv)


def execute_other():
    os.execv("/bin/sleep", ["/bin/sleep", "600"])


if __name__ == "__main__":
    drop = KINDS[sys.argv[1]]
    work(step, {"leaked": leaked, "fork": fork, "execute": execute, "execute_other": execute_other},
         sys.argv[2] if len(sys.argv) > 2 else None)
