# SPDX-License-Identifier: GPL-2.0-only
"""The last 2000 lines of the log, in a deque with maxlen.

Modelled after: ring buffers for debugging.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

LINES = collections.deque(maxlen=2000)


def handle(request):
    for _ in range(traffic.times(125)):
        LINES.append("GET /orders/%d 200 %.6f" % (request["id"], traffic.now()))


if __name__ == "__main__":
    traffic.serve(handle)
