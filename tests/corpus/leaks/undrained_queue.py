# SPDX-License-Identifier: GPL-2.0-only
"""The thread that drains a queue has ended over a bad record; the queue fills.

Modelled after: getlogbook/logbook#121 and reddit/baseplate.py#302: unbounded queues of which
nobody takes.
"""
import os
import queue
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "emit"

RECORDS = queue.Queue()
BAD_RECORD = 500000


def ship():
    """Ends silently, as a thread of a pool does whose exception nobody looks at."""
    while True:
        record = RECORDS.get()
        if record["number"] >= BAD_RECORD:
            return


def emit(number):
    text = "order %d was taken, sealed %0200x" % (number, traffic.choose.getrandbits(800))
    RECORDS.put({"number": number + 1, "message": text, "level": "info"})


def handle(request):
    for _ in range(traffic.times(40)):
        emit(request["id"])


if __name__ == "__main__":
    threading.Thread(target=ship, daemon=True).start()
    traffic.serve(handle)
