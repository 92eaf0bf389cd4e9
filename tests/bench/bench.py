# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd keep its numbers? All benches, or those named; exit status 1 if a number is missed.

usage: run.sh [NAME [KNOB=VALUE…]]…     a knob belongs to the bench named before it
Tables are markdown, for docs/OVERHEAD.md. An otherwise quiet machine, please: where another program
runs, medians of alternating slices help for so long only.
"""
import importlib
import os
import platform
import shutil
import signal
import sys
import tempfile
import time

from kit import harness

NAMES = ["exact", "service", "json", "leak", "survivors", "estimates", "controller", "gc", "peers", "daemon"]


def module_of(name):
    return importlib.import_module("bench_" + name)


def usage():
    print(__doc__)
    for name in NAMES:
        module = module_of(name)
        knobs = " ".join("%s=%s" % item for item in module.KNOBS.items())
        print("  %-11s %s\n%14s%s" % (name, module.__doc__.splitlines()[0], "", knobs))


def chosen(words):
    """[(name, its knobs)]; None: wrong usage."""
    plan = []
    for word in words or NAMES:
        name, is_knob, value = word.partition("=")
        if not is_knob and name in NAMES:
            plan.append((name, dict(module_of(name).KNOBS)))
        elif is_knob and plan and name in plan[-1][1]:
            knobs = plan[-1][1]
            knobs[name] = type(knobs[name])(value)
        else:
            print("bench: %s: no such bench or knob; run.sh --help names them" % word, file=sys.stderr)
            return None
    return plan


def measure(results, python, state, name, knobs):
    module, began = module_of(name), time.monotonic()
    print("## %s: %s\n" % (name, module.__doc__.splitlines()[0]), flush=True)

    def body(t):
        t.has_results = True  # a table is a result; only a failure needs a line
        module.run(t, knobs)
    harness.Context(results, name, python, "", {"state": state}).run(body)
    print("\nin %d s\n" % (time.monotonic() - began), flush=True)


def main(words):
    if "--help" in words:
        usage()
        return 0
    plan = chosen(words)
    if plan is None:
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    supported, _, _ = harness.pythons(fetch=False)
    with open("/proc/cpuinfo") as cpuinfo:
        cpu = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")][0]
    print("Linux %s, %d x %s, %s, Python %s, load average %.1f\n"
          % (platform.release(), os.cpu_count(), cpu, time.strftime("%Y-%m-%d"), supported[0].version,
             os.getloadavg()[0]))
    results, state = harness.Results(), tempfile.mkdtemp(prefix="pygrowd-bench-")
    try:
        for name, knobs in plan:
            measure(results, supported[0], state, name, knobs)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print("bench: %d passed, %d failed, %d skipped" % (results.passed, results.failed, results.skipped))
    for label in results.failures:
        print("  failed: %s" % label)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
