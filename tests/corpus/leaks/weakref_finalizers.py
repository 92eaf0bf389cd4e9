# SPDX-License-Identifier: GPL-2.0-only
"""finalize(reader, reader.close) holds the reader that it waits to see die.

Modelled after: DiamondLightSource/httomo#265 and bluesky/ophyd#865.
"""
import os
import sys
import weakref

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "open_reader"


class Reader:
    def close(self):
        self.lines.clear()


def open_reader(number):
    reader = Reader()
    reader.lines = ["line %d of upload %d" % (i, number) for i in range(10)]
    weakref.finalize(reader, reader.close)
    return reader


def handle(request):
    for _ in range(traffic.times(8)):
        open_reader(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
