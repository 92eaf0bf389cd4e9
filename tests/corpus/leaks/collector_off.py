# SPDX-License-Identifier: GPL-2.0-only
"""The collector was turned off to save time; what is in cycles stays.

Modelled after: python/cpython#75739: services that run without the cyclic collector.
"""
import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "parse_tree"


class Node:
    pass


def parse_tree(number):
    """Children know their parent: a cycle for each of them."""
    parent = Node()
    parent.name, parent.children = "order %d" % number, []
    for i in range(5):
        child = Node()
        child.parent, child.name = parent, "item %d" % (number + i)
        parent.children.append(child)
    return parent.children[0].name


def handle(request):
    for _ in range(traffic.times(12)):
        parse_tree(request["id"])


if __name__ == "__main__":
    gc.disable()
    traffic.serve(handle)
