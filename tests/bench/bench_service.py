# SPDX-License-Identifier: GPL-2.0-only
"""What do a saturated web service's visitors notice of the default budget?

One process, watched and unwatched slices in turns. pygrowd is started before a watched slice and has
settled when it begins; it has left before an unwatched one. The service keeps its size (bounded.py).
"""
import statistics

from kit import Daemon, alternate, judge, spread, table, tell_seen
from web import Service

KNOBS = {"pairs": 9, "slice": 6, "settle": 5, "warm": 20, "overhead": 0.01}
KEPT, P99_TIMES = 0.99, 2.0


def run(t, knob):
    service, rows = Service(t), []
    service.visit(knob["warm"])

    def slice_of(watched):
        daemon = None
        if watched:
            daemon = Daemon(t, [service.pid], overhead=knob["overhead"]).wait_watching()
        service.visit(knob["settle"])
        met = service.visit(knob["slice"])
        if daemon:
            rows.append(daemon.leave()[service.pid])
        return met
    pairs = alternate(knob["pairs"], lambda: slice_of(False), lambda: slice_of(True))
    kept = [watched["per_second"] / bare["per_second"] for bare, watched in pairs]
    p99 = [watched["p99_ms"] / bare["p99_ms"] for bare, watched in pairs]
    table(["pair", "requests/s", "watched", "kept", "p99 ms", "watched", "times"],
          [[i + 1, "%.0f" % bare["per_second"], "%.0f" % watched["per_second"], "%.3f" % kept[i],
            "%.1f" % bare["p99_ms"], "%.1f" % watched["p99_ms"], "%.2f" % p99[i]]
           for i, (bare, watched) in enumerate(pairs)])
    print("throughput kept: %s\np99, times: %s\n(median; 90 %% interval of the median; lowest to "
          "highest)\n" % (spread(kept), spread(p99, "%.2f")))
    tell_seen(t, "service", rows)
    judge(t, "service: throughput kept >= %g" % KEPT, statistics.median(kept) >= KEPT,
          "%.3f" % statistics.median(kept))
    judge(t, "service: p99 latency <= %g times" % P99_TIMES, statistics.median(p99) <= P99_TIMES,
          "%.2f" % statistics.median(p99))
