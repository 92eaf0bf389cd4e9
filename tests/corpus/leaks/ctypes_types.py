# SPDX-License-Identifier: GPL-2.0-only
"""A ctypes structure for each size of message; ctypes and a cache of ours keep them.

Modelled after: python/cpython#100926 and pypdfium2-team/pypdfium2#346.
"""
import ctypes
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "layout_of"

LAYOUTS = {}


def layout_of(size):
    if size not in LAYOUTS:
        fields = [("kind", ctypes.c_uint16), ("body", ctypes.c_ubyte * size)]
        LAYOUTS[size] = type("Message%d" % size, (ctypes.Structure,), {"_fields_": fields})
    return ctypes.POINTER(LAYOUTS[size])


def handle(_request):
    for _ in range(traffic.times(4)):
        layout_of(traffic.choose.randrange(1, 10 ** 9))


if __name__ == "__main__":
    traffic.serve(handle)
