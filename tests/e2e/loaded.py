# SPDX-License-Identifier: GPL-2.0-only
"""A workload of background.py from outside: how fast does it run, and are our sites in its text?

Speed is steps by seconds of its own CPU time, as the scheduler counts it: on a crowded machine it
gets less of a CPU, which is not our doing; a trap is its own time, and shows. Full speed is the
speed that it had just before it was watched, while all other CPUs were busy: one that shares its
core with another has half of its speed then, whoever keeps that one busy. A machine that is one of
several on its host can lose more, and does not see it: then the text decides, which has no sites.
"""
import collections
import contextlib
import mmap
import os
import struct
import sys
import time

from harness import Process, Skip, text_of, wait_until

FULL = 0.7  # of its speed beside others: in a window it has 0.02 to 0.2 of its normal speed
SLICE = 0.1  # seconds of CPU time that a speed is taken over
BREAKPOINT = 0xCC
HOG = "while True: pass"


class Loaded:
    def __init__(self, t, script, kind, python=None, **how):
        python = python or t.python
        # Below a chroot's own /tmp, if it has one: unlinked as soon as both sides have it.
        directory = os.path.join(python.root, "tmp") if python.root else t.directory
        path = os.path.join(directory, "progress-%d-%d" % (os.getpid(), time.monotonic_ns()))
        with open(path, "wb") as file:
            file.write(bytes(8))
        try:
            self.target = t.target(script, kind, path[len(python.root or ""):], python=python, **how)
            with open(path, "rb") as file:
                self.memory = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
        finally:
            if python.root:
                os.unlink(path)
        self.pid = self.target.pid_to_watch
        self.normal = self.beside_others = self.text = None

    def pace(self, pace):
        self.target.ask("pace", pace)
        return self

    def saturate(self):
        """Flat out from now on, and what that is without us."""
        self.pace("max")
        wait_until("its first steps", self.steps)
        self.normal = sorted(self.speed(3 * SLICE) for _ in range(3))[1]
        hogs = [Process([sys.executable, "-c", HOG]) for _ in range(os.cpu_count() - 1)]
        self.beside_others = sorted(self.speed(2 * SLICE) for _ in range(3))[1]
        for hog in hogs:
            hog.end()
        self.text = text_of(self.pid)
        return self

    def steps(self):
        return struct.unpack("=Q", self.memory[:8])[0]

    def cpu_ns(self):
        """Of its main thread, which takes the steps."""
        with open("/proc/%d/schedstat" % self.pid) as schedstat:
            return int(schedstat.read().split()[0])

    def speed(self, seconds=SLICE):
        steps, cpu_ns = self.steps(), self.cpu_ns()
        wait_until("CPU time of pid %d" % self.pid, lambda: self.cpu_ns() - cpu_ns >= seconds * 1e9)
        return (self.steps() - steps) / (self.cpu_ns() - cpu_ns) * 1e9

    def assert_full_speed(self, what, seconds=1.0, places=None):
        """Within so many seconds it is as fast as ever, two slices of CPU time in a row.

        places: the sites whose windows are looked for; else there must be no site at all.
        """
        end, fast, seen = time.monotonic() + seconds, 0, []
        while fast < 2:
            begun = time.monotonic()
            share = self.speed() / self.beside_others
            has_sites = places.are_on() if places else text_of(self.pid) != self.text
            seen.append("%.2f%s" % (share, " with sites" if has_sites else ""))
            fast = fast + 1 if share >= FULL or not has_sites else 0
            assert fast or begun < end, "%s: after %g s it still runs at %s of its speed beside others" % (
                what, seconds, ", ".join(seen[-3:]))


class Places:
    """Where the windows' breakpoints come and go, found by looking: is a window open just now?

    A place is known once its breakpoint has gone again and again: those of rare sites come, and stay.
    """

    TIMES = 3

    MANY = 24

    def __init__(self, pid, seconds=30):
        self.memory = open("/proc/%d/mem" % pid, "rb", 0)
        self.before, self.times = text_of(pid), collections.Counter()
        self.places = wait_until("windows in the text of pid %d" % pid, lambda: self.find(pid), seconds)

    def find(self, pid):
        now, before = text_of(pid), self.before
        self.before = now
        self.times.update(key[0] + i for key in now if key in before and now[key] != before[key]
                          for i in range(len(now[key])) if before[key][i] == BREAKPOINT != now[key][i])
        return [place for place, n in self.times.most_common(self.MANY) if n >= self.TIMES]

    def are_on(self):
        return any(os.pread(self.memory.fileno(), 1, place)[0] == BREAKPOINT for place in self.places)

    def wait_on(self, seconds=30):
        """Returns in mid-window."""
        end = time.monotonic() + seconds
        while not self.are_on():
            assert time.monotonic() < end, "no window within %g s" % seconds

    def longest_on(self, seconds):
        """Of the windows of the next so many seconds, how long was the longest, and how many?"""
        end, began, longest, count = time.monotonic() + seconds, None, 0.0, 0
        while time.monotonic() < end:
            now, on = time.monotonic(), self.are_on()
            if on and began is None:
                began, count = now, count + 1
            elif not on:
                began = None
            if began is not None:
                longest = max(longest, now - began)
            time.sleep(0.001)
        return longest, count


def guards_of(pygrowd):
    """Its processes that close windows when it cannot."""
    guards = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%d/stat" % int(name)) as stat:
                head, _, tail = stat.read().rpartition(")")
        except (ValueError, OSError):
            continue
        if head.endswith("(pygrowd-guard") and int(tail.split()[1]) == pygrowd:
            guards.append(int(name))
    return guards


@contextlib.contextmanager
def cgroup(name, quota_us, period_us):
    """A group of threads that get so much CPU time together; its end takes them out again."""
    for top, limits in (("/sys/fs/cgroup", {"cgroup.type": "threaded",
                                            "cpu.max": "%d %d" % (quota_us, period_us)}),
                        ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": "%d" % period_us,
                                                "cpu.cfs_quota_us": "%d" % quota_us})):
        group = os.path.join(top, name)
        try:
            os.mkdir(group)
        except OSError:
            continue
        if all(os.path.exists(os.path.join(group, limit)) for limit in limits):
            break
        os.rmdir(group)
    else:
        raise Skip("no cgroup of the cpu controller can be made here")
    tasks = "tasks" if os.path.exists(os.path.join(group, "tasks")) else "cgroup.threads"
    try:
        for limit, value in limits.items():
            write(os.path.join(group, limit), value)
        yield lambda pid: add_threads(os.path.join(group, tasks), pid)
    finally:
        with open(os.path.join(group, tasks)) as inside:
            for thread in inside.read().split():
                write(os.path.join(top, tasks), thread)
        wait_until("an empty group %s" % group, lambda: removed(group), 5)


def add_threads(tasks, pid):
    """Kernels with groups of realtime threads take no such thread into a group: it stays outside."""
    for thread in map(int, os.listdir("/proc/%d/task" % pid)):
        try:
            write(tasks, str(thread))
        except OSError as problem:
            if os.sched_getscheduler(thread) == os.SCHED_OTHER:
                raise Skip("thread %d cannot go into %s: %s" % (thread, tasks, problem))


def removed(group):
    try:
        os.rmdir(group)
    except OSError:
        return False
    return True


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
