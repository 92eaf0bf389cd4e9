# SPDX-License-Identifier: GPL-2.0-only
"""Blocks of all sizes, replaced one by one: the heap has holes, nothing grows.

Modelled after: tskit-dev/tskit#732: resident memory that rises by fragmentation only.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

ROOM = 1500
blocks = []


def make_block():
    return bytes(int(20 * traffic.choose.paretovariate(1.2)) % 4000)


def handle(_request):
    for _ in range(traffic.times(150)):
        if len(blocks) < ROOM:
            blocks.append(make_block())
        else:
            blocks[traffic.choose.randrange(ROOM)] = make_block()


if __name__ == "__main__":
    traffic.serve(handle)
