# SPDX-License-Identifier: GPL-2.0-only
"""A context variable made for each request: the context holds it and its value.

Modelled after: pallets/werkzeug#2436 and NoneGG/aredis#120.
"""
import contextvars
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "begin_request"


def begin_request(number):
    state = contextvars.ContextVar("state of request %d" % number)
    state.set({"number": number + 1, "steps": ["parse %d" % number, "render %d" % number]})
    return state


def handle(request):
    for _ in range(traffic.times(20)):
        begin_request(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
