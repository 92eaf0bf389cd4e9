# SPDX-License-Identifier: GPL-2.0-only
"""Runs the end-to-end tests: pygrowd from outside, on real interpreters and known workloads.

One line a test, the coverage table, and at the very end "N passed, N failed, N skipped".
"""
import argparse
import collections
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import harness

MODULES = ["test_coverage", "test_leak", "test_frames", "test_gc", "test_hostile", "test_places",
           "test_server", "test_usage", "test_refusals", "test_permissions", "test_ends", "test_traces",
           "test_windows", "test_faults", "test_discovery", "test_history", "test_crash",
           "test_prometheus", "test_workers", "test_alerts"]
LONG = ["test_soak"]  # of minutes, on a quiet machine: only if -k asks for it, as in -k soak
SLOWEST = 12  # tests that are named at the end, with how long they took on all interpreters


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", metavar="REGEX", default="", help="only tests whose name matches")
    parser.add_argument("-p", metavar="REGEX", default="", help="only interpreters that match")
    parser.add_argument("--no-fetch", action="store_true", help="unpack no Debian releases")
    parser.add_argument("--list", action="store_true", help="name the tests and interpreters, and end")
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("run.py: needs root: eBPF programs are loaded and other users' processes watched")
    for program in (harness.PYGROWD, harness.PYGROWCTL):
        if not os.access(program, os.X_OK):
            sys.exit("run.py: no %s: run make first" % program)
    # A shell's background job ignores SIGINT, and so does what it starts: trials of it would test that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for module in MODULES + [long for long in LONG if long[len("test_"):] in options.k]:
        importlib.import_module(module)
    supported, foreign, missing = harness.pythons(not options.no_fetch)
    chosen = [python for python in supported if re.search(options.p, python.label)]
    tests = [test for test in harness.TESTS if re.search(options.k, name_of(test[0]))]
    if options.list:
        for function, each in tests:
            print("%-44s %s" % (name_of(function), "each interpreter" if each else "once"))
        for python in chosen:
            print("%-44s %s" % (python.label, " ".join(python.argv())))
        return 0
    return run(tests, chosen, foreign, missing)


def run(tests, chosen, foreign, missing):
    # SIGTERM unwinds like Ctrl-C: whatever a test has started is ended by its context.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    results, seconds = harness.Results(), collections.Counter()
    shared = {"state": tempfile.mkdtemp(prefix="pygrowd-e2e-state-"), "foreign": foreign,
              "pythons": chosen, "tables": []}
    try:
        for name, reason in missing:
            results.add("interpreter__" + name, "", skip=reason)
        for function, each in tests:
            for python in chosen if each else chosen[:1]:
                where, start = python.label if each else "", time.monotonic()
                harness.Context(results, name_of(function), python, where, shared).run(function)
                seconds[name_of(function)] += time.monotonic() - start
    finally:
        shutil.rmtree(shared["state"], ignore_errors=True)
    for table in shared["tables"]:
        print(table())
    for label in results.failures:
        print("failed: %s" % label)
    print("slowest, in s: " + ", ".join("%s %.0f" % slow for slow in seconds.most_common(SLOWEST)))
    print("end-to-end tests on %d interpreters took %d s" % (len(chosen), time.monotonic() - began))
    print("%d passed, %d failed, %d skipped" % (results.passed, results.failed, results.skipped))
    return 1 if results.failed or not results.passed else 0


def name_of(function):
    """test_frames.py: def every_kind -> frames__every_kind"""
    return "%s__%s" % (function.__module__.replace("test_", ""), function.__name__)


if __name__ == "__main__":
    sys.exit(main())
