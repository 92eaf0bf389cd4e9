# SPDX-License-Identifier: GPL-2.0-only
"""Every log record is kept in the history of the ones after it.

Modelled after: rollbar/pyrollbar#43, where the history of records grew with them.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "note_history"

HISTORY = []


def note_history(request):
    HISTORY.append(("GET /orders/%d" % request["id"], "%.3f" % request["total"],
                    "agent/%d.%d" % (request["id"] % 7, request["id"] % 11)))


def handle(request):
    for _ in range(traffic.times(50)):
        note_history(request)
    return HISTORY[-20:]


if __name__ == "__main__":
    traffic.serve(handle)
