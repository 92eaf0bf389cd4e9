# SPDX-License-Identifier: GPL-2.0-only
"""A counter with a label by user: a time series for each, for ever.

Modelled after: chrisguidry/docket#164, BerriAI/litellm#12159 and prebid/salesagent#1265.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "Counter.labels"


class Child:
    __slots__ = ("value", "created")


class Counter:
    def __init__(self):
        self.children = {}

    def labels(self, *values):
        key = tuple("%s" % value for value in values)
        child = self.children.get(key)
        if child is None:
            child = self.children[key] = Child()
            child.value, child.created = 0, traffic.now()
        return child


REQUESTS = Counter()


def handle(_request):
    for _ in range(traffic.times(40)):
        REQUESTS.labels("GET", "/cart", traffic.choose.getrandbits(40)).value += 1


if __name__ == "__main__":
    traffic.serve(handle)
