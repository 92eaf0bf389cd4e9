# SPDX-License-Identifier: GPL-2.0-only
"""A multiprocessing.Pool whose workers leak, at one line, as they are told."""
import multiprocessing
import os
import sys
import time

from commands import serve
from leak_23 import block_bytes

WORKERS = 3
KEPT = [None] * 200000
used = 0


def leak_block():
    return bytes(3000)


def leak_in_a_worker(blocks):
    global used
    for _ in range(blocks):
        KEPT[used] = leak_block()
        used += 1
    time.sleep(0.02)  # so that no worker does it all
    return {"pid": os.getpid(), "blocks": used, "bytes": used * block_bytes(sys.getsizeof(bytes(3000)))}


def leak(pool, calls, blocks):
    """What each worker has leaked so far, of those that were called."""
    rows = pool.map(leak_in_a_worker, [int(blocks)] * int(calls), chunksize=1)
    return {"workers": sorted(rows, key=lambda row: row["blocks"])}


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(WORKERS) as workers:
        workers.map(leak_in_a_worker, [0] * WORKERS, chunksize=1)
        serve({"leak": lambda calls, blocks: leak(workers, calls, blocks)})
