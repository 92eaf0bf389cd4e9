# SPDX-License-Identifier: GPL-2.0-only
"""What the benches share: pygrowd as a bench runs it, alternating slices, medians and how sure they
are, tables, and the verdict against the number that was promised.

A bench is a module bench_NAME.py: its docstring's first line is its question, KNOBS (name -> default)
makes it shorter or longer, run(t, knob) prints a table and judges. t is a Context of tests/e2e.
"""
import json
import mmap
import os
import random
import statistics
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import harness  # noqa: E402

DEMO = os.path.join(harness.TOP, "tests", "demo")
BUDGET = 0.01  # the default of --overhead
# What a bench started does not outlive it, however it ends.
BOUND = ["setpriv", "--pdeathsig", "KILL"]
RESAMPLES = 2000


def watch_argv(pids, socket, state, overhead=None, host_overhead=None, interval=2):
    """The one place that knows how pygrowd is started. BENCH_REGIME=--exact: without windows, to try
    a bench."""
    regime = os.environ.get("BENCH_REGIME", "").split()
    shares = {"--overhead": overhead, "--host-overhead": host_overhead} if not regime else {}
    for flag, share in shares.items():
        regime += [flag, "%g%%" % (share * 100)] if share else []
    argv = BOUND + [harness.PYGROWD] + regime
    for pid in pids:
        argv += ["-p", str(pid)]
    return argv + ["--interval", "%gs" % interval, "--socket", socket, "--state", state]


class Daemon(harness.Pygrowd):
    """pygrowd in its default mode, at the pace of a server: a report is as old as its interval."""

    def __init__(self, t, pids, **options):
        self.socket = tempfile.mktemp(".sock", "pygrowd-", t.directory)
        self.pids, self.began = list(pids), time.monotonic()
        harness.Process.__init__(self, watch_argv(self.pids, self.socket, t.state, **options))

    def assert_runs(self):
        code = self.popen.poll()
        assert code is None, "pygrowd ended with %s: %s" % (code, self.stderr())

    def rows(self):
        """{pid: its row of status}; none before it answers."""
        self.assert_runs()
        done = self.ctl("--json", "status")
        if done.returncode:
            return {}
        return {row["pid"]: row for row in json.loads(done.stdout)["processes"]}

    def wait_watching(self, seconds=harness.PATIENCE, regimes=("exact", "windows")):
        def all_watched():
            rows = self.rows()
            return all(rows.get(pid, {}).get("regime") in regimes for pid in self.pids)
        harness.wait_until("pygrowd watches %s; it says: %s" % (self.pids, self.stderr()), all_watched,
                           seconds)
        return self

    def top(self, how_many=10):
        done = self.ctl("--json", "report", "-n", str(how_many))
        if done.returncode:
            time.sleep(1)  # it may be about to end
            self.assert_runs()
        assert done.returncode == 0, "report: %s; pygrowd says: %s" % (done.stderr, self.stderr())
        return json.loads(done.stdout)

    def leave(self):
        """Detach and end; what it had seen by then, {pid: row}."""
        rows = self.rows()
        status, _ = self.stop()
        assert status == 0, "pygrowd ended with %d: %s" % (status, self.stderr())
        self.end()
        return rows


class Progress:
    """The counter of background.py: how many steps a target has done, without asking it."""

    def __init__(self, t):
        handle, self.path = tempfile.mkstemp(dir=t.directory)
        os.ftruncate(handle, 8)
        self.memory = mmap.mmap(handle, 8)
        os.close(handle)

    def count(self):
        return struct.unpack("=Q", self.memory)[0]


def rate(progresses, seconds):
    """Steps a second of all together, over so many seconds."""
    before, begin = [p.count() for p in progresses], time.monotonic()
    time.sleep(seconds)
    after, end = [p.count() for p in progresses], time.monotonic()
    return (sum(after) - sum(before)) / (end - begin)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alternate(pairs, bare, watched):
    """[(bare(), watched())], the order changed every time: what drifts hits both sides alike."""
    done = []
    for i in range(pairs):
        if i % 2:
            second = watched()
            done.append((bare(), second))
        else:
            first = bare()
            done.append((first, watched()))
    return done


def interval(values, share=0.9):
    """Bootstrap interval of the median: where it might as well have been."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    cut = int((1 - share) / 2 * RESAMPLES)
    return medians[cut], medians[-1 - cut]


def spread(values, form="%.3f"):
    """median (90 % interval of it; lowest to highest)"""
    low, high = interval(values)
    return ("%s (%s to %s; %s to %s)" % ((form,) * 5)) % (statistics.median(values), low, high,
                                                         min(values), max(values))


def table(heads, rows):
    print("| %s |\n|%s" % (" | ".join(heads), "---|" + "---:|" * (len(heads) - 1)))
    for row in rows:
        print("| %s |" % " | ".join(str(cell) for cell in row))
    print(flush=True)


def seen(rows):
    """How hard pygrowd looked, in a few words: [row of status] of one or more slices."""
    known = list(rows)

    def median(key, form):
        values = [row[key] for row in known if row.get(key) is not None]
        return form % statistics.median(values) if values else "not known"
    regimes = "/".join(sorted({row["regime"] for row in known}))
    return "regime %s, duty %s, windows %s, samples %s, own figure of overhead %s" % (
        regimes, median("duty", "%.4f"), median("windows", "%d"), median("samples", "%d"),
        median("overhead", "%.4f"))


def tell_seen(t, name, rows):
    """Print that, and fail if nobody looked: a slice that cost nothing then proves nothing."""
    print("pygrowd, %s: %s\n" % (name, seen(rows)))
    blind = sum(not row["samples"] for row in rows)
    judge(t, "%s: pygrowd looked" % name, blind <= len(rows) / 10,
          "no sample in %d of %d slices" % (blind, len(rows)))


def judge(t, claim, holds, figure):
    """One line: does the promised number hold?"""
    t.result("%s: %s" % (claim, figure) if holds else claim, None if holds else "it is %s" % figure)
