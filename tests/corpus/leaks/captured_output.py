# SPDX-License-Identifier: GPL-2.0-only
"""What is written for a person is caught in a StringIO that nobody empties.

Modelled after: pleiszenburg/zugbruecke#76: sessions that collect their log for as long as they
run.
"""
import io
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "write_line"

CAPTURED = io.StringIO()


def write_line(number):
    CAPTURED.write("order %d: checked, priced, %s\n" % (number, "packed and sent " * (number % 5)))


def handle(request):
    for _ in range(traffic.times(100)):
        write_line(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
