# SPDX-License-Identifier: GPL-2.0-only
"""Calls whose answer does not come stay in the table of those who wait.

Modelled after: openlawlibrary/pygls#608, aio-libs/aiozmq#100 and inmanta/inmanta-core#10075.
"""
import concurrent.futures
import itertools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "call"

NUMBERS = itertools.count()
PENDING = {}
ANSWERED = 0.9


def call(method):
    number = next(NUMBERS)
    PENDING[number] = concurrent.futures.Future()
    PENDING[number].method = "%s #%d" % (method, number)
    return number


def on_reply(number):
    PENDING.pop(number).set_result("ok")


def handle(_request):
    for _ in range(traffic.times(50)):
        number = call("orders.get")
        if traffic.choose.random() < ANSWERED:
            on_reply(number)


if __name__ == "__main__":
    traffic.serve(handle)
