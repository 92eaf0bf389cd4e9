# SPDX-License-Identifier: GPL-2.0-only
"""Tasks that wait, for some seconds each, and then end.

Modelled after: long polls and web sockets: many tasks, none for ever.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

CONNECTIONS = set()


async def connection(number):
    buffer = bytearray(2000)
    await asyncio.sleep(traffic.choose.uniform(1, 8) * traffic.SCALE)
    buffer.extend(b"%d" % number)


def handle(request):
    for _ in range(traffic.times(20)):
        task = asyncio.get_event_loop().create_task(connection(request["id"]))
        CONNECTIONS.add(task)
        task.add_done_callback(CONNECTIONS.discard)


if __name__ == "__main__":
    asyncio.run(traffic.serve_in_loop(handle))
