# SPDX-License-Identifier: GPL-2.0-only
"""Rows come and go in a dict that is resized time and again.

Modelled after: tables of open connections or orders, full and empty in turn.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

ROOM, LOW = 1500, 250
orders = {}
next_key, is_filling = 0, True


def handle(_request):
    global next_key, is_filling
    for _ in range(traffic.times(300)):
        if is_filling:
            orders[next_key] = "order %d" % next_key
            next_key += 1
            is_filling = len(orders) < ROOM
        else:
            orders.pop(next(iter(orders)))
            is_filling = len(orders) < LOW


if __name__ == "__main__":
    traffic.serve(handle)
