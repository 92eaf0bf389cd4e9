# SPDX-License-Identifier: GPL-2.0-only
"""Worker threads live long, and so does what they note in their thread locals.

Modelled after: cherrypy/cherrypy#496.
"""
import os
import queue
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "note_query"

JOBS = queue.Queue(maxsize=100)
LOCAL = threading.local()


def note_query(number):
    LOCAL.queries.append("SELECT * FROM orders WHERE id = %d AND state IN ('new', 'paid')" % number)


def work():
    LOCAL.queries = []
    while True:
        note_query(JOBS.get())


def handle(request):
    for _ in range(traffic.times(60)):
        JOBS.put(request["id"])


if __name__ == "__main__":
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    traffic.serve(handle)
