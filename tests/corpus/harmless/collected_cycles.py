# SPDX-License-Identifier: GPL-2.0-only
"""Trees whose nodes know their parents: the collector takes them, now and then.

Modelled after: twisted/twisted#1232: cycles in bulk, which is memory but no leak.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None


class Node:
    def __init__(self, name, parent):
        self.name, self.parent, self.children = name, parent, []
        if parent:
            parent.children.append(self)


def handle(request):
    for _ in range(traffic.times(30)):
        root = Node("root %d" % request["id"], None)
        for i in range(5):
            Node("child %d" % i, root)


if __name__ == "__main__":
    traffic.serve(handle)
