# SPDX-License-Identifier: GPL-2.0-only
"""A FastAPI service and its visitors: wrk at saturation, every request for a new user."""
import itertools
import json
import os
import socket
import urllib.error
import urllib.request

from kit import BOUND, DEMO, HERE, harness

CONNECTIONS = 8
IDS_A_VISIT = 1000000
LEAK = "users[user_id] = "  # the line of service.py that leaks


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def leaking_line():
    with open(os.path.join(DEMO, "service.py")) as lines:
        return [number for number, line in enumerate(lines, 1) if LEAK in line][0]


class Service(harness.Process):
    """bounded=True: bounded.py, for timing; else the demo's, which leaks. before: words that start
    the interpreter in another way, as `-m memray run`."""

    def __init__(self, t, bounded=True, before=(), env=None):
        self.ids, self.url = itertools.count(1, IDS_A_VISIT), "http://127.0.0.1:%d" % free_port()
        folder, app = (HERE, "bounded:app") if bounded else (DEMO, "service:app")
        argv = BOUND + ["/usr/bin/python3", "-B", *before, "-m", "uvicorn", "--app-dir", folder]
        argv += ["--log-level", "warning", "--host", "127.0.0.1", "--port", self.url.rpartition(":")[2]]
        super().__init__(argv + [app], dict(os.environ, **(env or {})))
        harness.wait_until("the service answers; it says: %s" % self.stderr(), self.is_up, 60)

    def is_up(self):
        assert self.popen.poll() is None, "the service ended: %s" % self.stderr()
        try:
            return urllib.request.urlopen(self.url + "/health", timeout=5).status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def visitors(self, seconds):
        """wrk, on its way for so long."""
        argv = BOUND + ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "%ds" % seconds]
        argv += ["--timeout", "10s", "-s", os.path.join(HERE, "visitors.lua"), self.url]
        return harness.Process(argv + ["--", str(next(self.ids))],
                               dict(os.environ, USERS_LUA=os.path.join(DEMO, "users.lua")))

    def visit(self, seconds):
        """What visitors met: {"per_second", "p50_ms", "p99_ms", "max_ms"}."""
        wrk = self.visitors(seconds)
        status, out = wrk.finish(seconds + harness.PATIENCE)
        wrk.end()
        assert status == 0, "wrk failed: %s" % wrk.stderr()
        met = json.loads(out.strip().splitlines()[-1])
        assert met["errors"] == 0, "%d requests failed" % met["errors"]
        # None at all is less than one: a rate of 0 could not be compared with.
        met["per_second"] = max(met["requests"], 1) / met["seconds"]
        return met
