# SPDX-License-Identifier: GPL-2.0-only
"""One buffer for all messages, as large as the largest so far; there is a largest.

Modelled after: buffers that are kept for the next message.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

LARGEST = 400000
buffer = bytearray()


def receive(size):
    if len(buffer) < size:
        buffer.extend(bytes(size - len(buffer)))
    buffer[:16] = b"%016d" % size


def handle(_request):
    for _ in range(traffic.times(10)):
        receive(min(LARGEST, int(2000 * traffic.choose.paretovariate(0.5))))


if __name__ == "__main__":
    traffic.serve(handle)
