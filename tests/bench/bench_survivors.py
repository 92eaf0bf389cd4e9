# SPDX-License-Identifier: GPL-2.0-only
"""Are services that leak nothing left in peace: is all that is believed alive really alive?

Watches each kind of steady.py at full speed. What a stack holds for 60 s is in every report of these
60 s, so the lowest of its figures bounds what it is believed to have in survivors that old. Where that
is above 64 KiB, the process must confirm it by a walk of its own heap: as many bytes made below that
function and alive. Where it does not, but has as much in all of its functions together as all stacks
are believed to have, the blocks are alive and blamed on another stack (CPython's free lists do that:
README, Limits); that is printed and not judged. Nor is `timer`, whose work a clock drives: in a
window the process is slow and its clock is not, so that such work weighs too much.
"""
import time

from kit import BUDGET, Daemon, judge, table, tell_seen

KNOBS = {"watch": 110, "old": 60, "at_once": 2, "warm": 5, "kinds": "all"}
KINDS = ["containers", "strings", "json_last", "lru", "slow_cache", "periodic", "handler", "threads",
         "tasks", "timer"]
NOT_JUDGED = ["timer"]
NOTEWORTHY = 64 * 1024
ASK_SECONDS = 10
ALL = 100000  # stacks


def live_of(report, pid):
    """{stack: (estimate, error, row)}"""
    return {row["id"]: (row["live_bytes"] or 0, row["live_bytes_error"] or 0, row)
            for row in report["stacks"] if row["pid"] == pid}


def watch(daemon, seconds, old):
    """Reports that span the last `old` seconds; the last one is of now."""
    begin, reports = time.monotonic(), []
    while True:
        left = seconds - (time.monotonic() - begin)
        if left <= old:
            reports.append(daemon.top(ALL))
        if left <= 0:
            return reports
        time.sleep(max(0.1, min(ASK_SECONDS, left - old if left > old else left)))


def old_stacks(reports, pid):
    """[(bytes in survivors that are old, at most; error; row)], largest first"""
    lives = [live_of(report, pid) for report in reports]
    found = []
    for stack, (_, error, row) in lives[-1].items():
        if all(stack in live for live in lives):
            found.append((min(live[stack][0] for live in lives), error, row))
    return sorted(found, key=lambda each: -each[0])


def confirmed(row, functions):
    """Bytes that the process says are alive and were made below one of this stack's functions."""
    names = {frame["function"].rpartition(".")[2] for frame in row["frames"]}
    return max([functions[name]["bytes"] for name in names & set(functions)] or [0])


def words(row, error):
    frames = " < ".join("%s %s:%s" % (frame["function"], (frame["file"] or "?").rpartition("/")[2],
                                      frame["line"]) for frame in row["frames"][:6])
    types = ", ".join("%s %s" % (each["name"], each["share"]) for each in row["types"])
    survival = ", ".join("%s s %s" % (each["age_seconds"], each["share"]) for each in row["survival"])
    return "%s (stack %s, ± %d, %s blocks; types: %s; survival: %s)" % (
        frames, row["id"], error, row["live_blocks"], types or "not known", survival or "not known")


def judge_kind(kind, reports, pid, truth):
    """A row of the table, and {verdict: a line on each large stack}."""
    stacks = old_stacks(reports, pid)
    large = [each for each in stacks if each[0] > NOTEWORTHY]
    held = sum(row["bytes"] for row in truth["functions"].values())
    bytes_in_all = int(sum(bound for bound, _, _ in stacks))
    # Errors of stacks of one process do not add up in quadrature, and less than plainly.
    is_there = held > NOTEWORTHY and bytes_in_all <= held + max([error for _, error, _ in stacks] or [0])
    lines = {"confirmed": [], "blamed on another stack": [], "not confirmed": []}
    for bound, error, row in large:
        alive = confirmed(row, truth["functions"])
        # The error bar excuses too much of what is there, but not that nothing is: a single sample
        # that is wrongly believed in has a long bar as well.
        is_right = bound <= alive + (error if alive > NOTEWORTHY else 0)
        verdict = "confirmed" if is_right else "blamed on another stack" if is_there else "not confirmed"
        lines[verdict].append("%s: %d bytes believed, %d alive: %s" % (kind, bound, alive, words(row, error)))
    counts = [len(each) for each in lines.values()]
    return [kind, len(stacks), bytes_in_all, held, len(large)] + counts[1:], lines


def run(t, knob):
    kinds = KINDS if knob["kinds"] == "all" else knob["kinds"].split(",")
    rows, found, looks, wrong = [], [], [], 0
    for i in range(0, len(kinds), knob["at_once"]):
        targets = {kind: t.target("steady.py", kind) for kind in kinds[i:i + knob["at_once"]]}
        for target in targets.values():
            target.ask("pace", "max")
        time.sleep(knob["warm"])
        for target in targets.values():
            target.ask("begin")
        daemon = Daemon(t, [target.pid for target in targets.values()], overhead=BUDGET).wait_watching()
        reports = watch(daemon, knob["watch"], knob["old"])
        for kind, target in targets.items():
            row, lines = judge_kind(kind, reports, target.pid, target.ask("alive"))
            rows.append(row)
            found.append(lines)
            wrong += len(lines["not confirmed"]) if kind not in NOT_JUDGED else 0
        looks += daemon.leave().values()
        for target in targets.values():
            target.end()
    table(["service", "stacks with survivors", "bytes in them, at most", "bytes kept, by its own walk",
           "stacks above 64 KiB", "of these blamed on another stack", "not confirmed"], rows)
    tell_seen(t, "survivors", looks)
    for lines in found:
        for label, each in lines.items():
            for line in each:
                print("- %s: %s" % (label, line))
    judge(t, "survivors: no stack above 64 KiB that is not confirmed", not wrong, "%d" % wrong)
