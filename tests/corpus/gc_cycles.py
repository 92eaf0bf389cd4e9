# SPDX-License-Identifier: GPL-2.0-only
"""Garbage in cycles, which only the collector frees; and what the collector says of itself.

The truth: gc.callbacks for each collection's generation, duration and findings, and
sys.getallocatedblocks() around what frees blocks. Each kind of cycle is made by a function of its
own, together with objects of the same class that references free.
"""
import gc
import sys
import time
import weakref

from commands import serve

try:
    from _testcapi import with_tp_del  # a finalizer as of old: its cycles cannot be collected
except ImportError:
    with_tp_del = None

gc.disable()
GENERATIONS = 3
KEPT = []
LOG = []  # what is to be said of each collection is worked out later: this is inside of its pause
is_asking = False
started = 0.0


def on_collection(phase, info):
    global started
    if phase == "start":
        started = time.perf_counter()
    else:
        LOG.append((time.perf_counter() - started, is_asking, info))


# ── kinds of cycles ────────────────────────────────────────────────────────────────────────────
class Node:
    __slots__ = ("other", "ref", "__weakref__")


class Finalized(Node):
    __slots__ = ()

    def __del__(self):
        pass


def self_reference():
    node = Node()
    node.other = node


def mutual():
    one, other = Node(), Node()
    one.other, other.other = other, one


def closure():
    def inner():
        return inner


def exception():
    kept = None
    try:
        raise KeyError
    except KeyError as error:
        kept = error  # its traceback has this frame, whose local it is
    return kept is None


def finalizer():
    node = Finalized()
    node.other = node


def generator():
    def waiting():
        itself = yield
        yield itself
    waits = waiting()
    next(waits)
    waits.send(waits)


def weak():
    node = Node()
    node.other = node
    node.ref = weakref.ref(node, id)


KINDS = {function.__name__: function for function in (self_reference, mutual, closure, exception,
                                                      finalizer, generator, weak)}


def tie(kind, how_many):
    for _ in range(how_many):
        kind()


def keep(how_many):
    KEPT.extend(Node() for _ in range(how_many))


def run_kind(kind, cyclic, plain):
    tie(kind, cyclic)
    if plain:
        keep(plain)


def blocks_freed(function):
    """By sys.getallocatedblocks(), which the allocator itself keeps."""
    before = sys.getallocatedblocks()
    function()
    return before - sys.getallocatedblocks()


# ── what the test says ─────────────────────────────────────────────────────────────────────────
def kinds():
    return {"kinds": sorted(KINDS), "function": "run_kind"}


def make(kind, cyclic, plain):
    run_kind(KINDS[kind], int(cyclic), int(plain))
    return {}


def drop():
    """By references: what make() has kept."""
    return {"blocks": blocks_freed(KEPT.clear)}


def collect(generation=2):
    global is_asking
    is_asking = True
    freed = blocks_freed(lambda: gc.collect(int(generation)))
    is_asking = False
    return {"blocks": freed}


def collect_often(times):
    """Many short ones: what a pause costs besides is told apart from the pause."""
    for _ in range(int(times)):
        collect(0)
    return {}


def storm(seconds):
    """As many as there can be, each with something to find; every fourth is a full one."""
    global is_asking
    end, is_asking = time.perf_counter() + float(seconds), True
    while time.perf_counter() < end:
        for generation in (0, 0, 0, 2):
            tie(mutual, 5)
            gc.collect(generation)
    is_asking = False
    return {}


def by_itself(how_many):
    """Collections that start by themselves, in the middle of allocations."""
    gc.enable()
    kept = [[i] for i in range(int(how_many))]
    gc.disable()
    return {"made": len(kept)}


def uncollectable(how_many):
    """How many were made: 0 where no class can be made that the collector must leave alone."""
    if not with_tp_del:
        return {"made": 0}

    @with_tp_del
    class Stuck:
        def __tp_del__(self):
            pass
    for _ in range(int(how_many)):
        stuck = Stuck()
        stuck.itself = stuck
    return {"made": int(how_many)}


def switch(on):
    (gc.enable if int(on) else gc.disable)()
    return {}


def set_thresholds(*values):
    gc.set_threshold(*map(int, values))
    return {"thresholds": gc.get_threshold()}


def freeze():
    gc.freeze()
    return {"frozen": gc.get_freeze_count()}


def unfreeze():
    gc.unfreeze()
    return {"frozen": gc.get_freeze_count()}


def stats():
    truth = {key: [0] * GENERATIONS for key in ("collections", "asked", "collected", "uncollectable",
                                               "pause_seconds", "pause_max_seconds")}
    for seconds, was_asked, info in LOG:
        generation = info["generation"]
        truth["collections"][generation] += 1
        truth["asked"][generation] += was_asked
        truth["collected"][generation] += info["collected"]
        truth["uncollectable"][generation] += info["uncollectable"]
        truth["pause_seconds"][generation] += seconds
        truth["pause_max_seconds"][generation] = max(truth["pause_max_seconds"][generation], seconds)
    return dict(truth, at=time.time(), thresholds=gc.get_threshold(), enabled=gc.isenabled(),
                frozen=gc.get_freeze_count())


if __name__ == "__main__":
    gc.collect()  # what starting leaves: 1,024 blocks where imported modules must be compiled first
    gc.callbacks.append(on_collection)
    serve({"kinds": kinds, "make": make, "drop": drop, "collect": collect,
           "collect_often": collect_often, "storm": storm, "by_itself": by_itself,
           "uncollectable": uncollectable,
           "switch": switch, "thresholds": set_thresholds, "freeze": freeze, "unfreeze": unfreeze,
           "stats": stats})
