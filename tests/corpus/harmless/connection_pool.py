# SPDX-License-Identifier: GPL-2.0-only
"""A pool makes connections as they are needed, 40 at most, and keeps them.

Modelled after: database pools that grow with the load of the morning.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

ROOM = 40
idle, busy = [], collections.deque()
BUSY_SECONDS = 1.5


def take():
    if idle:
        return idle.pop()
    return {"buffer": bytearray(16384), "statements": {}} if len(busy) < ROOM else None


def give_back():
    while busy and busy[0][0] < traffic.now():
        idle.append(busy.popleft()[1])


def handle(_request):
    for _ in range(traffic.times(min(40, 2 * traffic.now()))):
        give_back()
        connection = take()
        if connection:
            busy.append((traffic.now() + BUSY_SECONDS, connection))
    give_back()


if __name__ == "__main__":
    traffic.serve(handle)
