# SPDX-License-Identifier: GPL-2.0-only
"""What was read of a buffer is skipped by an offset, but never cut off.

Modelled after: protocol parsers that keep the whole stream of a connection that does not end.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "receive"

BUFFER = bytearray()
offset = 0


def receive(number):
    BUFFER.extend(b"%08d" % number * 30)


def parse_frame():
    global offset
    frame = bytes(BUFFER[offset:offset + 240])
    offset += len(frame)
    return frame


def handle(request):
    for _ in range(traffic.times(60)):
        receive(request["id"])
        parse_frame()


if __name__ == "__main__":
    traffic.serve(handle)
