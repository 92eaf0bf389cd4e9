# SPDX-License-Identifier: GPL-2.0-only
"""Are the programs of leaks/ and harmless/ what they say? tracemalloc is asked, not pygrowd.

Each program runs under tracemalloc, with its periods shortened to a tenth:
- a leak: what the blamed function has allocated and is alive grows all the time, and next to
  nothing else does;
- harmless: after the warm-up, all memory together has a bound, which it reaches, and no function's
  grows all the time.

usage: check_truth.py [--python PATH]... [--seed N] [-j N] [-k REGEX]
"""
import argparse
import collections
import concurrent.futures
import gc
import json
import os
import runpy
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc

import truth

SCALE = 0.1
SECONDS = {"leaks": 7, "harmless": 12}  # 70 and 120 at SCALE 1
SNAPSHOTS = 7
WARM_UP_LOOKS = 2  # of SNAPSHOTS, for what is harmless; by then the last of them is full
FRAMES = 25
REQUESTS_PER_SECOND = 40  # tracemalloc makes them dear, and what is judged is not their churn
LOOK_SECONDS = 0.05
# Verdicts on what was seen.
GROWTH_BYTES_MIN = 15000  # of a leak
# Of the leak's growth, for the growth of all other functions together. Not less, because the key
# table of a dict may come from a free list: tracemalloc leaves it with the function that had it
# first, here mostly parse(). Of unbounded_deque in 3.8 that is 147 of 536 kB.
OTHERS_SHARE_MAX = 0.5
BOUND_FACTOR, BOUND_SLACK_BYTES = 1.2, 30000  # last third over middle third
LEAK_SHARE_MIN = 0.25  # growth, of what a function has at the end: a leak's is some 0.45 of it
MOVED_BYTES_MIN = 60000  # of something harmless: else it shows nothing


# ── in the child: the program is the main thread, a second thread looks ──────────────────────────
def watch(path, seconds):
    """Looks at the program from its first request on: all live bytes, time and again, and a few
    times by function."""
    began, totals, blamed = time.monotonic(), [], []
    base, every = tracemalloc.get_traced_memory()[0], seconds / SNAPSHOTS
    due = began + every
    while len(blamed) < SNAPSHOTS:
        totals.append(tracemalloc.get_traced_memory()[0] - base)
        if time.monotonic() >= due:
            blamed.append(bytes_by_function(path))
            due = max(due + every, time.monotonic() + every / 2)  # a busy machine makes it longer
        time.sleep(LOOK_SECONDS)
    return {"totals": totals, "blamed": blamed}


def watch_and_end(path, seconds):
    """The last line on stderr is what was seen; with status 1, what went wrong."""
    status, last = 1, ""
    try:
        last = json.dumps(watch(path, seconds))
        status = 0
    except Exception:
        last = traceback.format_exc()
    finally:
        os.write(2, (last + "\n").encode())
        os._exit(status)


def bytes_by_function(path):
    """Live bytes by the innermost function of the program, or of traffic.py."""
    if gc.isenabled():
        gc.collect()
    ours = {file: truth.functions_of(file)
            for file in (path, os.path.join(truth.HERE, "traffic.py"))}
    found = collections.Counter()
    by_stack, stacks = collections.Counter(), {}
    # The public view makes an object of each frame of each block: 1 s of CPU time a look. Blocks
    # with the same stack share one tuple here, ((file, line) of the innermost frame, …).
    for _domain, size, stack, *_depth in tracemalloc.take_snapshot().traces._traces:
        by_stack[id(stack)] += size
        stacks[id(stack)] = stack
    for key, size in by_stack.items():
        for file, line in stacks[key]:
            if file in ours:
                found[truth.function_at(ours[file], line)] += size
                break
    return found


def run_watched(path, seed, seconds):
    """The watch begins when the program waits for its first request."""
    sys.argv = [path, str(seed), str(SCALE), str(REQUESTS_PER_SECOND)]
    sys.path.insert(0, os.path.dirname(os.path.dirname(path)))
    import traffic
    arrivals = traffic.arrivals

    def watched_arrivals():
        threading.Thread(target=watch_and_end, args=(path, seconds), daemon=True).start()
        return arrivals()

    traffic.arrivals = watched_arrivals
    tracemalloc.start(FRAMES)
    runpy.run_path(path, run_name="__main__")


