# SPDX-License-Identifier: GPL-2.0-only
"""Cursors of which the first page was read, and which are still open.

Modelled after: asphalt-framework/asphalt#29: streams that are made and not used to their end.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "read_pages"

CURSORS = {}


def read_pages(number):
    for page in range(100):
        rows = ["row %d of %d" % (page * 50 + i, number) for i in range(50)]
        yield rows


def handle(request):
    for _ in range(traffic.times(4)):
        cursor = CURSORS[len(CURSORS)] = read_pages(request["id"])
        next(cursor)


if __name__ == "__main__":
    traffic.serve(handle)
