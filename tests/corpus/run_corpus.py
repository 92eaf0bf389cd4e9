# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd alert on every leak of the corpus, and on nothing else?

Programs of leaks/ and harmless/ run side by side under some pygrowds (lanes.py), with time
compressed: the detector's (alert-scale) and the programs' own (SCALE) by the same factor, so that an
hour passes in some seconds. A leak is watched until an alert names its function or a stack that goes
through it, a harmless program to the end. Needs root.

usage: run_corpus.py [--mode exact|windows] [--seeds N] [-k REGEX] … (--help has them all)
"""
import argparse
import collections
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
import types

import truth

sys.path.insert(0, os.path.join(os.path.dirname(truth.HERE), "e2e"))
import harness
import lanes

ROW = "%-4s %-13s %-31s %4s %7s %7s %7s  %s"

# How a mode is run. seeds: runs of each program, so that both modes take half an hour. speedup:
# of time. scale: the programs' SCALE before that. hours: of compressed time that a harmless program is
# watched, and a leak, until an alert, for at most twice as long. rate: requests a second of each
# program. j: programs at a time under each of so many daemons.
Mode = collections.namedtuple("Mode", "seeds speedup scale hours rate interval j daemons words")
MODES = {
    # At SCALE 60 the slow leaks are 1 KiB a minute, and a cache is full after 20 minutes.
    "exact": Mode(1, 250, 60, 5.5, 3, "500ms", 9, 2, ()),
    # Windows see one allocation in a hundred, whatever time does: leaks have to be faster to be seen
    # in a day. What lives for less than 2 s does not count, so time must not be too fast. The budget
    # is a share of what a process uses: so it has to use some of a core.
    "windows": Mode(1, 50, 10, 5.5, 40, "500ms", 8, 3,
                    ("--overhead", "50%", "--host-overhead", "100%")),
}


def scaled(seconds, speedup):
    """What the run's seconds stand for."""
    hours = seconds * speedup / 3600
    return "%.1f h" % hours if hours >= 1.5 else "%.0f min" % (60 * hours)


def regime_of(run):
    """The one that it was in most, and for how long if not all the time."""
    if not run.regimes:
        return "-"
    (name, looks), = run.regimes.most_common(1)
    share = looks / sum(run.regimes.values())
    return name if share == 1 else "%s %.0f %%" % (name, 100 * share)


def tell(run, options):
    print(ROW % ("ok" if run.verdict.passed else "FAIL", regime_of(run),
                 "%s/%s" % (run.case.kind, run.case.name), run.seed,
                 "%.1f s" % run.cpu_seconds, run.windows or "-",
                 "-" if run.verdict.seconds is None else "%.0f s" % run.verdict.seconds,
                 harness.printable(run.verdict.said)), flush=True)


def sum_up(runs, options, took):
    leaks = [run for run in runs if run.case.leak]
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
    print("  regime, most of the time: %s" % ", ".join("%s in %d runs" % row for row in sorted(
        collections.Counter(regime_of(run).split()[0] for run in runs).items())))


def run_mode(options):
    """How many runs passed, and how many did not."""
    began = time.monotonic()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [lanes.Job(case, seed) for seed in seeds for case in truth.cases(options.k)]
    batches = lanes.batches(jobs, options.j)
    directory, runs = tempfile.mkdtemp(prefix="pygrowd-corpus-"), []
    print("%s mode: %d runs, %d at a time, %g requests/s each, %gx as fast, programs at SCALE %g"
          % (options.mode, len(jobs), sum(sorted(map(len, batches))[-options.daemons:]), options.rate,
             options.speedup, options.scale), flush=True)
    print(ROW % ("", "regime", "program", "seed", "CPU", "windows", "alerted", "on"))
    try:
        for run in lanes.Lanes(options, batches, directory).run():
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
    parser.add_argument("--seeds", type=int, metavar="N", help="runs of each program")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="of these runs")
    parser.add_argument("-k", default="", metavar="REGEX", help="only programs whose name matches")
    parser.add_argument("--hours", type=float, metavar="N",
                        help="of compressed time that a harmless program is watched, and a leak for "
                             "twice that at most")
    parser.add_argument("--speedup", type=float, metavar="X", help="an hour in 3600/X seconds")
    parser.add_argument("--scale", type=float, metavar="X",
                        help="of the programs, before that: stretches their periods")
    parser.add_argument("--rate", type=float, metavar="N", help="requests a second of a program")
    parser.add_argument("-j", type=int, metavar="N", help="programs at a time under one pygrowd")
    parser.add_argument("--daemons", type=int, metavar="N", help="pygrowds at a time")
    parser.add_argument("--interval", metavar="DURATION", help="of pygrowd")
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
