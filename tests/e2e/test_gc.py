# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd see the collector as it is: how often, how long, and what dies inside it?"""
from harness import each_python, function_row, process_row

KNOTS = 50000
WITHIN = 0.01


@each_python
def collections(t):
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target).wait_watching()
    before = target.ask("stats")
    told_before = process_row(pygrowd.report(), target.pid)["gc"]
    assert told_before["known"], "the collect function was not found"
    target.ask("untied", KNOTS)
    for generation in (0, 1, 2, 2, 0):
        knots = target.ask("knots", KNOTS)
        tied = pygrowd.report()
        target.ask("collect", generation)
    target.ask("by_itself", 20000)
    after = target.ask("stats")
    report = pygrowd.report()
    told = process_row(report, target.pid)["gc"]

    want = [b - a for a, b in zip(before["collections"], after["collections"])]
    have = [b - a for a, b in zip(told_before["collections"], told["collections"])]
    t.result("gc__collections_per_generation",
             None if have == want else "%s told, %s were" % (have, want))
    t.result("gc__pauses_per_generation", compare_pauses(
        [b - a for a, b in zip(before["pause_seconds"], after["pause_seconds"])],
        [b - a for a, b in zip(told_before["pause_seconds"], told["pause_seconds"])]))

    row = function_row(tied, knots["function"], target.pid)
    t.result("gc__garbage_in_cycles_is_live_until_collected",
             None if about(row["live_blocks"], knots["blocks"]) else
             "%d blocks live of %d" % (row["live_blocks"], knots["blocks"]))
    died = marked(report, knots["function"], target.pid)
    t.result("gc__died_inside_the_collector", None if about(died, 5 * knots["bytes"]) else
             "%d bytes marked, %d were in cycles" % (died, 5 * knots["bytes"]))
    freed = told["freed_blocks"] - told_before["freed_blocks"]
    t.result("gc__freed_blocks_of_the_process",
             None if 5 * KNOTS * 0.99 <= freed <= 5 * KNOTS * 1.1 else
             "%d blocks, %d were in cycles" % (freed, 5 * KNOTS))
    died = marked(report, "tie_and_untie", target.pid)
    t.result("gc__died_outside_is_not_marked", "%d bytes marked" % died if died else None)


def marked(report, function, pid):
    return sum(stack["gc"]["freed_by_collector_bytes"] or 0 for stack in report["stacks"]
               if stack["pid"] == pid and stack["frames"] and stack["frames"][0]["function"] == function)


def about(have, want):
    return abs(have - want) <= WITHIN * want


def compare_pauses(want, have):
    """The callbacks' own cost and the clock lie within a tenth and a millisecond a collection."""
    for generation, (a, b) in enumerate(zip(want, have)):
        if abs(a - b) > 0.1 * a + 0.01:
            return "generation %d: %.4f s told, %.4f s measured" % (generation, b, a)
    return None
