# SPDX-License-Identifier: GPL-2.0-only
"""What does the default budget cost a JSON loop at 100 % CPU, alone and four of them at once?

Targets count their iterations in memory that we map, so that nobody has to ask them. Many short
slices in turns, since a virtual machine's speed varies by some per cent from second to second.
"""
import statistics

from kit import Daemon, Progress, alternate, judge, rate, spread, table, tell_seen

KNOBS = {"pairs": 20, "slice": 3.0, "settle": 4.0, "overhead": 0.01, "loop": "json"}
KEPT = 0.99
REST_SECONDS = 0.5  # after pygrowd has left


def measure(t, knob, how_many):
    """Ratios of the pairs, and what pygrowd says of itself."""
    progresses, rows = [Progress(t) for _ in range(how_many)], []
    targets = [t.target("busy.py", knob["loop"], progress.path) for progress in progresses]
    for target in targets:
        target.ask("pace", "max")
    rate(progresses, knob["settle"])

    def watched():
        daemon = Daemon(t, [target.pid for target in targets], overhead=knob["overhead"])
        daemon.wait_watching()
        rate(progresses, knob["settle"])
        done = rate(progresses, knob["slice"])
        rows.extend(daemon.leave().values())
        return done

    def bare():
        rate(progresses, REST_SECONDS)
        return rate(progresses, knob["slice"])
    pairs = alternate(knob["pairs"], bare, watched)
    for target in targets:
        target.end()
    return pairs, rows


def run(t, knob):
    lines, words = [], []
    for how_many in (1, 4):
        pairs, rows = measure(t, knob, how_many)
        kept = [watched / bare for bare, watched in pairs]
        lines.append([how_many, "%.0f" % statistics.median(bare for bare, _ in pairs), spread(kept)])
        words.append((how_many, statistics.median(kept)))
        tell_seen(t, "json, %d at once" % how_many, rows)
    table(["processes", "iterations/s", "kept (90 % interval of the median; lowest to highest)"], lines)
    for how_many, median in words:
        judge(t, "json: %d at once, throughput kept >= %g" % (how_many, KEPT), median >= KEPT,
              "%.3f" % median)
