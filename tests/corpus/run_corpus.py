# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd alert on every leak of the corpus, and on nothing else?

Programs of leaks/ and harmless/ run side by side under some pygrowds, with time compressed: the
detector's (alert-scale) and the programs' own (SCALE) by the same factor, so that an hour passes in
some seconds. A leak is watched until an alert names its function or a stack that goes through it,
a harmless program to the end. Needs root.

usage: run_corpus.py [--mode exact|windows] [--seeds N] [-k REGEX] … (--help has them all)
"""
import argparse
import collections
import os
import queue
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import types

import truth
import verdict

sys.path.insert(0, os.path.join(os.path.dirname(truth.HERE), "e2e"))
import harness

POLL_SECONDS = 0.5
ASK_TRIES = 6
# Programs whose every allocation traps take all the CPU there is.
FIRST = ("nice", "-n", "-10")
SHOWN_MAX = 1000
ROW = "%-4s %-7s %-31s %4s %7s %7s %7s  %s"

# How a mode is run. speedup: of time. scale: the programs' SCALE before that. hours: of compressed
# time that a program is watched at most. rate: requests a second of each program. j: programs at a
# time under each of so many daemons.
Mode = collections.namedtuple("Mode", "speedup scale hours rate j daemons words")
MODES = {
    # At SCALE 60 the slow leaks are 1 KiB a minute, and a cache is full after 20 minutes.
    "exact": Mode(250, 60, 10.5, 3, 16, 1, ()),
    # Windows see one allocation in a hundred, whatever time does: leaks have to be faster to be seen
    # in a day. What lives for less than 2 s does not count, so time must not be too fast. The budget
    # is a share of what a process uses, and next to nothing in a minute.
    "windows": Mode(50, 10, 4.5, 60, 12, 2, ("--overhead", "50%", "--host-overhead", "100%")),
}
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
        self.program = harness.Process([options.python, "-B", self.case.path, str(self.seed),
                                        "%g" % (options.scale / options.speedup),
                                        "%g" % options.rate])
        line = self.program.popen.stdout.readline()
        assert line == b"ready\n", "%s did not start: %s" % (self.case.name, self.program.stderr())
        self.pid = self.program.pid
        self.watched_at = None
        self.alerts = []  # verdict.Alert, as they came
        self.regimes, self.windows, self.cpu_seconds = set(), 0, 0.0
        self.verdict = None

    def decide(self, passed, said, seconds=None):
        self.verdict = verdict.Verdict(passed, said, seconds)
        self.program.end()

    def note(self, process):
        """Its row of the status."""
        self.regimes.add(process["regime"])
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
            end = time.monotonic() + 3600 * self.options.hours / self.options.speedup
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

    def undecided(self):
        return [run for run in self.runs if not run.verdict]

    def start(self):
        for job in self.jobs:
            self.runs.append(Run(job, self.options))
        path = os.path.join(self.place.directory, "alerts.conf")
        with open(path, "w") as config:
            config.write("alert-scale = %g%%\n" % (100 / self.options.speedup))
        self.pygrowd = harness.Pygrowd(self.place, [run.pid for run in self.runs], "-c", path,
                                       "--interval", self.options.interval, *self.options.words,
                                       exact=self.options.mode == "exact", prefix=FIRST)
        for run in self.runs:
            harness.wait_until("pid %d is watched" % run.pid,
                               lambda: self.pygrowd.is_watching(run.pid))
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
        if left:
            stacks = self.ask("report", "-n", "100000", "--split")["stacks"]
        for run in left:
            ours = [stack for stack in stacks if stack["pid"] == run.pid]
            run.decide(not run.case.leak and not run.alerts,
                       verdict.of_the_rest(run.case, run.alerts, ours))
            yield run
        status, _ = self.pygrowd.stop()
        assert status == 0, "pygrowd ended with %d: %s" % (status, self.pygrowd.stderr())


class Lanes:
    """Batches one after the other in each lane, lanes side by side."""

    def __init__(self, options, batches, directory):
        self.options, self.directory = options, directory
        self.waiting, self.done = collections.deque(batches), queue.Queue()

    def run(self):
        """Every run, as they are decided. A lane that breaks ends it all."""
        lanes = [threading.Thread(target=self.lane, args=(i,), daemon=True)
                 for i in range(self.options.daemons)]
        for lane in lanes:
            lane.start()
        left = len(lanes)
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
        try:
            while True:
                for run in Batch(self.waiting.popleft(), self.options, directory).run():
                    self.done.put(run)
        except IndexError:
            self.done.put(None)
        except Exception as error:
            self.done.put(error)


def scaled(seconds, speedup):
    """What the run's seconds stand for."""
    hours = seconds * speedup / 3600
    return "%.1f h" % hours if hours >= 1.5 else "%.0f min" % (60 * hours)


