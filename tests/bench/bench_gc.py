# SPDX-License-Identifier: GPL-2.0-only
"""What do the collector's probes cost, alone, where the collector does most of the work?

Only these probes are on (tests/bpf/gcprobes.c), not those of allocations. Two loops: `collect` asks for a full
collection after each request, on the heap of a small service, and the collector has most of the time;
this one is promised. `young` makes garbage in cycles as fast as it can, so that a threshold starts a
young collection as often as one can be: the worst that can happen, printed and not promised. Slices of
some hundred milliseconds, since what is measured is smaller than what a machine drifts by in a second.
"""
import os
import statistics

from kit import BOUND, Progress, alternate, cpu_seconds, harness, judge, rate, spread, table

KNOBS = {"pairs": 60, "slice": 0.7, "settle": 0.15, "loops": "collect,young"}
LOST = 0.005
PROMISED = "collect"
GCPROBES = os.path.join(harness.BUILD, "tests-bpf", "gcprobes")


def measure(t, knob, loop):
    """(pairs of rates, collections a second by generation)"""
    progress, seen = Progress(t), []
    target = t.target("busy.py", loop, progress.path)
    target.ask("pace", "max")
    rate([progress], 1)

    def watched():
        probes = harness.Process(BOUND + [GCPROBES, str(target.pid)])
        first = probes.popen.stdout.readline()
        assert first == b"on\n", "gcprobes: %s" % probes.stderr()
        rate([progress], knob["settle"])
        before = cpu_seconds(target.pid)
        done = rate([progress], knob["slice"])
        used = cpu_seconds(target.pid) - before
        probes.popen.stdin.close()
        counts = [int(word) for word in probes.popen.stdout.read().split()]
        probes.end()
        assert used > 0 and sum(counts), "no collection in a slice: %s" % counts
        seen.append(counts)
        return done

    def bare():
        rate([progress], knob["settle"])
        return rate([progress], knob["slice"])
    pairs = alternate(knob["pairs"], bare, watched)
    target.end()
    seconds = knob["slice"] + knob["settle"]
    return pairs, [statistics.median(counts[i] for counts in seen) / seconds for i in range(3)]


def run(t, knob):
    lines, kept = [], {}
    for loop in knob["loops"].split(","):
        pairs, per_second = measure(t, knob, loop)
        lost = [1 - watched / bare for bare, watched in pairs]
        kept[loop] = statistics.median(lost)
        lines.append([loop, " + ".join("%.0f" % count for count in per_second),
                      "%.0f" % statistics.median(bare for bare, _ in pairs),
                      spread([100 * share for share in lost], "%.2f")])
    table(["loop", "collections/s by generation", "steps/s",
           "lost, % (90 % interval of the median; lowest to highest)"], lines)
    for loop, share in kept.items():
        if loop == PROMISED:
            judge(t, "gc: the collector's probes cost less than %g %% of the %s loop"
                  % (100 * LOST, loop), share < LOST, "%.2f %%" % (100 * share))
