# SPDX-License-Identifier: GPL-2.0-only
"""Garbage in cycles, which only the collector frees; and what the collector says of itself.

The truth: gc.get_stats() for the number of collections, gc.callbacks for their duration (CPython
keeps none itself), sys.getsizeof() for the bytes of a cycle.
"""
import gc
import sys
import time

from commands import serve

gc.disable()
GENERATIONS = range(3)
pauses = [0.0, 0.0, 0.0]
started = 0.0


class Knot:
    __slots__ = ("itself",)


def tie_knots(how_many):
    for _ in range(how_many):
        knot = Knot()
        knot.itself = knot


def tie_and_untie(how_many):
    for _ in range(how_many):
        knot = Knot()
        knot.itself = knot
        knot.itself = None


def on_collection(phase, info):
    global started
    if phase == "start":
        started = time.perf_counter()
    else:
        pauses[info["generation"]] += time.perf_counter() - started


def knots(how_many):
    """Garbage for the next collection. One block a knot."""
    tie_knots(int(how_many))
    size = (sys.getsizeof(Knot()) + 15) // 16 * 16
    return {"blocks": int(how_many), "bytes": int(how_many) * size, "function": "tie_knots"}


def untied(how_many):
    """As many objects of the same class, freed one by one, outside the collector."""
    tie_and_untie(int(how_many))
    return {"function": "tie_and_untie"}


def collect(generation):
    return {"unreachable": gc.collect(int(generation))}


def by_itself(how_many):
    """Collections that start by themselves, in the middle of allocations."""
    gc.enable()
    kept = [[i] for i in range(int(how_many))]
    gc.disable()
    return {"made": len(kept)}


def stats():
    return {"collections": [row["collections"] for row in gc.get_stats()],
            "collected": [row["collected"] for row in gc.get_stats()],
            "pause_seconds": pauses}


if __name__ == "__main__":
    gc.callbacks.append(on_collection)
    serve({"knots": knots, "untied": untied, "collect": collect, "by_itself": by_itself,
           "stats": stats})
