# SPDX-License-Identifier: GPL-2.0-only
"""Are the error bars honest: do live bytes ± error cover what is truly alive, and without bias?

Seeded runs of known_live.py, some at once, each process with one run. pygrowd comes in the first
seconds (`lead`), which keep nothing: windows begin when it is known how fast a target is. At the end
nothing changes any more, and the row of each function that keeps is held against what the
process counted. Judged by function, since alone, in clusters and from libc are three cases.
"""
import math
import statistics
import time

from kit import Daemon, harness, judge, table, tell_seen

KNOBS = {"runs": 200, "at_once": 2, "lead": 9.0, "seconds": 6.0, "rest": 4.0, "overhead": 0.2,
         "seed": 1}
FUNCTIONS = ["keep_alone", "keep_cluster", "keep_large"]
COVERED, BIAS = (0.90, 0.99), 0.03


def batch(t, knob, seeds):
    """[{function: (truth, estimate, error)}] of the runs, and the status rows."""
    targets = [t.target("known_live.py") for _ in seeds]
    for target, seed in zip(targets, seeds):
        target.tell("go", seed, knob["lead"], knob["seconds"])
    daemon = Daemon(t, [target.pid for target in targets], overhead=knob["overhead"], host_overhead=1.0,
                    interval=1).wait_watching()
    patience = (knob["lead"] + knob["seconds"]) * 20 + harness.PATIENCE
    truths = [target.answer(patience)["truth"] for target in targets]
    # A report is as old as its interval, and held is what is 2 s old by then: all that is kept.
    time.sleep(knob["rest"])
    report = daemon.top(100000)
    done = []
    for target, truth in zip(targets, truths):
        figures = {}
        for function in FUNCTIONS:
            row = harness.function_row(report, function, target.pid)
            figures[function] = (truth[function]["bytes"], row["live_bytes"] or 0,
                                 row.get("live_bytes_error") or 0)
        done.append(figures)
    rows = daemon.leave().values()
    for target in targets:
        target.end()
    return done, rows


def share_and_doubt(hits, n):
    return "%.1f ± %.1f %%" % (hits / n * 100, 196 * math.sqrt(max(hits * (n - hits), 1) / n) / n)


def figures_of(runs, function):
    """A row of the table, covered share, bias."""
    triples = [run[function] for run in runs]
    off = [(estimate - truth) / truth for truth, estimate, _ in triples]
    covered = sum(abs(estimate - truth) <= error for truth, estimate, error in triples)
    bias, doubt = statistics.mean(off), 1.96 * statistics.pstdev(off) / math.sqrt(len(off))
    error = statistics.median(error / truth for truth, _, error in triples)
    row = [function, "%.0f" % statistics.median(truth for truth, _, _ in triples),
           share_and_doubt(covered, len(triples)), "%+.2f ± %.2f %%" % (bias * 100, doubt * 100),
           "%.1f %%" % (statistics.pstdev(off) * 196), "%.1f %%" % (error * 100),
           sum(estimate == 0 for _, estimate, _ in triples)]
    return row, covered / len(triples), bias


def run(t, knob):
    runs, looks = [], []
    while len(runs) < knob["runs"]:
        first = knob["seed"] + len(runs)
        how_many = min(knob["at_once"], knob["runs"] - len(runs))
        done, rows = batch(t, knob, range(first, first + how_many))
        runs += done
        looks += rows
    table_rows, verdicts = [], []
    for function in FUNCTIONS:
        row, covered, bias = figures_of(runs, function)
        table_rows.append(row)
        verdicts.append((function, covered, bias))
    print("%d runs, seeds from %d\n" % (len(runs), knob["seed"]))
    tell_seen(t, "estimates", looks)
    table(["function", "bytes alive (median)", "interval covers them", "bias", "95 % of runs within",
           "error bar said (median)", "not seen at all"], table_rows)
    for function, covered, bias in verdicts:
        judge(t, "estimates: %s, covered in %g to %g %% of runs" % (function, COVERED[0] * 100,
                                                                    COVERED[1] * 100),
              COVERED[0] <= covered <= COVERED[1], "%.1f %%" % (covered * 100))
        judge(t, "estimates: %s, bias below %g %%" % (function, BIAS * 100), abs(bias) < BIAS,
              "%+.2f %%" % (bias * 100))
