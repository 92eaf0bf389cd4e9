# SPDX-License-Identifier: GPL-2.0-only
"""A timeout of a day for each request, which nobody cancels when it is answered.

Modelled after: MagicStack/asyncpg#831 and ArchiveTeam/wpull#166.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "set_timeout"

A_DAY = 86400


def give_up(state):
    state["open"] = False


def set_timeout(number):
    state = {"open": True, "name": "request %d" % number, "tries": [number + 1]}
    asyncio.get_event_loop().call_later(A_DAY, give_up, state)


def handle(request):
    for _ in range(traffic.times(20)):
        set_timeout(request["id"])


if __name__ == "__main__":
    asyncio.run(traffic.serve_in_loop(handle))
