# SPDX-License-Identifier: GPL-2.0-only
"""Does pygrowd see the collector as it is: how often, how long, what it frees, and what waits?"""
import time

from harness import each_python, function_row, once, process_row, seconds_of, trap_us, wait_until

GENERATIONS = 3
CYCLES = 4000
PLAIN = 2000
WITHIN = 0.05
PAUSE_WITHIN = 0.1  # of a pause, or
PAUSE_SECONDS = 50e-6
# In exact mode the blocks that a callback and its argument take are trapped as well: that is in what
# the target measures, or from 3.13 on in what pygrowd does.
OWN_SECONDS = 100e-6
TRAPS = 10  # what two traps cost, and refilling what they empty: it is in what callbacks measure (OVERHEAD.md)
CALM_SECONDS = 0.25  # after pygrowd has come; then allocation sites go on
STORM_SECONDS = 8
STORM_BUDGET = 0.05
STORM_PAUSE_WITHIN = 0.25  # of which a part was timed
IN_PART = 0.8


@each_python
def collections(t):
    """Against gc.callbacks: every collection, its generation, findings and duration."""
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target).wait_watching()
    before, told_before = target.ask("stats"), gc_of(pygrowd, target)
    assert told_before["known"], "the collect function was not found"
    stuck = target.ask("uncollectable", 100)["made"]
    for generation in (0, 1, 2, 2, 0):
        target.ask("make", "mutual", CYCLES, 0)
        target.ask("collect", generation)
    target.ask("collect_often", 500)
    target.ask("by_itself", 50000)
    after, told = target.ask("stats"), gc_of(pygrowd, target)

    def grown(key):
        want = [b - a for a, b in zip(before[key], after[key])]
        have = [b[key] - a[key] for a, b in zip(told_before["generations"], told["generations"])]
        return want, have
    for key in ("collections", "asked", "collected", "uncollectable"):
        want, have = grown(key)
        t.result("gc__%s_per_generation" % key,
                 None if have == want else "%s told, %s were" % (have, want))
    if stuck:
        t.result("gc__uncollectable_ones_were_made",
                 None if sum(grown("uncollectable")[0]) else "none was")
    t.result("gc__pauses", compare_pauses(*grown("pause_seconds"), grown("collections")[0]))
    t.result("gc__longest_pause", compare_pauses(
        after["pause_max_seconds"], [row["pause_max_seconds"] for row in told["generations"]], [1] * 3))
    t.result("gc__quantiles_lie_between", None if all(
        0 < row["pause_p50_seconds"] <= row["pause_p99_seconds"] <= row["pause_max_seconds"]
        for row in told["generations"]) else str(told["generations"]))
    late = target.ask("stats")["at"] - seconds_of(told["last_full_collection"])
    t.result("gc__last_full_collection", None if 0 < late < 60 else "%g s ago" % late)


@each_python
def pauses_by_default(t):
    """Within the budget, before the first allocation site is on: nothing but the collector is probed."""
    target = t.target("gc_cycles.py")
    # Who is interrupted between a callback and our probe is measured, and not told: once in a while.
    for _ in range(3):
        want, have, duty = few_collections(t, target)
        problem = compare_pauses(want["pause_seconds"], have["pause_seconds"], want["collections"],
                                 TRAPS * trap_us() * 1e-6)
        if not problem:
            break
    t.result("gc__all_are_timed_where_they_are_few", None if
             have["collections"] == have["timed"] == want["collections"] and duty == 1
             else "%s of %s told, %s were; probes on for %s" % (have["timed"], have["collections"],
                                                               want["collections"], duty))
    t.result("gc__pauses_by_default", problem)


def few_collections(t, target):
    """8 of each generation under a pygrowd of their own: as measured, as told, the probes' duty."""
    for _ in range(4):
        pygrowd = t.pygrowd(target, exact=False).wait_watching()
        begin, before = time.monotonic(), target.ask("stats")
        target.ask("make", "mutual", CYCLES, 0)
        for generation in (0, 1, 2) * 8:
            target.ask("collect", generation)
        if time.monotonic() - begin < CALM_SECONDS:
            break
        pygrowd.end()  # the machine is busy: allocations may be trapped inside the callbacks' pauses
    else:
        raise AssertionError("in %g s the target did not come to its collections" % CALM_SECONDS)
    after, told = target.ask("stats"), gc_of(pygrowd, target)
    pygrowd.end()
    want = {key: [b - a for a, b in zip(before[key], after[key])]
            for key in ("collections", "pause_seconds")}
    have = {key: [row[key] for row in told["generations"]]
            for key in ("collections", "timed", "pause_seconds")}
    return want, have, told["probe_duty"]


