# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd name the function to blame, in every leak of the corpus?

Programs of leaks/ and harmless/ run side by side under one pygrowd, a batch at a time. Then each
one is judged by the report of that moment: see judge_report(). Needs root.

usage: run_corpus.py [--mode exact|windows] [--seconds N] [--scale X] [--seeds N] [-j N] [-k REGEX]
"""
import argparse
import collections
import os
import shutil
import signal
import sys
import tempfile
import time
import types

import truth

sys.path.insert(0, os.path.join(os.path.dirname(truth.HERE), "e2e"))
import harness

INTERVAL = "1s"
MODES = {"exact": True, "windows": False}
JOB_ROW = "%-5s %-32s %4s  %-20s %10s  %s"

Job = collections.namedtuple("Job", "case seed")
# passed: None if this judge has no opinion. said: function that is named, or None. rate: bytes a
# second of it. why: one line, if it did not pass.
Verdict = collections.namedtuple("Verdict", "passed said rate why")


def judge_report(case, report, pid):
    """The blamed function must be the first by growth. Of what is harmless a report says nothing:
    it ranks what there is, and somebody is always first."""
    rows = [row for row in report["functions"] if row["pid"] == pid and row["blamed_stacks"]]
    rows.sort(key=lambda row: -(row["blamed_growth_bytes_per_second"] or 0))
    if not rows:
        return Verdict(False if case.leak else None, None, 0, "the report has no row of it")
    rate = rows[0]["blamed_growth_bytes_per_second"] or 0
    if not case.leak:
        return Verdict(None, rows[0]["function"], rate, "")
    ranks = [rank for rank, row in enumerate(rows, 1) if is_truth(case, row)]
    if ranks[:1] == [1] and rate > 0:
        return Verdict(True, rows[0]["function"], rate, "")
    ours = [row["blamed_growth_bytes_per_second"] for row in rows if is_truth(case, row)]
    why = "%s is %s" % (case.leak, "number %d, with %.0f B/s" % (ranks[0], ours[0] or 0) if ranks
                        else "in no row")
    return Verdict(False, rows[0]["function"], rate, why)


def is_truth(case, row):
    return row["file"] == case.path and truth.is_blamed(case.leak, row["function"] or "")


def start(job, python, scale):
    program = harness.Process([python, "-B", job.case.path, str(job.seed), str(scale)])
    line = program.popen.stdout.readline()
    assert line == b"ready\n", "%s did not start: %s" % (job.case.name, program.stderr())
    return program


def run_batch(jobs, options, place):
    """[(job, verdict)]: all jobs at the same time, under one pygrowd."""
    try:
        programs = [start(job, options.python, options.scale) for job in jobs]
        pygrowd = harness.Pygrowd(place, [program.pid for program in programs],
                                  "--interval", INTERVAL, exact=MODES[options.mode])
        pygrowd.wait_watching()
        time.sleep(options.seconds)
        report = pygrowd.report()
        for job, program in zip(jobs, programs):
            assert program.popen.poll() is None, "%s ended: %s" % (job.case.name, program.stderr())
            verdict = judge_report(job.case, report, program.pid)
            lost = harness.process_row(report, program.pid)["lost"]
            yield job, verdict, " ".join("%s=%d" % pair for pair in sorted(lost.items()))
        status, _ = pygrowd.stop()
        assert status == 0, "pygrowd ended with %d: %s" % (status, pygrowd.stderr())
    finally:
        for process in harness.RUNNING[::-1]:
            process.end()


def tell(job, verdict, lost):
    word = {True: "ok", False: "FAIL", None: "-"}[verdict.passed]
    remarks = "; ".join(filter(None, [verdict.why, lost and "lost: " + lost]))
    print(JOB_ROW % (word, "%s/%s" % (job.case.kind, job.case.name), job.seed, verdict.said,
                     "%.0f" % verdict.rate, remarks), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=sorted(MODES), default="exact")
    parser.add_argument("--python", metavar="PATH", default="/usr/bin/python3")
    parser.add_argument("--seconds", type=float, default=60, metavar="N",
                        help="that each program is watched")
    parser.add_argument("--scale", type=float, default=1, metavar="X",
                        help="stretches the programs' own periods")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each program")
    parser.add_argument("-j", type=int, default=8, metavar="N", help="programs at a time")
    parser.add_argument("-k", default="", metavar="REGEX", help="only programs whose name matches")
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("run_corpus.py: needs root: pygrowd loads eBPF programs")
    if not os.access(harness.PYGROWD, os.X_OK):
        sys.exit("run_corpus.py: no %s: run make first" % harness.PYGROWD)
    if options.j < 1 or options.seeds < 1:
        sys.exit("run_corpus.py: -j and --seeds must be at least 1")
    return options


def main():
    options, began = parse_options(), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started, as Ctrl-C does
    jobs = [Job(case, seed) for seed in range(1, options.seeds + 1)
            for case in truth.cases(options.k)]
    directory = tempfile.mkdtemp(prefix="pygrowd-corpus-")
    place = types.SimpleNamespace(directory=directory, state=directory)
    passed = collections.Counter()
    print(JOB_ROW % ("", "program", "seed", "first by growth", "bytes/s", ""))
    try:
        for i in range(0, len(jobs), options.j):
            for job, verdict, lost in run_batch(jobs[i:i + options.j], options, place):
                passed[verdict.passed] += 1
                tell(job, verdict, lost)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("%s mode, %d runs took %d s" % (options.mode, len(jobs), time.monotonic() - began))
    print("%d passed, %d failed, %d not judged" % (passed[True], passed[False], passed[None]))
    return 1 if passed[False] or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
