# SPDX-License-Identifier: GPL-2.0-only
"""What does the daemon itself use while it watches 4 saturated targets, and 50 idle ones?

utime + stime of its process and of its guards, which are its children, over a minute that begins when
it has settled; its resident set, with what the guards do not share with it (VmHWM: the most that its
own ever was). What the kernel does in the targets' name is their overhead, and not counted here.
"""
import os
import time

from kit import BUDGET, Daemon, cpu_seconds, judge, seen, table

KNOBS = {"seconds": 60, "settle": 20, "saturated": 4, "idle": 50, "pace": "idle"}
LOOPS = ["json", "churn", "service"]
MIB = 1024 * 1024


def children(pid):
    pids = []
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, thread)) as words:
            pids += map(int, words.read().split())
    return pids


def kibibytes(path, *keys):
    """Sum of these lines of a file of /proc, in bytes."""
    with open(path) as lines:
        fields = dict(line.split(":", 1) for line in lines if "kB" in line)
    return sum(int(fields[key].split()[0]) for key in keys if key in fields) * 1024


def resident(pid):
    """RSS with the guards' own pages, and VmHWM, in bytes."""
    guards = sum(kibibytes("/proc/%d/smaps_rollup" % child, "Private_Clean", "Private_Dirty")
                 for child in children(pid))
    status = "/proc/%d/status" % pid
    return kibibytes(status, "VmRSS") + guards, kibibytes(status, "VmHWM")


def cpu_of_all(pid):
    return sum(map(cpu_seconds, [pid] + children(pid)))


def measure(t, knob, pace, how_many):
    """Share of a core, resident bytes, peak, what it says of its targets."""
    targets = [t.target("busy.py", LOOPS[i % len(LOOPS)]) for i in range(how_many)]
    daemon = Daemon(t, [target.pid for target in targets], overhead=BUDGET).wait_watching(120)
    if pace != "idle":
        for target in targets:
            target.ask("pace", pace)
    time.sleep(knob["settle"])
    before, begin = cpu_of_all(daemon.pid), time.monotonic()
    time.sleep(knob["seconds"])
    share = (cpu_of_all(daemon.pid) - before) / (time.monotonic() - begin)
    now, peak = resident(daemon.pid)
    rows = list(daemon.rows().values())
    daemon.stop()
    daemon.end()
    for target in targets:
        target.end()
    return share, now, peak, rows


def run(t, knob):
    cases = [("%d saturated" % knob["saturated"], "max", knob["saturated"], 0.02, 40),
             ("%d idle" % knob["idle"], knob["pace"], knob["idle"], 0.01, 30)]
    lines, verdicts = [], []
    for label, pace, how_many, cpu_limit, rss_limit in cases:
        share, now, peak, rows = measure(t, knob, pace, how_many)
        lines.append([label, "%.2f %%" % (share * 100), "%.1f" % (now / MIB), "%.1f" % (peak / MIB)])
        verdicts.append((label, share, cpu_limit, now / MIB, rss_limit))
        print("%s: %s" % (label, seen(rows)))
    print()
    table(["targets", "share of one core", "RSS MiB", "peak MiB"], lines)
    for label, share, cpu_limit, mib, rss_limit in verdicts:
        judge(t, "daemon: %s targets, CPU <= %g %% of one core" % (label, cpu_limit * 100),
              share <= cpu_limit, "%.2f %%" % (share * 100))
        judge(t, "daemon: %s targets, RSS <= %d MiB" % (label, rss_limit), mib <= rss_limit,
              "%.1f MiB" % mib)
