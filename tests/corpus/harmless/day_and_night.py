# SPDX-License-Identifier: GPL-2.0-only
"""Load comes and goes, four days of 30 seconds in two minutes.

Modelled after: services of people who sleep at night: each morning looks like a leak.
"""
import collections
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

DAY_SECONDS, ORDERS_PER_SECOND, ORDER_SECONDS = 30, 150, 3
orders = collections.deque()


def begin(number):
    orders.append((traffic.now(), {"id": number + 1, "steps": ["step %d" % (number + i)
                                                               for i in range(3)]}))


def finish():
    while orders and orders[0][0] < traffic.now() - ORDER_SECONDS:
        orders.popleft()


def handle(request):
    load = 0.5 - 0.5 * math.cos(2 * math.pi * traffic.now() / DAY_SECONDS)
    for _ in range(traffic.times(ORDERS_PER_SECOND * load)):
        begin(request["id"])
    finish()


if __name__ == "__main__":
    traffic.serve(handle)
