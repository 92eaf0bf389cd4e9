# SPDX-License-Identifier: GPL-2.0-only
"""Programs of the corpus under some pygrowds, each until there is a verdict on it.

A batch is a pygrowd and programs that it watches from when they are ready: to be watched while they
import would cost more than the rest. Leaks end with the right alert, harmless ones when time is up;
so these are in batches of their own. Lanes take batches one after the other from one queue.
"""
import collections
import os
import queue
import subprocess
import threading
import time
import types

import truth
import verdict
import harness

POLL_SECONDS = 4  # an answer is some 0.1 s of CPU time, and alerts say themselves when they were
# A pygrowd that starts takes what CPU there is: load seems to fall, and then to rise.
STAGGER_SECONDS = 15
START_SECONDS = 120  # until a pygrowd watches a batch, on a machine that is full
ASK_TRIES = 6
# Before whatever else runs, programs and pygrowd alike: who has to wait for CPU seems to have less load.
FIRST = ("nice", "-n", "-10")
SHOWN_MAX = 1000
LEAK_PATIENCE = 2  # times as long as a harmless program, until an alert

Job = collections.namedtuple("Job", "case seed")


def cpu_seconds(pid):
    """0 if it has ended."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """One program, from its start to the verdict on it."""

    def __init__(self, job, options):
        self.case, self.seed = job
        self.program = harness.Process([*FIRST, options.python, "-B", self.case.path, str(self.seed),
                                        "%g" % (options.scale / options.speedup),
                                        "%g" % options.rate])
        self.pid = self.program.pid
        self.watched_at = None
        self.alerts = []  # verdict.Alert, as they came
        self.regimes = collections.Counter()  # in how many looks it was in which
        self.windows, self.cpu_seconds = 0, 0.0
        self.verdict = None

    def wait_ready(self):
        line = self.program.popen.stdout.readline()
        assert line == b"ready\n", "%s did not start: %s" % (self.case.name, self.program.stderr())

    def decide(self, passed, said, seconds=None):
        self.verdict = verdict.Verdict(passed, said, seconds)
        self.program.end()

    def note(self, process):
        """Its row of the status."""
        if process["regime"] in ("exact", "windows"):
            self.regimes[process["regime"]] += 1
        self.windows = process["windows"]
        self.cpu_seconds = cpu_seconds(self.pid) or self.cpu_seconds

    def has_ended(self):
        return self.program.popen.poll() is not None


class Batch:
    """Programs that run at the same time under one pygrowd."""

    def __init__(self, jobs, options, directory):
        self.jobs, self.options = jobs, options
        self.place = types.SimpleNamespace(directory=directory, state=directory)
        self.runs, self.pygrowd = [], None

    def run(self):
        """Every run with a verdict, as they come."""
        try:
            self.start()
            end = time.monotonic() + self.seconds_at_most()
            while self.undecided() and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
                yield from self.look()
            yield from self.end()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            raise AssertionError("%s; pygrowd %s: %s" % (
                error, "is there" if self.pygrowd and self.pygrowd.popen.poll() is None else "has ended",
                self.pygrowd and self.pygrowd.stderr()[-1500:])) from error
        finally:
            for run in self.runs:
                run.program.end()
            if self.pygrowd:
                self.pygrowd.end()

    def seconds_at_most(self):
        """A batch of leaks is over with its last alert, and nearly always is long before."""
        patience = LEAK_PATIENCE if self.jobs[0].case.leak else 1
        return 3600 * self.options.hours / self.options.speedup * patience

    def undecided(self):
        return [run for run in self.runs if not run.verdict]

    def start(self):
        for job in self.jobs:
            self.runs.append(Run(job, self.options))
        for run in self.runs:
            run.wait_ready()
        path = os.path.join(self.place.directory, "alerts.conf")
        with open(path, "w") as config:
            config.write("alert-scale = %g%%\n" % (100 / self.options.speedup))
        self.pygrowd = harness.Pygrowd(self.place, [run.pid for run in self.runs], "-c", path,
                                       "--interval", self.options.interval, *self.options.words,
                                       exact=self.options.mode == "exact", prefix=FIRST)
        for run in self.runs:
            harness.wait_until("pid %d is watched" % run.pid,
                               lambda: self.pygrowd.is_watching(run.pid), START_SECONDS)
            run.watched_at = time.time()

    def ask(self, *words):
        """Its answer. On a machine that has too much to do one may come too late."""
        for left in range(ASK_TRIES - 1, -1, -1):
            try:
                return self.pygrowd.json(*words)
            except (AssertionError, subprocess.TimeoutExpired):
                if not left or self.pygrowd.popen.poll() is not None:
                    raise

    def look(self):
        """Those that can be judged now."""
        rows = self.ask("alerts", "-n", str(SHOWN_MAX))["alerts"]
        processes = {row["pid"]: row for row in self.ask("status")["processes"]}
        for run in self.undecided():
            run.note(processes[run.pid])
            known = {alert.id for alert in run.alerts}
            run.alerts += [self.alert(run, row) for row in rows
                           if row["pid"] == run.pid and row["id"] not in known]
            right = [alert for alert in run.alerts if alert.is_right]
            if run.has_ended():
                run.decide(False, "ended early: %s" % run.program.stderr()[-300:])
            elif right:
                run.decide(True, verdict.of_alerts(run.alerts),
                           max(0.0, right[0].fired_at - run.watched_at))
            else:
                continue
            yield run

    def alert(self, run, row):
        shown = self.ask("show", row["stack"])["stacks"]
        frames = [frame for stack in shown if stack["pid"] == run.pid for frame in stack["frames"]]
        return verdict.alert_of(run.case, row, frames, harness.seconds_of(row["fired_at"]))

    def end(self):
        """The time is up: what is still undecided."""
        left, stacks = self.undecided(), []
        if any(run.case.leak for run in left):
            stacks = self.ask("report", "-n", "100000", "--split")["stacks"]
        for run in left:
            ours = [stack for stack in stacks if stack["pid"] == run.pid]
            run.decide(not run.case.leak and not run.alerts,
                       verdict.of_the_rest(run.case, run.alerts, ours))
            yield run
        status, _ = self.pygrowd.stop()
        assert status == 0, "pygrowd ended with %d: %s" % (status, self.pygrowd.stderr())


def batches(jobs, n_max):
    """As few as can be, all about as large; leaks and the rest apart, but by turns: these work more."""
    found = []
    for is_leak in (False, True):
        kind = [job for job in jobs if bool(job.case.leak) == is_leak]
        n = -(-len(kind) // n_max)
        found += [((i + 0.5) / n, kind[i::n]) for i in range(n)]
    return [batch for _turn, batch in sorted(found, key=lambda row: row[0])]


class Lanes:
    """Batches one after the other in each lane, lanes side by side."""

    def __init__(self, options, waiting, directory):
        self.options, self.directory = options, directory
        self.waiting, self.done = collections.deque(waiting), queue.Queue()

    def run(self):
        """Every run, as they are decided. A lane that breaks ends it all."""
        for i in range(self.options.daemons):
            threading.Thread(target=self.lane, args=(i,), daemon=True).start()
        left = self.options.daemons
        while left:
            item = self.done.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                left -= 1
            else:
                yield item

    def lane(self, number):
        directory = os.path.join(self.directory, "lane%d" % number)
        os.makedirs(directory, exist_ok=True)
        time.sleep(number * STAGGER_SECONDS)
        try:
            while True:
                for run in Batch(self.waiting.popleft(), self.options, directory).run():
                    self.done.put(run)
        except IndexError:
            self.done.put(None)
        except Exception as error:
            self.done.put(error)
