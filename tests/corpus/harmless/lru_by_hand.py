# SPDX-License-Identifier: GPL-2.0-only
"""An LRU cache out of an OrderedDict: full after 15 s, then one in and one out.

Modelled after: caches in application code.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

CACHE = collections.OrderedDict()
ROOM = 1500


def page_of(key):
    if key in CACHE:
        CACHE.move_to_end(key)
    else:
        CACHE[key] = "<h1>%d</h1>" % key * 20
        if len(CACHE) > ROOM:
            CACHE.popitem(last=False)
    return CACHE[key]


def handle(_request):
    for _ in range(traffic.times(150)):
        page_of(traffic.choose.randrange(traffic.choose.choice((100, 10 ** 6))))


if __name__ == "__main__":
    traffic.serve(handle)
