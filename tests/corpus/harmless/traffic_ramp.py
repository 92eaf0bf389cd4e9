# SPDX-License-Identifier: GPL-2.0-only
"""Load rises for 40 seconds and stays; so does what is in progress.

Modelled after: a launch, or a host that takes over another one's load.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

RAMP_SECONDS, ORDERS_PER_SECOND, ORDER_SECONDS = 40, 120, 5
orders = collections.deque()


def begin(number):
    orders.append((traffic.now(), {"id": number + 1, "steps": ["step %d" % (number + i)
                                                               for i in range(3)]}))


def finish():
    while orders and orders[0][0] < traffic.now() - ORDER_SECONDS:
        orders.popleft()


def handle(request):
    for _ in range(traffic.times(ORDERS_PER_SECOND * min(1.0, traffic.now() / RAMP_SECONDS))):
        begin(request["id"])
    finish()


if __name__ == "__main__":
    traffic.serve(handle)
