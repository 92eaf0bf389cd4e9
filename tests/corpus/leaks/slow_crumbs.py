# SPDX-License-Identifier: GPL-2.0-only
"""Some bytes now and then, beside heavy churn. At SCALE 60 it is 1 KiB a minute.

Modelled after: leaks that take weeks to matter, of many small objects.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "note_address"

RECENT = collections.deque(maxlen=60)


def churn(request):
    """Heavy: each request makes several times what it needs, and pages live for a while."""
    for _ in range(3):
        RECENT.append(traffic.render(traffic.parse()))
    return [dict(item, page=len(RECENT[-1])) for item in request["items"] * 20]


ADDRESSES = []


def note_address(number):
    ADDRESSES.append("10.%d.%d" % (number % 256, number))


def handle(request):
    churn(request)
    for _ in range(traffic.times(15)):
        note_address(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
