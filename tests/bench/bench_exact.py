# SPDX-License-Identifier: GPL-2.0-only
"""What does exact mode cost: a hit, and a whole program, beside memleak and tracemalloc?

Watched and unwatched slices of one process alternate, ratios are taken within a round, and the
median round is printed: a busy machine shifts both sides. No number is promised here.

memleak (bcc) knows nothing of pymalloc: on a stock interpreter it sees blocks over 512 bytes only,
and on a distribution's build no exported function sees the small ones. So that it does the same
work as pygrowd, its target runs with PYTHONMALLOC=malloc, where every block is a malloc() of libc;
its ratio is against the same target unwatched, so malloc's own slowness is not held against it.
It prints nothing while it is measured: reading and naming stacks is not part of its cost here.
"""
import os
import statistics

from kit import BUDGET, Daemon, harness, spread, table
from memleak import MEMLEAK, Memleak

KNOBS = {"rounds": 3, "slice": 0.7, "blocks": 20000, "repeats": 5, "beside": 50}
LOOPS = ["json", "churn", "service"]
DEPTHS = (5, 10, 40)


def rates(target, seconds):
    return {loop: target.ask("run", loop, seconds)["per_second"] for loop in LOOPS}


def watched_by(process, target, seconds):
    """The rates while `process` watches, which ends then."""
    result = rates(target, seconds)
    process.end()
    return result


def one_round(t, target, plain_malloc, seconds):
    """{watcher: {loop: how many times slower}}"""
    def slower(bare, watched):
        return {loop: bare[loop] / watched[loop] for loop in LOOPS}
    ratios = {}
    bare = rates(target, seconds)
    watched = watched_by(t.pygrowd(target).wait_watching(), target, seconds)
    ratios["pygrowd --exact"] = slower(bare, watched)
    bare = rates(target, seconds)
    for frames in (1, 25):
        target.ask("trace", frames)
        ratios["tracemalloc(%d)" % frames] = slower(bare, rates(target, seconds))
    target.ask("trace", 0)
    if plain_malloc:
        bare = rates(plain_malloc, seconds)
        watched = watched_by(Memleak(plain_malloc.pid), plain_malloc, seconds)
        ratios["memleak"] = slower(bare, watched)
    return ratios


def slowdown(t, knob):
    target, plain_malloc = t.target("loops.py"), None
    if MEMLEAK:
        plain_malloc = t.target("loops.py", env=dict(os.environ, PYTHONMALLOC="malloc"))
    rounds = [one_round(t, target, plain_malloc, knob["slice"]) for _ in range(knob["rounds"])]
    print("Times slower than unwatched (median of %d rounds):\n" % len(rounds))
    median = {watcher: {loop: statistics.median(row[watcher][loop] for row in rounds) for loop in LOOPS}
              for watcher in rounds[0]}
    rows = [[watcher] + ["%.1f" % row[loop] for loop in LOOPS] for watcher, row in median.items()]
    if "memleak" in median:
        rows.append(["memleak's cost / pygrowd's"]
                    + ["%.1f" % ((median["memleak"][loop] - 1) / (median["pygrowd --exact"][loop] - 1))
                       for loop in LOOPS])
    table(["watcher"] + ["%s loop" % loop for loop in LOOPS], rows)
    if "memleak" not in median:
        print("memleak was not measured: no memleak-bpfcc here (package bpfcc-tools)")


def hit_costs(target, knob):
    """Nanoseconds for each allocation by depth, and for each free."""
    costs = {depth: [] for depth in DEPTHS}
    costs["free"] = []
    for _ in range(knob["repeats"]):
        for depth in DEPTHS:
            costs[depth].append(target.ask("allocate", knob["blocks"], depth)["ns"])
            costs["free"].append(target.ask("free")["ns"])
    return {what: statistics.median(values) for what, values in costs.items()}


def hits(t, knob):
    target = t.target("loops.py")
    bare = hit_costs(target, knob)
    target.ask("allocate", knob["repeats"] * knob["blocks"], DEPTHS[0])
    pygrowd = t.pygrowd(target).wait_watching()
    # These blocks were made before anybody looked: the free finds nothing to take off.
    unknown = target.ask("free")["ns"] - bare["free"]
    watched = hit_costs(target, knob)
    process = harness.process_row(pygrowd.report(), target.pid)
    expected = knob["repeats"] * knob["blocks"] * (2 * len(DEPTHS) + 1)
    extra = {what: watched[what] - bare[what] for what in bare}
    frame = (extra[40] - extra[10]) / 30
    print("Cost of a hit: extra time of a loop with known numbers of blocks (median of %d x %d):\n"
          % (knob["repeats"], knob["blocks"]))
    table(["hit", "ns"],
          [["free of a block that is not followed", "%.0f" % unknown],
           ["free of a followed block", "%.0f" % extra["free"]],
           ["alloc, stack of 10 frames walked", "%.0f" % extra[10]],
           ["alloc, stack of 40 frames walked", "%.0f" % extra[40]],
           ["each further frame", "%.0f" % frame],
           ["alloc without the walk (10 frames less ten times that)",
            "%.0f" % (extra[10] - 10 * frame)]])
    print("pygrowd counted %d hits in this; %d were due.\n" % (process["hits"], expected))
    pygrowd.end()
    target.end()


def hit_in_loop(target, pygrowd, bare, seconds):
    """Nanoseconds of a hit in the JSON loop, which does so many steps a second by itself."""
    def hits_so_far():
        return harness.process_row(pygrowd.report(), target.pid)["hits"]
    before = hits_so_far()
    per_second = target.ask("run", "json", seconds)["per_second"]
    hits_of_step = (hits_so_far() - before) / (per_second * seconds)
    return (1 / per_second - 1 / bare) / hits_of_step * 1e9


def beside(t, knob):
    """At each trap the kernel asks for all processes whose site it is whether they are meant."""
    target = t.target("loops.py")
    idle = [t.target("busy.py", "json") for _ in range(knob["beside"])]
    bare = target.ask("run", "json", knob["slice"])["per_second"]
    pygrowd, pairs = t.pygrowd(target).wait_watching(), []

    def hit_ns():
        return hit_in_loop(target, pygrowd, bare, 3 * knob["slice"])
    for _ in range(knob["rounds"]):
        alone, others = hit_ns(), Daemon(t, [process.pid for process in idle], overhead=BUDGET)
        others.wait_watching(120, ["exact"])
        pairs.append((alone, hit_ns()))
        others.leave()
    pygrowd.end()
    for process in [target] + idle:
        process.end()
    print("A hit in the JSON loop, alone and beside %d idle processes of the same binary that are"
          " watched (%d rounds):\n" % (len(idle), len(pairs)))
    table(["hit", "ns"], [["alone", "%.0f" % statistics.median(alone for alone, _ in pairs)],
                          ["for each process beside",
                           spread([(more - alone) / len(idle) for alone, more in pairs], "%.0f")]])


def run(t, knob):
    hits(t, knob)
    beside(t, knob)
    slowdown(t, knob)
