# SPDX-License-Identifier: GPL-2.0-only
"""Loops that allocate much, run for a while and timed: how much slower are they when watched?

Also allocations and frees in known numbers from a known depth, for the cost of a single hit.
"""
import gc
import itertools
import json
import re
import sys
import time
import tracemalloc

from commands import serve

ORDERS = [{"id": 1000000 + i, "name": "customer %d" % i, "tags": ["new", "paid", str(i)],
           "lines": [{"sku": "A-%d" % (i * 7), "count": i % 5, "price": i * 1.25}] * 3}
          for i in range(10)]
QUERY = "user=%d&page=3&sort=name&filter=active%%20users&lang=en"
KEPT = []


def json_loop():
    """Parse and write a document of 10 orders."""
    return json.dumps(json.loads(json.dumps(ORDERS)))


class Node:
    def __init__(self, value, left, right):
        self.value, self.left, self.right = value, left, right


def tree(depth):
    return Node(depth, tree(depth - 1), tree(depth - 1)) if depth else None


def churn_loop():
    """Build and drop a tree of 127 objects."""
    return tree(7)


def service_loop():
    """Handle a request: split a query, look things up, fill a template, write JSON."""
    fields = dict(pair.split("=") for pair in (QUERY % 4711).split("&"))
    user = {"id": int(fields["user"]), "name": re.sub("%20", " ", fields["filter"]).title()}
    rows = ["<li>%s: %.2f</li>" % (order["name"], sum(line["price"] for line in order["lines"]))
            for order in sorted(ORDERS, key=lambda order: order["name"])]
    return json.dumps({"user": user, "html": "<ul>%s</ul>" % "".join(rows)})


class Link:
    def __init__(self, parent):
        self.parent, self.children = parent, []
        if parent:
            parent.children.append(self)


def young_loop():
    """Make garbage in cycles, some 400 objects of it: the collector's thresholds do the rest."""
    for _ in range(50):
        root = Link(None)
        for _ in range(3):
            Link(root)


def collect_loop():
    """Handle a request, make garbage in cycles by it, and ask for a full collection."""
    service_loop()
    young_loop()
    gc.collect()


LOOPS = {"json": json_loop, "churn": churn_loop, "service": service_loop, "young": young_loop,
         "collect": collect_loop}


def run(name, seconds):
    """Iterations a second, over about so many seconds."""
    loop, count = LOOPS[name], 0
    begin = now = time.perf_counter()
    while now - begin < float(seconds):
        loop()
        count += 1
        now = time.perf_counter()
    return {"per_second": count / (now - begin)}


def trace(frames):
    if tracemalloc.is_tracing():
        tracemalloc.stop()
    if int(frames):
        tracemalloc.start(int(frames))
    return {}


def at_depth(depth, function):
    """Call a function so that the stack has `depth` Python frames with it."""
    here, frame = 0, sys._getframe()
    while frame:
        here, frame = here + 1, frame.f_back
    return descend(int(depth) - here - 1, function)


def descend(more, function):
    return descend(more - 1, function) if more else function()


def allocate(how_many, depth):
    """Blocks of 96 bytes, one after the other, from one line; kept. Nanoseconds for each."""
    def leaf():
        begin = time.perf_counter()
        KEPT.extend(map(bytes, sizes))
        return time.perf_counter() - begin
    sizes = itertools.repeat(50, int(how_many))
    return {"ns": at_depth(depth, leaf) / int(how_many) * 1e9}


def free():
    how_many, begin = len(KEPT), time.perf_counter()
    KEPT.clear()
    return {"ns": (time.perf_counter() - begin) / how_many * 1e9}


if __name__ == "__main__":
    serve({"run": run, "trace": trace, "allocate": allocate, "free": free})
