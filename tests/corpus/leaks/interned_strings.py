# SPDX-License-Identifier: GPL-2.0-only
"""Tags of users are interned, for faster comparison; a table keeps them.

Modelled after: symbol tables for text that comes from outside.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "symbol"

SYMBOLS = {}


def symbol(number):
    text = sys.intern("tag:%016x:%d" % (traffic.choose.getrandbits(64), number))
    return SYMBOLS.setdefault(text, len(SYMBOLS))


def handle(request):
    for _ in range(traffic.times(80)):
        symbol(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