# ── in the parent: run, judge, tell ──────────────────────────────────────────────────────────────
def growth(values):
    """What is surely added between the first third and the last one; 0 if it also falls."""
    third = len(values) // 3
    return max(0, min(values[-third:]) - max(values[:third]))


def growing(blamed):
    """Function -> bytes, of those that grow in each half."""
    rows = {}
    for function in set().union(*blamed):
        values = [snapshot.get(function, 0) for snapshot in blamed]
        halves = growth(values[:len(values) // 2 + 1]), growth(values[len(values) // 2:])
        if min(halves) > 0:
            rows[function] = growth(values)
    return rows


def rises(values):
    values = list(values)
    return all(after > before for before, after in zip(values, values[1:]))


def problem_of_leak(case, seen):
    rows = growing(seen["blamed"])
    ours = sum(size for function, size in rows.items() if truth.is_blamed(case.leak, function))
    others = sum(rows.values()) - ours
    if ours < GROWTH_BYTES_MIN:
        return "%s grows by %d bytes only; growing: %s" % (case.leak, ours, rows)
    if others > OTHERS_SHARE_MAX * ours:
        return "%s grows by %d bytes, but so do others: %s" % (case.leak, ours, rows)
    return None


def problem_of_harmless(seen):
    values = seen["totals"]
    third = len(values) // 3
    middle, last = max(values[third:2 * third]), max(values[2 * third:])
    if max(values) < MOVED_BYTES_MIN:
        return "it never had more than %d bytes: that shows nothing" % max(values)
    if last > BOUND_FACTOR * middle + BOUND_SLACK_BYTES:
        return "%d bytes at most in the middle third, %d in the last" % (middle, last)
    rows = {function: size for function, size in growing(seen["blamed"]).items()
            if size > max(GROWTH_BYTES_MIN, LEAK_SHARE_MIN * seen["blamed"][-1].get(function, 0))
            and rises(look.get(function, 0) for look in seen["blamed"][WARM_UP_LOOKS:])}
    return "growing all the time: %s" % rows if rows else None


# A stdin that is not closed before we end: communicate() would close a pipe of its own at once.
OPEN_END, _OUR_END = os.pipe()


def problem_of(case, python, seed):
    seconds = SECONDS[case.kind]
    argv = [python, "-B", os.path.abspath(__file__), "--watch", case.path, str(seed), str(seconds)]
    with subprocess.Popen(argv, stdin=OPEN_END, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as child:
        try:
            _, errors = child.communicate(timeout=60 + 5 * seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return "it did not end in time: %s" % child.communicate()[1][-300:]
    lines = errors.strip().splitlines()
    if child.returncode or not lines:
        return "it ended with %d: %s" % (child.returncode, " | ".join(lines[-3:]))
    seen = json.loads(lines[-1])
    return problem_of_leak(case, seen) if case.leak else problem_of_harmless(seen)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", metavar="PATH", help="more than once for more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", type=int, default=2, metavar="N", help="programs at a time")
    parser.add_argument("-k", default="", metavar="REGEX", help="only programs whose name matches")
    options = parser.parse_args()
    with open(os.path.join(truth.HERE, "..", "..", "docs", "CORPUS.md")) as document:
        if truth.table() not in document.read():
            sys.exit("check_truth.py: docs/CORPUS.md has another table than truth.py prints")
    jobs = [(python, case) for python in options.python or ["/usr/bin/python3"]
            for case in truth.cases(options.k)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        problems = pool.map(lambda job: problem_of(job[1], job[0], options.seed), jobs)
        for (python, case), problem in zip(jobs, problems):
            failed += problem is not None
            print("%s  %s %s/%s%s" % ("FAIL" if problem else "ok  ", python, case.kind, case.name,
                                      ": " + problem if problem else ""), flush=True)
    print("%d passed, %d failed" % (len(jobs) - failed, failed))
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        run_watched(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        sys.exit(main())
