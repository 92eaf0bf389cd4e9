# SPDX-License-Identifier: GPL-2.0-only
"""A child for each batch: it makes its own memory, and takes it along.

Modelled after: pre-fork servers and batch workers.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

BATCH_SECONDS = 3
TABLE = {"key %d" % i: "value %d" % i for i in range(2000)}
children, batch = set(), []


def work():
    """In the child: reads what it inherited, and makes its own."""
    rows = [TABLE["key %d" % (len(row) % 2000)] + row.upper() for row in batch]
    time.sleep(0.3)
    return len(rows)


def reap():
    for pid in list(children):
        if os.waitpid(pid, os.WNOHANG)[0]:
            children.remove(pid)


def handle(request):
    reap()
    for _ in range(traffic.times(200)):
        batch.append("order %d of %s" % (request["id"], request["user"]) * 4)
    if traffic.every(BATCH_SECONDS):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        children.add(pid)
        batch.clear()


if __name__ == "__main__":
    traffic.serve(handle)