@once
def storm(t):
    """Thousands of collections a second, in the default mode: all are counted, a part is timed."""
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target, "--overhead", "%g%%" % (100 * STORM_BUDGET), exact=False).wait_watching()
    before, told_before = target.ask("stats"), gc_of(pygrowd, target)
    target.tell("storm", STORM_SECONDS)
    wait_until("a part only is timed", lambda: is_timed_in_part(pygrowd, target), STORM_SECONDS)
    page = pygrowd.ctl("gc").stdout
    target.answer()
    overhead = process_row(pygrowd.json("status"), target.pid)["overhead"]  # what it begins with is in it yet
    after, told = target.ask("stats"), gc_of(pygrowd, target)
    want = {key: [b - a for a, b in zip(before[key], after[key])]
            for key in ("collections", "asked", "collected", "uncollectable", "pause_seconds")}
    have = {key: [b[key] - a[key] for a, b in zip(told_before["generations"], told["generations"])]
            for key in ("collections", "timed", "asked", "collected", "uncollectable", "pause_seconds")}
    many = sum(want["collections"]) / STORM_SECONDS
    assert many > 1000, "%d collections a second are no storm" % many
    for key in ("collections", "collected", "uncollectable", "asked"):
        t.result("gc__storm_%s" % key, None if have[key] == want[key] else
                 "%s told, %s were" % (have[key], want[key]))
    # How large a part: as the budget allows, which is more where traps are fast.
    t.result("gc__storm_is_timed_in_part", None if sum(have["timed"]) < IN_PART * sum(want["collections"])
             and told["probe_duty"] < IN_PART and have["timed"][2] > 0 else
             "%s of %s, probes on for %s of the time" % (have["timed"], want["collections"],
                                                         told["probe_duty"]))
    t.result("gc__storm_stays_within_the_budget", None if overhead <= 1.3 * STORM_BUDGET else
             "overhead %.4f" % overhead)
    # A timed collection is longer by its probes: traps, and the caches that they empty. Those that
    # were not timed are taken to be like the timed ones, so that it is in all of them.
    problem = None
    for a, b, n in zip(want["pause_seconds"], have["pause_seconds"], want["collections"]):
        if abs(a - b) > max(STORM_PAUSE_WITHIN * a, n * (PAUSE_SECONDS + TRAPS * trap_us() * 1e-6)):
            problem = "%s s told, %s s were, in %s collections" % (
                have["pause_seconds"], want["pause_seconds"], want["collections"])
    t.result("gc__storm_pauses_are_estimated", problem)
    t.result("gc__storm_is_said", None if "sums are estimates" in page else page)
    late = target.ask("stats")["at"] - seconds_of(told["last_full_collection"])
    t.result("gc__storm_last_full_collection", None if 0 < late < 30 else "%g s ago" % late)


def is_timed_in_part(pygrowd, target):
    row = process_row(pygrowd.json("status"), target.pid)
    return any(g["timed"] < g["collections"] for g in row["gc"]["generations"])


def compare_pauses(want, have, how_many, own_seconds=OWN_SECONDS):
    for generation, (a, b, n) in enumerate(zip(want, have, how_many)):
        if abs(a - b) > max(PAUSE_WITHIN * a, n * PAUSE_SECONDS) + n * own_seconds:
            return "generation %d, %d collections: %.6f s told, %.6f s measured" % (generation, n, b, a)
    return None


@each_python
def state(t):
    """What the interpreter says now, read from outside."""
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target).wait_watching()
    check_state(t, "as_it_started", pygrowd, target)
    target.ask("thresholds", 1234, 21, 7)
    target.ask("switch", 1)
    check_state(t, "set", pygrowd, target)
    target.ask("thresholds", 0)
    told = gc_of(pygrowd, target)
    t.result("gc__threshold_0_is_off", "said to be on" if told["enabled"] else None)
    target.ask("thresholds", 700, 10, 10)
    target.ask("freeze")
    check_state(t, "frozen", pygrowd, target)
    t.result("gc__freezing", None if gc_of(pygrowd, target)["freezing"] else "not told")
    target.ask("unfreeze")
    check_state(t, "unfrozen", pygrowd, target)


