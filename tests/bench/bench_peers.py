# SPDX-License-Identifier: GPL-2.0-only
"""What does each tool make of the same saturated web service in the same run?

Each round starts the service (bounded.py) anew for every tool, since tracemalloc and memray have to
be there from its start, and compares with no tool in the same round. memleak knows nothing of
pymalloc, so it sees the few blocks over 512 bytes; with PYTHONMALLOC=malloc it sees all of them, as
the others do, and its ratio is against a service that runs so unwatched.
"""
import collections
import os
import statistics
import subprocess

from kit import BUDGET, Daemon, table, tell_seen
from memleak import MEMLEAK, Memleak
from web import Service

KNOBS = {"rounds": 3, "slice": 6, "warm": 5, "tools": "all"}
# Full within the warm-up, at the pace of a service without a tool.
USERS_KEPT = "2000"
PLAIN = {"PYTHONMALLOC": "malloc"}
# (name, what it is compared with, environment, words before -m uvicorn, what attaches)
Tool = collections.namedtuple("Tool", "name base env before attach")
BARE, BARE_MALLOC = "no tool", "no tool, PYTHONMALLOC=malloc"


def attach_pygrowd(t, pid):
    return Daemon(t, [pid], overhead=BUDGET).wait_watching()


def tools(t):
    """Those that are here, and a line on each that is not."""
    output = os.path.join(t.directory, "memray.bin")
    memray = ["-m", "memray", "run", "--quiet", "--force", "--output", output]
    has_memray = subprocess.run(["/usr/bin/python3", "-c", "import memray"], stderr=subprocess.DEVNULL,
                                check=False).returncode == 0
    here = [Tool(BARE, BARE, {}, (), None),
            Tool("pygrowd, default budget", BARE, {}, (), attach_pygrowd),
            Tool("tracemalloc(1)", BARE, {"PYTHONTRACEMALLOC": "1"}, (), None),
            Tool("tracemalloc(25)", BARE, {"PYTHONTRACEMALLOC": "25"}, (), None)]
    missing = []
    if has_memray:
        here += [Tool("memray", BARE, {}, memray, None),
                 Tool("memray --trace-python-allocators", BARE, {},
                      memray + ["--trace-python-allocators"], None)]
    else:
        missing.append("memray was not measured: this distribution has no python3-memray")
    if MEMLEAK:
        here += [Tool("memleak, which sees blocks over 512 bytes", BARE, {}, (),
                      lambda _, pid: Memleak(pid)),
                 Tool(BARE_MALLOC, BARE_MALLOC, PLAIN, (), None),
                 Tool("memleak, PYTHONMALLOC=malloc", BARE_MALLOC, PLAIN, (),
                      lambda _, pid: Memleak(pid))]
    else:
        missing.append("memleak was not measured: no memleak-bpfcc here (package bpfcc-tools)")
    return here, missing


def measure(t, tool, knob, looks):
    service = Service(t, before=tool.before, env=dict(tool.env, USERS_KEPT=USERS_KEPT))
    watcher = tool.attach(t, service.pid) if tool.attach else None
    service.visit(knob["warm"])
    met = service.visit(knob["slice"])
    if isinstance(watcher, Daemon):
        looks.append(watcher.leave()[service.pid])
    elif watcher:
        watcher.end()
    service.end()
    return met


def row_of(tool, rounds):
    """Medians, and ratios taken within a round; latency is 0 where no request was answered."""
    def median(ratio):
        return statistics.median(ratio(each[tool.name], each[tool.base]) for each in rounds)
    return [tool.name, "%.0f" % statistics.median(each[tool.name]["per_second"] for each in rounds),
            "%.3f" % median(lambda met, base: met["per_second"] / base["per_second"]),
            "%.1f" % median(lambda met, base: base["per_second"] / met["per_second"]),
            "%.1f" % statistics.median(each[tool.name]["p99_ms"] for each in rounds),
            "%.1f" % median(lambda met, base: met["p99_ms"] / base["p99_ms"] if base["p99_ms"] else 0)]


def run(t, knob):
    here, missing = tools(t)
    if knob["tools"] != "all":
        here = [tool for tool in here
                if tool.name == tool.base
                or any(word in tool.name for word in knob["tools"].split(","))]
    looks, rounds = [], []
    for i in range(knob["rounds"]):
        order = here if i % 2 == 0 else here[::-1]
        rounds.append({tool.name: measure(t, tool, knob, looks) for tool in order})
    print("Median of %d rounds; ratios are against no tool in the same round:\n" % len(rounds))
    table(["tool", "requests/s", "kept", "times slower", "p99 ms", "times"],
          [row_of(tool, rounds) for tool in here])
    for line in missing:
        print(line)
    if looks:
        tell_seen(t, "peers", looks)
