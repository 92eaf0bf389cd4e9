# SPDX-License-Identifier: GPL-2.0-only
"""A program that is soon over: keeps a little all the time, for so many seconds, and ends.

usage: brief.py SECONDS        0: does nothing, for ever
"""
import signal
import sys
import time

KEPT = []


def keep():
    KEPT.extend(map(bytes, [100] * 20))


if __name__ == "__main__":
    end = time.monotonic() + float(sys.argv[1])
    if sys.argv[1] == "0":
        signal.pause()
    while time.monotonic() < end:
        keep()
        time.sleep(0.05)
