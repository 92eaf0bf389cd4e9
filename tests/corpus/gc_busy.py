# SPDX-License-Identifier: GPL-2.0-only
"""A program too busy to be followed block by block, which keeps something of each step.

No collection but those that are asked for; the truth: gc.get_stats().
"""
import gc

from background import work
from loops import service_loop

KEPT = []


def keep():
    KEPT.append(bytes(400))


def step():
    service_loop()
    keep()


def collect():
    return {"unreachable": gc.collect()}


def stats():
    return {"collections": [row["collections"] for row in gc.get_stats()]}


if __name__ == "__main__":
    gc.disable()
    work(step, {"collect": collect, "stats": stats})
