# SPDX-License-Identifier: GPL-2.0-only
"""The demo's service with the same work for every request, but a cache that forgets its oldest users:
so that it is as large, and as fast, in the last slice of a bench as in the first.

A user lives for USERS_KEPT requests, which is longer than a slice: to who watches for a slice, it
looks like the leak. uvicorn --app-dir tests/bench bounded:app
"""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo"))
import service  # noqa: E402


class Recent(dict):
    def __init__(self, limit):
        super().__init__()
        self.limit, self.order = limit, collections.deque()

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.order.append(key)
        if len(self.order) > self.limit:
            del self[self.order.popleft()]


service.users = Recent(int(os.environ.get("USERS_KEPT", "20000")))
app = service.app
