# SPDX-License-Identifier: GPL-2.0-only
"""Sessions are opened, and none is ever closed.

Modelled after: session stores in memory without expiry, as in alisaifee/flask-limiter#4.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "open_session"

SESSIONS = {}


def open_session(user):
    key = "%032x" % traffic.choose.getrandbits(128)
    SESSIONS[key] = {"user": "member %d" % user, "opened": time.time(), "cart": [], "seen": set()}


def handle(request):
    for _ in range(traffic.times(20)):
        open_session(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
