# SPDX-License-Identifier: GPL-2.0-only
"""Old hits of an address are forgotten, the address itself is not.

Modelled after: mholzi/beatify#170, security-use/security-use#22 and IBM/mcp-context-forge#4607.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "is_allowed"

HITS = collections.defaultdict(collections.deque)
WINDOW_SECONDS, LIMIT = 10, 100


def is_allowed(address):
    hits = HITS["ip:" + address]
    while hits and hits[0] < traffic.now() - WINDOW_SECONDS:
        hits.popleft()
    hits.append(traffic.now())
    return len(hits) <= LIMIT


def handle(_request):
    for _ in range(traffic.times(15)):
        is_allowed("%d.%d.%d.%d" % tuple(traffic.choose.getrandbits(32).to_bytes(4, "big")))


if __name__ == "__main__":
    traffic.serve(handle)
