# SPDX-License-Identifier: GPL-2.0-only
"""Metrics by method, path and status: a series for each, of which there are 300.

Modelled after: metrics whose labels have few values; the rare ones come late.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

SERIES = {}


def observe(path, status, seconds):
    key = ("GET", "/path/%d" % path, "%d" % status)
    if key not in SERIES:
        SERIES[key] = {"count": 0, "sum": 0.0, "buckets": [0] * 12}
    SERIES[key]["count"] += 1
    SERIES[key]["sum"] += seconds
    SERIES[key]["buckets"][min(11, int(seconds * 10))] += 1


def handle(request):
    for _ in range(traffic.times(100)):
        observe(traffic.choose.randrange(100), traffic.choose.choice((200, 304, 404)),
                request["total"] % 2)


if __name__ == "__main__":
    traffic.serve(handle)
