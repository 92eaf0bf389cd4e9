# SPDX-License-Identifier: GPL-2.0-only
"""What does the default budget cost a JSON loop at 100 % CPU: alone, four at once, beside idle ones?

Idle ones are watched, too, and have all sites on: for each of them the kernel asks at every trap of
the loop whether it is meant. Targets count their iterations in memory that we map, so that nobody
has to ask them. Many short slices in turns, since a virtual machine's speed varies by some per cent
from second to second.
"""
import statistics

from kit import Daemon, Progress, alternate, judge, rate, spread, table, tell_seen

KNOBS = {"pairs": 20, "slice": 3.0, "settle": 4.0, "overhead": 0.01, "loop": "json", "idle": 50}
KEPT = 0.99
REST_SECONDS = 0.5  # after pygrowd has left


def measure(t, knob, how_many, idle):
    """Ratios of the pairs, and what pygrowd says of the loops."""
    progresses, rows = [Progress(t) for _ in range(how_many)], []
    targets = [t.target("busy.py", knob["loop"], progress.path) for progress in progresses]
    beside = [t.target("busy.py", knob["loop"]) for _ in range(idle)]
    for target in targets:
        target.ask("pace", "max")
    rate(progresses, knob["settle"])
    pids = [target.pid for target in targets]

    def watched():
        daemon = Daemon(t, pids + [target.pid for target in beside], overhead=knob["overhead"])
        daemon.wait_watching(120)
        rate(progresses, knob["settle"])
        done = rate(progresses, knob["slice"])
        seen = daemon.leave()
        rows.extend(seen[pid] for pid in pids)
        return done

    def bare():
        rate(progresses, REST_SECONDS)
        return rate(progresses, knob["slice"])
    pairs = alternate(knob["pairs"], bare, watched)
    for target in targets + beside:
        target.end()
    return pairs, rows


def run(t, knob):
    lines, words = [], []
    for how_many, idle in (1, 0), (4, 0), (1, knob["idle"]):
        label = "%d beside %d idle" % (how_many, idle) if idle else "%d at once" % how_many
        pairs, rows = measure(t, knob, how_many, idle)
        kept = [watched / bare for bare, watched in pairs]
        lines.append([label, "%.0f" % statistics.median(bare for bare, _ in pairs), spread(kept)])
        words.append((label, statistics.median(kept)))
        tell_seen(t, "json, %s" % label, rows)
    table(["processes", "iterations/s", "kept (90 % interval of the median; lowest to highest)"], lines)
    for label, median in words:
        judge(t, "json: %s, throughput kept >= %g" % (label, KEPT), median >= KEPT,
              "%.3f" % median)
