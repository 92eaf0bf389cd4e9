# SPDX-License-Identifier: GPL-2.0-only
"""Leaks 23 objects of known size a tick, and nothing else; the report must say so.

`truth` computes what the allocators handed out: pymalloc rounds up to 16 bytes; over 512 bytes,
glibc's chunks are rounded up to 16 with 8 bytes of their own. The list that keeps the objects is
made beforehand, so that no growing holder adds bytes of its own to the leaking line.
"""
import gc
import sys
import threading
import time

from commands import serve

PER_TICK = 23
CHURNED = range(80, 80 + PER_TICK)
ROOM = 200000
KEPT = [None] * ROOM
used = 0


def leak_small():
    return bytes(100)


def leak_large():
    return bytes(3000)


def leak_collected():
    return [None]


def churn():
    """Made and dropped at once: the stack of these must hold nothing."""
    for size in CHURNED:
        b"x" * size


def block_bytes(asked):
    if asked <= 512:
        return (asked + 15) // 16 * 16
    return (asked + 8 + 15) // 16 * 16 - 8


def blocks_of(thing):
    """The sizes of the blocks of one leaked object."""
    if isinstance(thing, list):
        return [block_bytes(sys.getsizeof([])), block_bytes(8)]
    return [block_bytes(sys.getsizeof(thing))]


LEAKS = {"small": leak_small, "large": leak_large, "collected": leak_collected}


def tick(kind, ticks):
    global used
    leak = LEAKS[kind]
    gc.collect()  # a list from a free list is nobody's new block
    for _ in range(int(ticks)):
        for _ in range(PER_TICK):
            KEPT[used] = leak()
            used += 1
        churn()
    sizes = blocks_of(leak()) * (PER_TICK * int(ticks))
    return {"bytes": sum(sizes), "blocks": len(sizes), "function": leak.__name__}


TICKS_PER_SECOND = 20


def steadily(kind, seconds, per_second=TICKS_PER_SECOND):
    """Leak in the background at an even rate, so that the growth rate is known as well."""
    per_second = float(per_second)
    thread = threading.Thread(target=tick_for, args=(kind, float(seconds), per_second), daemon=True)
    thread.start()
    return {"bytes_per_second": sum(blocks_of(LEAKS[kind]())) * PER_TICK * per_second}


def tick_for(kind, seconds, per_second):
    begin = time.monotonic()
    ticks = 0
    while ticks < seconds * per_second:
        tick(kind, 1)
        ticks += 1
        time.sleep(max(0.0, begin + ticks / per_second - time.monotonic()))


def drop():
    global used
    KEPT[:] = [None] * ROOM
    used = 0
    return {}


def warm_up():
    """CPython 3.8 to 3.10 gives a function's code a cache of its own at its 1024th call."""
    for _ in range(2000):
        for leak in LEAKS.values():
            leak()


if __name__ == "__main__":
    warm_up()
    serve({"tick": tick, "steadily": steadily, "drop": drop})
