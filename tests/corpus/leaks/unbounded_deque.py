# SPDX-License-Identifier: GPL-2.0-only
"""Latencies are kept for a percentile of the last 100; the deque has no maxlen.

Modelled after: statistics kept in a deque whose maxlen was forgotten; graphs looked only at its
end.
"""
import collections
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "record_latency"

LATENCIES = collections.deque()
LOOKED_AT = 100


def record_latency(began, path):
    LATENCIES.append({"path": "/v1" + path, "seconds": time.monotonic() - began})


def percentile():
    last = sorted(LATENCIES[-i]["seconds"] for i in range(1, min(LOOKED_AT, len(LATENCIES)) + 1))
    return last[len(last) * 9 // 10] if last else None


def handle(request):
    began = time.monotonic()
    for _ in range(traffic.times(40)):
        record_latency(began, "/orders/%d" % request["id"])
    return percentile()


if __name__ == "__main__":
    traffic.serve(handle)
