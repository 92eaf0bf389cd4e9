# SPDX-License-Identifier: GPL-2.0-only
"""Words are interned when first seen; there are new ones ever more rarely, then none.

Modelled after: symbol tables over a language that has an end.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

WORDS = {}
N_WORDS = 1500


def word(number):
    if number not in WORDS:
        WORDS[number] = {"text": sys.intern("word%d" % number), "length": 4 + number % 9}
    return WORDS[number]


def handle(_request):
    for _ in range(traffic.times(300)):
        word(traffic.choose.randrange(N_WORDS))


if __name__ == "__main__":
    traffic.serve(handle)
