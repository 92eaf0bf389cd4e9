# SPDX-License-Identifier: GPL-2.0-only
"""A web app for a prefork server: each request of /leak leaks LEAKED blocks in the worker that gets it.

Answers one line of JSON: the worker's PID, and what it has leaked so far.
"""
import json
import os
import sys
import time

from leak_23 import block_bytes

LEAKED = 50
REQUEST_SEC = 0.02  # so that requests that come together go to different workers
KEPT = [None] * 200000
used = 0


def leak_block():
    return bytes(3000)


def leak():
    global used
    for _ in range(LEAKED):
        KEPT[used] = leak_block()
        used += 1


def app(environ, start_response):
    if environ["PATH_INFO"] == "/leak":
        leak()
    time.sleep(REQUEST_SEC)
    body = json.dumps({"pid": os.getpid(), "blocks": used,
                       "bytes": used * block_bytes(sys.getsizeof(bytes(3000)))}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