def check_state(t, name, pygrowd, target):
    # gc.get_threshold() is said to be 0 for the oldest generation since 3.14: it is not used there.
    truth, told = target.ask("stats"), gc_of(pygrowd, target)
    have = [row["threshold"] for row in told["generations"]][:2], told["enabled"]
    want = truth["thresholds"][:2], truth["enabled"]
    t.result("gc__state_%s" % name, None if have == want else "%s told, %s is" % (have, want))
    # 3.12 hides objects of its own there, which it does not count.
    hidden = 1000 if truth["frozen"] == 0 else truth["frozen"] * 0.1 + 1000
    most = min(truth["frozen"], 16384)
    have = told["frozen_objects"]
    t.result("gc__frozen_%s" % name, None if most <= have <= most + hidden else
             "%s objects told, %d are frozen" % (have, truth["frozen"]))


@each_python
def kinds(t):
    """Share that the collector frees, by kind of cycle; the truth is the allocator's own count."""
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target).wait_watching()
    asked = target.ask("kinds")
    for kind in asked["kinds"]:
        target.ask("make", kind, CYCLES, PLAIN)
        made = freed_by(pygrowd.report(), asked["function"], target.pid)
        dropped = target.ask("drop")["blocks"]
        collected = target.ask("collect")["blocks"]
        have = [b - a for a, b in zip(made, freed_by(pygrowd.report(), asked["function"], target.pid))]
        want = collected / (collected + dropped)
        share = have[0] / max(sum(have), 1)
        t.result("gc__share_freed_by_collector_%s" % kind,
                 None if abs(share - want) <= WITHIN and abs(have[0] - collected) <= WITHIN * collected
                 else "%.3f told (%d and %d blocks), %.3f is (%d and %d)"
                 % (share, have[0], have[1], want, collected, dropped))


@each_python
def waiting(t):
    """Garbage that waits, what survives, and a collector that is off are told apart."""
    target = t.target("gc_cycles.py")
    pygrowd = t.pygrowd(target).wait_watching()
    target.ask("make", "mutual", CYCLES, 0)
    verdicts = {row["gc"]["verdict"] for row in stacks_of(pygrowd.report(), "mutual", target.pid)
                if row["live_blocks"] > CYCLES / 2}
    t.result("gc__off", None if verdicts == {"off"} else str(verdicts))
    row = function_row(pygrowd.report(), "mutual", target.pid)
    t.result("gc__garbage_is_live_until_collected", None if row["live_blocks"] >= 2 * CYCLES * 0.99
             else "%d blocks live" % row["live_blocks"])
    target.ask("collect")
    target.ask("make", "mutual", CYCLES, 2 * PLAIN)
    target.ask("collect")
    target.ask("make", "mutual", CYCLES, 0)
    report = pygrowd.report()
    if process_row(report, target.pid)["gc"]["collector"] == "incremental":
        return  # which of its runs was a full one is not known while it runs
    rows = stacks_of(report, "mutual", target.pid)
    waits = sum(row["gc"]["waiting_bytes"] or 0 for row in rows)
    live = sum(row["live_bytes"] for row in rows)
    said = sum(row["live_bytes"] for row in rows if row["gc"]["verdict"] == "waits")
    t.result("gc__waits", None if abs(waits - live) <= WITHIN * live and said >= (1 - WITHIN) * live
             else "%d of %d bytes, %s" % (waits, live, [row["gc"] for row in rows]))
    kept = max(stacks_of(report, "keep", target.pid), key=lambda row: row["live_bytes"])
    t.result("gc__survives", None if kept["gc"]["verdict"] == "survives"
             and kept["gc"]["survived_full_collections"] == 1
             and kept["gc"]["survived_bytes"] == kept["live_bytes"] and kept["gc"]["waiting_bytes"] == 0
             else str(kept["gc"]))
    top = report["cyclic_stacks"][0]
    t.result("gc__most_cyclic_stack_is_first", None if top["blame"]["function"] == "mutual"
             and top["gc"]["cyclic_share"] > 1 - WITHIN else str(top))
    target.ask("freeze")
    target.ask("collect")
    verdicts = {row["gc"]["verdict"] for row in stacks_of(pygrowd.report(), "keep", target.pid)
                if row["live_bytes"] > kept["live_bytes"] / 2}
    t.result("gc__frozen", None if verdicts == {"frozen"} else str(verdicts))
    page = pygrowd.ctl("gc").stdout
    t.result("gc__is_said", None if "mutual" in page and "objects frozen, more and more" in page
             and "OFF" in page else page)


