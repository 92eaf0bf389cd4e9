# SPDX-License-Identifier: GPL-2.0-only
"""A cache of two generations: every ten seconds the young one becomes the old one.

Modelled after: caches that are rotated as a whole.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

TURN_SECONDS = 10
young, old = {}, {}


def lookup(key):
    value = young.get(key) or old.get(key) or {"key": key, "text": "text %d" % key}
    young[key] = value
    return value


def handle(_request):
    global young, old
    for _ in range(traffic.times(150)):
        lookup(traffic.choose.randrange(10 ** 6))
    if traffic.every(TURN_SECONDS):
        young, old = {}, young


if __name__ == "__main__":
    traffic.serve(handle)
