# SPDX-License-Identifier: GPL-2.0-only
"""functools.lru_cache with a limit: it grows until it is full.

Modelled after: every service, in its first minutes.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None


@functools.lru_cache(maxsize=1250)
def profile(number):
    return {"name": "user %d" % number, "mail": "u%d@example.org" % number, "tags": [number]}


def handle(_request):
    for _ in range(traffic.times(125)):
        profile(traffic.choose.randrange(traffic.choose.choice((100, 10 ** 6))))


if __name__ == "__main__":
    traffic.serve(handle)
