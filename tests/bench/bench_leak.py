# SPDX-License-Identifier: GPL-2.0-only
"""How long until the leaking line is the first of `report`, and does it stay first?

From pygrowd's start, on a process that is saturated: the demo's service at two budgets, and a loop
that leaks one object of 100 bytes in 10,000. A fresh process for each repeat. The time is that of the
last moment at which another line, or none, was first; a repeat ends `stay` seconds after it.
"""
import contextlib
import time

from kit import BUDGET, Daemon, judge, table
from web import Service, leaking_line

KNOBS = {"repeats": 3, "stay": 45, "warm": 3, "only": "all"}
ASK_SECONDS = 0.5


def is_first(report, pid, file, line):
    """Whether it is, and what else is first."""
    if not report["lines"]:
        return False, "nothing"
    top = report["lines"][0]
    right = top["pid"] == pid and (top["file"] or "").endswith("/" + file) and top["line"] == line
    return right, "%s %s:%s" % (top["function"], (top["file"] or "?").rpartition("/")[2], top["line"])


def look(t, pid, where, overhead, limit, stay):
    """Seconds until it was first for good (None: was not within limit + stay), what was before."""
    daemon = Daemon(t, [pid], overhead=overhead)
    daemon.wait_watching()
    since, others = None, []
    while True:
        report = daemon.top()
        now = time.monotonic() - daemon.began
        right, what = is_first(report, pid, *where)
        if right and since is None:
            since = now
        elif not right:
            since = None
            if not others or others[-1] != what:
                others.append(what)
        if now > limit + stay or (since is not None and now - since > stay):
            break
        time.sleep(ASK_SECONDS)
    row = daemon.leave()[pid]
    return since, others, row, report["lines"][0] if report["lines"] else {}


@contextlib.contextmanager
def leaking_service(t, warm, seconds):
    """pid and the leaking line of a service that visitors keep busy, for so long at least."""
    service = Service(t, bounded=False)
    service.visit(warm)
    visitors = service.visitors(int(seconds) + 60)
    yield service.pid, ("service.py", leaking_line())
    visitors.end()
    service.end()


@contextlib.contextmanager
def rare_leak(t, warm, _seconds):
    target = t.target("leak_rare.py")
    target.ask("pace", "max")
    time.sleep(warm)
    leak = target.ask("leaked")
    yield target.pid, ("leak_rare.py", leak["line"])
    target.end()


def cases(budget):
    """name: (label, what leaks, budget, limit in seconds)"""
    return {"service1": ("service at 1 %", leaking_service, budget, 60),
            "service5": ("service at 5 %", leaking_service, 0.05, 15),
            "rare": ("1 object of 100 bytes in 10,000, at 1 %", rare_leak, budget, 300)}


def run(t, knob):
    rows, verdicts = [], []
    for name, (label, start, overhead, limit) in cases(BUDGET).items():
        if knob["only"] not in ("all", name):
            continue
        times = []
        for i in range(knob["repeats"]):
            with start(t, knob["warm"], limit + knob["stay"]) as (pid, where):
                since, others, row, top = look(t, pid, where, overhead, limit, knob["stay"])
            times.append(since)
            rows.append([label, i + 1, "never" if since is None else "%.1f" % since,
                         "; ".join(others[-4:]) or "-", row["samples"],
                         "%s ± %s" % (top.get("live_bytes"), top.get("live_bytes_error")),
                         "not known" if row["overhead"] is None else "%.4f" % row["overhead"]])
        verdicts.append((label, limit, times))
    table(["leak", "repeat", "first for good after, s", "first before it", "samples",
           "its live bytes at the end", "overhead"], rows)
    for label, limit, times in verdicts:
        judge(t, "leak: %s, first within %d s" % (label, limit),
              all(since is not None and since <= limit for since in times),
              ", ".join("never" if since is None else "%.1f s" % since for since in times))
