# SPDX-License-Identifier: GPL-2.0-only
"""Is the budget kept when load comes and goes: five seconds after a step, is it within 1.5 times?

A JSON loop that idles (some steps a second), runs flat out, idles, and runs flat out once more:
first pygrowd is as new as its target to it, the second time it knows it. Two witnesses: what
pygrowd says of its overhead, asked every second; and the steps that the target loses while it runs
flat out, beside the same cycle unwatched. Seconds before the five are printed, not judged.
"""
import statistics
import time

from kit import BUDGET, Daemon, Progress, alternate, judge, rate, spread, table, tell_seen

KNOBS = {"pairs": 8, "idle": 10, "busy": 15, "pace": "10", "overhead": BUDGET}
REACTION_SECONDS, TIMES = 5, 1.5
STEPS = {"busy": "saturated", "after": "idle again", "again": "saturated again"}


def phase(target, progress, daemon, pace, seconds):
    """[(steps in this second, overhead as pygrowd says)] for each second after the step to `pace`."""
    target.ask("pace", pace)
    done, begin = [], time.monotonic()
    for second in range(1, seconds + 1):
        steps = rate([progress], max(0.1, begin + second - time.monotonic()))
        row = daemon.rows()[target.pid] if daemon else {}
        done.append((steps, row.get("overhead")))
    return done


def cycle(t, knob, target, progress, looks, watched):
    """{phase: its seconds}"""
    daemon = None
    if watched:
        daemon = Daemon(t, [target.pid], overhead=knob["overhead"]).wait_watching()
    done = {"before": phase(target, progress, daemon, knob["pace"], knob["idle"]),
            "busy": phase(target, progress, daemon, "max", knob["busy"]),
            "after": phase(target, progress, daemon, knob["pace"], knob["idle"]),
            "again": phase(target, progress, daemon, "max", knob["busy"])}
    if daemon:
        looks.append(daemon.leave()[target.pid])
    return done


def settled(seconds):
    return seconds[REACTION_SECONDS:]


def kept(pair, name, part):
    bare, watched = (statistics.mean(steps for steps, _ in part(each[name])) for each in pair)
    return watched / bare


def by_second(cycles, name):
    """Median of what pygrowd said in each second of a phase."""
    return ["-" if not known else "%.4f" % statistics.median(known) for known in
            ([over for _, over in second if over is not None]
             for second in zip(*(each[name] for each in cycles)))]


def run(t, knob):
    progress, looks = Progress(t), []
    target = t.target("busy.py", "json", progress.path)
    pairs = alternate(knob["pairs"], lambda: cycle(t, knob, target, progress, looks, False),
                      lambda: cycle(t, knob, target, progress, looks, True))
    cycles = [watched for _, watched in pairs]
    tell_seen(t, "controller", looks)
    print("Its own figure of overhead in each second after the step (median of %d cycles):\n"
          % len(cycles))
    table(["step to"] + [str(second + 1) for second in range(knob["busy"])],
          [[label] + by_second(cycles, name) + [""] * (knob["busy"] - len(cycles[0][name]))
           for name, label in STEPS.items()])
    limit = TIMES * knob["overhead"]
    for name, label in STEPS.items():
        said = [max([over for _, over in settled(each[name]) if over is not None] or [0])
                for each in cycles]
        judge(t, "controller: %s, own figure <= %g after %d s" % (label, limit, REACTION_SECONDS),
              max(said) <= limit, "at most %.4f" % max(said))
    for name in ("busy", "again"):
        first = [kept(pair, name, lambda seconds: seconds[:REACTION_SECONDS]) for pair in pairs]
        later = [kept(pair, name, settled) for pair in pairs]
        print("%s, throughput kept in the first %d s: %s\nafterwards: %s\n"
              % (STEPS[name], REACTION_SECONDS, spread(first), spread(later)))
        lost = 1 - statistics.median(later)
        judge(t, "controller: %s, throughput lost <= %g after %d s" % (STEPS[name], limit,
                                                                       REACTION_SECONDS),
              lost <= limit, "%.4f" % lost)
