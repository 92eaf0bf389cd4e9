# SPDX-License-Identifier: GPL-2.0-only
"""How a workload is told what to do: one command a line on stdin, one line of JSON back on stdout.

A test can so attach pygrowd first and let the target do its deeds afterwards, in the order and the
number that the test wants. Runs on CPython 3.8 to 3.14, with the standard library only.
"""
import json
import os
import sys


def serve(commands):
    """Say hello, then answer commands (name -> function of strings, returns data) until stdin ends."""
    answer({"ready": os.getpid(), "python": sys.version.split()[0]})
    for line in sys.stdin:
        name, *words = line.split()
        answer(commands[name](*words))


def answer(data):
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()