def tell(run, options):
    print(ROW % ("ok" if run.verdict.passed else "FAIL", options.mode,
                 "%s/%s" % (run.case.kind, run.case.name), run.seed,
                 "%.1f s" % run.cpu_seconds, run.windows or "-",
                 "-" if run.verdict.seconds is None else "%.0f s" % run.verdict.seconds,
                 harness.printable(run.verdict.said)), flush=True)


def sum_up(runs, options, took):
    leaks = [run for run in runs if run.case.leak]
    strays = [run for run in runs if run.regimes - {options.mode, "waiting", "gone"}]
    harmless = [run for run in runs if not run.case.leak]
    found = sorted((run for run in leaks if run.verdict.passed), key=lambda run: run.verdict.seconds)
    quiet = sum(run.verdict.passed for run in harmless)
    print("%s mode: %d of %d leaks alerted, %d of %d harmless ones did not; it took %.0f s"
          % (options.mode, len(found), len(leaks), quiet, len(harmless), took))
    if found:
        median = statistics.median(run.verdict.seconds for run in found)
        print("  time to alert: median %.0f s, worst %.0f s (%s), which stand for %s and %s"
              % (median, found[-1].verdict.seconds, found[-1].case.name,
                 scaled(median, options.speedup),
                 scaled(found[-1].verdict.seconds, options.speedup)))
        blamed = sum(any(alert.is_blamed for alert in run.alerts) for run in found)
        also = sum(sum(not alert.is_right for alert in run.alerts) for run in found)
        print("  the function was the one to blame in %d, further out in the stack in %d; "
              "other alerts on leaking programs by then: %d" % (blamed, len(found) - blamed, also))
    for run in strays:
        print("  %s, seed %d, was also in: %s" % (run.case.name, run.seed, ", ".join(
            sorted(run.regimes - {options.mode}))))


def run_mode(options):
    """How many runs passed, and how many did not."""
    began = time.monotonic()
    jobs = [Job(case, seed) for seed in range(1, options.seeds + 1)
            for case in truth.cases(options.k)]
    # Dealt out like cards, so that leaks, which end early, and the rest are in all batches; as many
    # batches as fill all lanes.
    n_batches = -(-len(jobs) // (options.j * options.daemons)) * options.daemons
    batches = list(filter(None, (jobs[i::n_batches] for i in range(n_batches))))
    directory, runs = tempfile.mkdtemp(prefix="pygrowd-corpus-"), []
    print("%s mode: %d runs, %d at a time, %g requests/s each, %gx as fast, programs at SCALE %g"
          % (options.mode, len(jobs), max(map(len, batches)) * options.daemons, options.rate,
             options.speedup, options.scale), flush=True)
    print(ROW % ("", "mode", "program", "seed", "CPU", "windows", "alerted", "on"))
    try:
        for run in Lanes(options, batches, directory).run():
            runs.append(run)
            tell(run, options)
    finally:
        for process in harness.RUNNING[::-1]:
            process.end()
        shutil.rmtree(directory, ignore_errors=True)
    sum_up(runs, options, time.monotonic() - began)
    return collections.Counter(run.verdict.passed for run in runs)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=sorted(MODES), action="append", help="both if not given")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each program")
    parser.add_argument("-k", default="", metavar="REGEX", help="only programs whose name matches")
    parser.add_argument("--hours", type=float, metavar="N",
                        help="of compressed time that a program is watched at most")
    parser.add_argument("--speedup", type=float, metavar="X", help="an hour in 3600/X seconds")
    parser.add_argument("--scale", type=float, metavar="X",
                        help="of the programs, before that: stretches their periods")
    parser.add_argument("--rate", type=float, metavar="N", help="requests a second of a program")
    parser.add_argument("-j", type=int, metavar="N", help="programs at a time under one pygrowd")
    parser.add_argument("--daemons", type=int, metavar="N", help="pygrowds at a time")
    parser.add_argument("--interval", default="200ms", help="of pygrowd")
    parser.add_argument("--python", metavar="PATH", default="/usr/bin/python3")
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("run_corpus.py: needs root: pygrowd loads eBPF programs")
    if not os.access(harness.PYGROWD, os.X_OK):
        sys.exit("run_corpus.py: no %s: run make first" % harness.PYGROWD)
    return options


def of_mode(options, name):
    """The options, with the mode's own where nothing else was asked for."""
    chosen = dict(MODES[name]._asdict(), mode=name)
    chosen.update((key, value) for key, value in vars(options).items()
                  if value is not None and key != "mode")
    if min(chosen["j"], chosen["daemons"], chosen["seeds"]) < 1:
        sys.exit("run_corpus.py: -j, --daemons and --seeds must be at least 1")
    return types.SimpleNamespace(**chosen)


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started, as Ctrl-C does
    passed = sum((run_mode(of_mode(options, name)) for name in options.mode or sorted(MODES)),
                 collections.Counter())
    print("%d passed, %d failed" % (passed[True], passed[False]))
    return 0 if passed[True] and not passed[False] else 1


if __name__ == "__main__":
    sys.exit(main())