# ── in windows ─────────────────────────────────────────────────────────────────────────────────
WINDOWS_BUDGET = 0.05
WINDOWS_SECONDS = 40
WINDOWS_WITHIN = 0.1  # of all that was freed of a line, or the told error if that is more
WORK = 50000  # between two requests: some 80 collections a second
LINES = {"new_plain": "plain", "new_cyclic": "cyclic", "new_often": "often", "new_seldom": "seldom"}
LARGE_HEAP = 150000  # containers: full collections take a tenth of a second


@once
def windows_small_heap(t):
    """Where a full collection takes a millisecond and a young one 50 µs."""
    target = t.target("gc_busy.py")
    report, truth = run_in_windows(t, target)
    check_shares(t, "small_heap", report, truth, target)
    cyclic = [row["blame"]["function"] for row in report["cyclic_stacks"]]
    t.result("gc__windows_most_cyclic_stacks", None if "new_cyclic" in cyclic and "new_plain" not in cyclic
             else str(cyclic))


@once
def windows_large_heap(t):
    """Full collections are rare: what only they free waits for long."""
    target = t.target("gc_busy.py")
    target.ask("ballast", LARGE_HEAP)
    report, truth = run_in_windows(t, target)
    check_shares(t, "large_heap", report, truth, target)
    rows = rows_of(report, "new_session", target.pid)
    waits, live = (sum(of(row) or 0 for row in rows) for of in
                   (lambda row: row["gc"]["waiting_bytes"], lambda row: row["live_bytes"]))
    error = sum(row["live_bytes_error"] for row in rows) / max(live, 1)
    is_waiting = 1 - truth["held"] / truth["there"]
    t.result("gc__windows_waiting_share", None if live and abs(waits / live - is_waiting) <=
             max(2 * WINDOWS_WITHIN, error) else "%d of %d bytes told, %.2f of them are: %s"
             % (waits, live, is_waiting, [row["gc"] for row in rows]))


def run_in_windows(t, target):
    target.tell("run", WINDOWS_SECONDS + 5, WORK)
    time.sleep(0.5)  # so that it is not idle when it is looked at first
    pygrowd = t.pygrowd(target, "--overhead", "%g%%" % (100 * WINDOWS_BUDGET), exact=False).wait_watching()
    truth = target.answer(2 * WINDOWS_SECONDS)
    report = pygrowd.report()
    row = process_row(report, target.pid)
    assert row["windows"] > 20, "%d windows: %s" % (row["windows"], row["regime"])
    t.result("gc__windows_stay_within_the_budget", None if row["overhead"] <= 1.3 * WINDOWS_BUDGET
             else "overhead %.4f" % row["overhead"])
    return report, truth


def rows_of(report, function, pid):
    return [row for row in report["stacks"] if row["pid"] == pid and row["frames"]
            and row["frames"][0]["function"] == function]


def check_shares(t, name, report, truth, target):
    for function, line in LINES.items():
        made, cyclic = truth["lines"][line]
        want = cyclic / made
        gcs = [row["gc"] for row in rows_of(report, function, target.pid)
               if row["gc"]["cyclic_share"] is not None]
        told = [(row["cyclic_share"], row["cyclic_share_error"]) for row in gcs]
        t.result("gc__windows_%s_%s" % (name, line), None if told and all(
            abs(share - want) <= max(WINDOWS_WITHIN, error) for share, error in told) else
            "%s told, %.3f is" % (told, want))
        t.result("gc__windows_%s_%s_is_an_estimate" % (name, line), None if told and all(
            0 < error < 0.3 for _, error in told) else str(told))


def gc_of(pygrowd, target):
    return process_row(pygrowd.report(), target.pid)["gc"]


def stacks_of(report, function, pid):
    return [row for row in report["stacks"]
            if row["pid"] == pid and row["frames"] and row["frames"][0]["function"] == function
            and row["live_bytes"] > 0]


def freed_by(report, function, pid):
    """[blocks freed by the collector, blocks freed by references] of all stacks through a function."""
    rows = [row["gc"] for row in report["stacks"] if row["pid"] == pid
            and any(frame["function"] == function for frame in row["frames"])]
    return [sum(row[key] for row in rows) for key in ("freed_by_collector_blocks",
                                                      "freed_by_references_blocks")]
