# SPDX-License-Identifier: GPL-2.0-only
"""Message ids are remembered, so that none is handled twice; for ever.

Modelled after: deduplication of deliveries by id in long-running consumers.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "is_duplicate"

SEEN = set()


def is_duplicate(number):
    key = "msg-%08d-%016x" % (number, traffic.choose.getrandbits(64))
    if key in SEEN:
        return True
    SEEN.add(key)
    return False


def handle(request):
    for _ in range(traffic.times(100)):
        is_duplicate(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
