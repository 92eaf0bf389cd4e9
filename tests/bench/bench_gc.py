# SPDX-License-Identifier: GPL-2.0-only
"""What do the collector's probes cost, alone, where the collector does most of the work?

Only these probes are on (tests/bpf/gcprobes.c has the daemon's own code for them), not those of
allocations. Two loops: `collect` asks for a full collection after each request, on the heap of a small
service, and the collector has most of the time; `young` makes garbage in cycles as fast as it can, so that
a threshold starts a young collection as often as one can be: the worst that can happen.

pygrowd has these probes on for a small part of the time there, and what that loses is less than what a
machine drifts by. So it is taken apart. *While on*: what is lost while they are on without a break, in
slices of some hundred milliseconds, with and without them in turn. *Timed*: the share of the collections
that they are on for within the budget of 1 %, in one long run. *Own figure*: what pygrowd believes to cost
there, traps, switching and looking. *Lost*: the product of the first two and the third, so traps are in it
twice: an upper bound, and what is promised. *At once* is the check: with and without, within the budget,
in slices of seconds; its interval is wider than the figure.
"""
import os
import statistics

from kit import BOUND, BUDGET, Progress, alternate, cpu_seconds, harness, judge, rate, spread, table

KNOBS = {"pairs": 40, "slice": 0.7, "settle": 0.15, "budget": 30, "checks": 8, "check": 4,
         "loops": "collect,young"}
LOST = 0.005
GENERATIONS = 3
GCPROBES = os.path.join(harness.BUILD, "tests-bpf", "gcprobes")


class Probes:
    """gcprobes on a target; overhead None: they stay on."""

    def __init__(self, target, overhead=None):
        words = [str(target.pid)] + ([str(overhead)] if overhead else [])
        self.process = harness.Process(BOUND + [GCPROBES] + words)
        first = self.process.popen.stdout.readline()
        assert first == b"on\n", "gcprobes: %s" % self.process.stderr()

    def end(self):
        """collections and timed, by generation; share of the time that they were on; own figure of the cost"""
        self.process.popen.stdin.close()
        words = self.process.popen.stdout.read().split()
        self.process.end()
        counts = [int(word) for word in words[:2 * GENERATIONS]]
        assert sum(counts[:GENERATIONS]), "no collection in a slice"
        return counts[:GENERATIONS], counts[GENERATIONS:], float(words[-2]), float(words[-1])


def pairs_of(target, progress, pairs, settle, seconds, overhead):
    """[(steps a second without, with)]"""
    def watched():
        probes = Probes(target, overhead)
        rate([progress], settle)
        before = cpu_seconds(target.pid)
        done = rate([progress], seconds)
        assert cpu_seconds(target.pid) > before, "the target stands still"
        probes.end()
        return done

    def bare():
        rate([progress], settle)
        return rate([progress], seconds)
    return alternate(pairs, bare, watched)


def lost_of(pairs):
    return [1 - watched / bare for bare, watched in pairs]


def measure(t, knob, loop):
    """(the loop's row, share lost)"""
    progress = Progress(t)
    target = t.target("busy.py", loop, progress.path)
    target.ask("pace", "max")
    rate([progress], 1)
    on = pairs_of(target, progress, knob["pairs"], knob["settle"], knob["slice"], None)
    probes = Probes(target, BUDGET)
    rate([progress], knob["budget"])
    counted, timed, duty, cost = probes.end()
    checks = pairs_of(target, progress, knob["checks"], 1, knob["check"], BUDGET)
    target.end()
    share = sum(timed) / sum(counted)
    while_on = statistics.median(lost_of(on))
    lost = while_on * share + cost
    return [loop, " + ".join("%.0f" % (n / knob["budget"]) for n in counted),
            spread([100 * one for one in lost_of(on)], "%.2f"), "%.2f" % (100 * share),
            "%.2f" % (100 * duty), "%.3f" % (100 * cost), "%.3f" % (100 * lost),
            spread([100 * one for one in lost_of(checks)], "%.2f")], lost


def run(t, knob):
    lines, lost = [], {}
    for loop in knob["loops"].split(","):
        line, lost[loop] = measure(t, knob, loop)
        lines.append(line)
    table(["loop", "collections/s by generation",
           "lost while on, % (90 % interval of the median; lowest to highest)", "timed, %",
           "on, % of the time", "own figure, %", "lost, %", "lost, at once, %"], lines)
    for loop, share in lost.items():
        judge(t, "gc: within the budget the collector's probes cost less than %g %% of the %s loop"
              % (100 * LOST, loop), share < LOST, "%.3f %%" % (100 * share))
