# SPDX-License-Identifier: GPL-2.0-only
"""A busy service whose garbage is partly in cycles: the collector's share of each line is known.

One line makes objects that references free, one such that only the collector can, two a mixture of
both, and sessions are held for a while before they become garbage: what of them waits for the
collector counts itself. A ballast of live containers makes full collections as long as in a large
service; without it they take a millisecond or two.
"""
import collections
import gc
import itertools
import time

from commands import serve

WORK = 2000  # iterations of a loop between two requests
SESSIONS = 4000  # held at a time
STATS = {"plain": [0, 0], "cyclic": [0, 0], "often": [0, 0], "seldom": [0, 0]}  # [made, of these in cycles]
BALLAST = []


class Node:
    __slots__ = ("other", "payload")


class Session:
    """Counts those that are there, in use or not."""
    __slots__ = ("itself", "data")
    there = 0

    def __init__(self):
        self.itself = self
        self.data = None
        Session.there += 1

    def __del__(self):
        Session.there -= 1


HELD = collections.deque(maxlen=SESSIONS)


def new_plain():
    return Node()


def new_cyclic():
    return Node()


def new_often():
    return Node()


def new_seldom():
    return Node()


def new_session():
    return Session()


def make(kind, new, how_many, every):
    """As many; each of them but every `every`-th is in a cycle (0: none is)."""
    kept = []
    counts = STATS[kind]
    for i in range(how_many):
        node = new()
        if every and i % every:
            node.other = node
            counts[1] += 1
        else:
            kept.append(node)
    counts[0] += how_many


def make_cycles(kind, new, how_many):
    for _ in range(how_many):
        node = new()
        node.other = node
    STATS[kind][0] += how_many
    STATS[kind][1] += how_many


def make_seldom(kind, new, how_many, every):
    kept = []
    counts = STATS[kind]
    for i in range(how_many):
        node = new()
        if i % every == 0:
            node.other = node
            counts[1] += 1
        else:
            kept.append(node)
    counts[0] += how_many


def request():
    make("plain", new_plain, 8, 0)
    make_cycles("cyclic", new_cyclic, 8)
    make("often", new_often, 8, 4)
    make_seldom("seldom", new_seldom, 8, 4)
    HELD.append(new_session())


def run(seconds, work=WORK):
    end = time.monotonic() + float(seconds)
    requests = 0
    while time.monotonic() < end:
        request()
        requests += 1
        for _ in itertools.repeat(None, int(work)):  # takes no blocks
            pass
    return {"requests": requests, "lines": STATS, "held": len(HELD), "there": Session.there,
            "collections": [row["collections"] for row in gc.get_stats()]}


def ballast(how_many):
    BALLAST.extend([i] for i in range(int(how_many)))
    gc.collect()
    return {"objects": len(gc.get_objects())}


if __name__ == "__main__":
    serve({"run": run, "ballast": ballast})
