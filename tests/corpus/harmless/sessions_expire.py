# SPDX-License-Identifier: GPL-2.0-only
"""Sessions end after a time of their own: most soon, some after 15 seconds.

Modelled after: session stores with expiry, and users who stay.
"""
import heapq
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

LONGEST_SECONDS = 15
SESSIONS, ends = {}, []


def open_session(user):
    key = "%032x" % traffic.choose.getrandbits(128)
    SESSIONS[key] = {"user": user, "cart": ["item %d" % i for i in range(5)]}
    life = min(LONGEST_SECONDS, traffic.choose.paretovariate(0.7))
    heapq.heappush(ends, (traffic.now() + life, key))


def expire():
    while ends and ends[0][0] < traffic.now():
        del SESSIONS[heapq.heappop(ends)[1]]


def handle(request):
    for _ in range(traffic.times(50)):
        open_session(request["user"])
    expire()


if __name__ == "__main__":
    traffic.serve(handle)
