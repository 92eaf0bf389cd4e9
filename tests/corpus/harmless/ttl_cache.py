# SPDX-License-Identifier: GPL-2.0-only
"""Entries live for ten seconds, however many there are.

Modelled after: caches with a time to live, DNS and tokens.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

TOKENS = collections.OrderedDict()
LIFE_SECONDS = 10


def issue(user):
    TOKENS["%032x" % traffic.choose.getrandbits(128)] = {"user": user, "at": traffic.now()}


def sweep():
    while TOKENS and next(iter(TOKENS.values()))["at"] < traffic.now() - LIFE_SECONDS:
        TOKENS.popitem(last=False)


def handle(request):
    for _ in range(traffic.times(80)):
        issue(request["user"])
    sweep()


if __name__ == "__main__":
    traffic.serve(handle)
