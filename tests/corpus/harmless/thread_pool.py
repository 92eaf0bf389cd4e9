# SPDX-License-Identifier: GPL-2.0-only
"""A pool starts its threads one by one, each with a scratch buffer of its own.

Modelled after: executors, whose threads come with the load and then stay.
"""
import concurrent.futures
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

LOCAL = threading.local()
POOL = concurrent.futures.ThreadPoolExecutor(max_workers=8)


def resize(number):
    if not hasattr(LOCAL, "scratch"):
        LOCAL.scratch = bytearray(50000)
    LOCAL.scratch[number % 50000] = 1
    return [str(number + i) for i in range(8)]


def handle(request):
    for _ in range(traffic.times(20)):
        POOL.submit(resize, request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
