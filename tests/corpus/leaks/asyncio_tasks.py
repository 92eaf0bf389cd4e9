# SPDX-License-Identifier: GPL-2.0-only
"""A task for each connection waits for a close that is never told.

Modelled after: permitio/fastapi_websocket_rpc#15: tasks that wait for an event of a long-lived
channel.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "accept"

FOLLOWERS = set()


async def follow(closed, _buffer):
    await closed.wait()


def accept():
    closed, buffer = asyncio.Event(), bytearray(4096)
    FOLLOWERS.add(asyncio.get_event_loop().create_task(follow(closed, buffer)))


def handle(_request):
    for _ in range(traffic.times(4)):
        accept()


if __name__ == "__main__":
    asyncio.run(traffic.serve_in_loop(handle))
