# SPDX-License-Identifier: GPL-2.0-only
"""Records are gathered and written out every ten seconds.

Modelled after: exporters and loggers that write in batches.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

BATCH_SECONDS = 10
batch = []


def handle(request):
    for _ in range(traffic.times(120)):
        batch.append({"user": request["user"], "text": "event %d" % traffic.choose.getrandbits(30)})
    if traffic.every(BATCH_SECONDS):
        batch.clear()


if __name__ == "__main__":
    traffic.serve(handle)
