# SPDX-License-Identifier: GPL-2.0-only
"""Tasks are done, but a list of them keeps them and their results.

Modelled after: pnbruckner/ha-life360#101.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "fetch_member"

REQUESTS = []


async def fetch_member(number):
    await asyncio.sleep(0)
    return {"name": "member %d" % number, "at": ["%d.%d" % (number, i) for i in range(20)]}


def handle(request):
    for _ in range(traffic.times(4)):
        REQUESTS.append(asyncio.get_event_loop().create_task(fetch_member(request["id"])))


if __name__ == "__main__":
    asyncio.run(traffic.serve_in_loop(handle))
