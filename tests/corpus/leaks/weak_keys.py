# SPDX-License-Identifier: GPL-2.0-only
"""A weak dictionary whose values point back to their keys: none of them can go.

Modelled after: python/cpython#88846 and nengo/nengo#1089.
"""
import os
import sys
import weakref

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "summarise"

SUMMARIES = weakref.WeakKeyDictionary()


class Document:
    pass


def summarise(number):
    document = Document()
    document.words = ["word%d" % (number * i) for i in range(8)]
    SUMMARIES[document] = {"of": document, "length": len(document.words)}
    return SUMMARIES[document]["length"]


def handle(request):
    for _ in range(traffic.times(12)):
        summarise(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
