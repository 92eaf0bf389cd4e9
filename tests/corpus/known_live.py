# SPDX-License-Identifier: GPL-2.0-only
"""Keeps blocks of known sizes for good amid much that is dropped, and says how many bytes each
function has kept: an estimate can be held against it.

Seeded, so that a run can be had again. Nothing kept comes from a free list (those of lists, dicts,
tuples and floats), and the list that keeps was made beforehand: what a function keeps is what it took.
"""
import random
import time

from commands import serve
from heapwalk import block_bytes, object_bytes

ROOM = 2000000
KEPT = [None] * ROOM
CHURNED = tuple(range(33, 433, 16))
PART_BYTES = tuple(range(30, 270, 20))
ALONE, CLUSTER, LARGE = 0.05, 0.01, 0.02  # of the steps
STEPS_A_BATCH = 100


class Owner:
    __slots__ = ("one", "two")


def keep_alone(choose):
    """One block, 48 to 512 bytes."""
    return bytes(choose.randrange(15, 479))


def keep_cluster():
    """13 blocks at once, as a request that leaks does."""
    return [bytes(size) for size in PART_BYTES], Owner()


def keep_large(choose):
    """One block of the C library's, 700 to 4,000 bytes."""
    return bytes(choose.randrange(700, 3900))


def churn(choose):
    for size in CHURNED:
        "x" * size
    bytes(choose.randrange(15, 1000))
    Owner()


KEEPERS = (keep_alone, keep_cluster, keep_large)


class Run:
    """As long as nothing is kept, each thing takes the place of the one before: the same work."""

    def __init__(self, seed):
        self.choose, self.used, self.is_keeping = random.Random(int(seed)), 0, False
        self.start()

    def start(self):
        self.truth = {keeper.__name__: {"bytes": 0, "blocks": 0} for keeper in KEEPERS}

    def keep(self, function, things):
        row = self.truth[function]
        for thing in things:
            KEPT[self.used] = thing
            self.used += self.is_keeping
            row["bytes"] += object_bytes(thing)
            row["blocks"] += 1

    def keep_a_cluster(self):
        # The list that carries them here is dropped, and counts for nothing.
        parts, owner = keep_cluster()
        self.keep("keep_cluster", parts)
        self.keep("keep_cluster", [owner])

    def step(self):
        churn(self.choose)
        dice = self.choose.random()
        if dice < ALONE:
            self.keep("keep_alone", [keep_alone(self.choose)])
        elif dice < ALONE + CLUSTER:
            self.keep_a_cluster()
        elif dice < ALONE + CLUSTER + LARGE:
            self.keep("keep_large", [keep_large(self.choose)])


def steps(run, seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and run.used < ROOM - STEPS_A_BATCH * (len(PART_BYTES) + 1):
        for _ in range(STEPS_A_BATCH):
            run.step()


def go(seed, lead, seconds):
    """First drop everything, then keep, for so long, or until the list is full; then nothing changes
    any more."""
    run = Run(seed)
    steps(run, lead)
    run.start()
    run.is_keeping = True
    steps(run, seconds)
    return {"truth": run.truth, "blocks": run.used}


if __name__ == "__main__":
    assert block_bytes(513) > 512  # else keep_large is pymalloc's
    serve({"go": go})
