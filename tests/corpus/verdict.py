# SPDX-License-Identifier: GPL-2.0-only
"""Is an alert right, and what is there to say of a run? Pure: rows of pygrowctl's JSON come in.

Right is an alert whose function, or some frame of whose stack, is the one of the truth. Whatever
else a leaking program is alerted on is told, but is no failure: what it keeps may have been taken
elsewhere, from a free list.
"""
import collections

import truth

NEAR_MISSES = 3  # stacks that are told of, of a leak that was missed

# is_blamed: the alert's own function is the one of the truth; is_right: that, or a frame is.
Alert = collections.namedtuple("Alert", "id function line is_blamed is_right fired_at message")
# seconds: from the beginning of the watch to the right alert; None: there was none.
Verdict = collections.namedtuple("Verdict", "passed said seconds")


def is_truth(case, frame):
    return bool(case.leak and frame["file"] == case.path
                and truth.is_blamed(case.leak, frame["function"] or ""))


def alert_of(case, row, frames, fired_at):
    is_blamed = is_truth(case, row)
    return Alert(row["id"], row["function"], row["line"], is_blamed,
                 is_blamed or any(is_truth(case, frame) for frame in frames), fired_at,
                 row["message"])


def of_alerts(alerts):
    """The names of what was alerted on; the right one first."""
    right = [alert for alert in alerts if alert.is_right]
    others = [alert for alert in alerts if not alert.is_right]
    said = ["%s%s" % (alert.function, "" if alert.is_blamed else " (the function is in its stack)")
            for alert in right]
    return ", ".join(said) + (", also " + ", ".join("%s:%s" % (alert.function, alert.line)
                                                    for alert in others) if others else "")


def of_the_rest(case, alerts, stacks):
    """When time is up: false alarms in full; of a miss what the detector thought of its stacks."""
    if not case.leak:
        return " | ".join(alert.message for alert in alerts) or "no alert"
    ours = [stack for stack in stacks if any(is_truth(case, frame) for frame in stack["frames"])]
    ours.sort(key=lambda stack: -stack["live_bytes"])
    words = ["MISSED, %s has %d stacks" % (case.leak, len(ours))]
    words += ["%s: %s, %s, %d bytes alive in %s, %s B/s" % (
        stack["id"], stack["verdict"], stack["verdict_why"], stack["live_bytes"],
        stack["live_blocks"], stack["growth_bytes_per_second"]) for stack in ours[:NEAR_MISSES]]
    if alerts:
        words.append("alerts: " + of_alerts(alerts).lstrip(", "))
    return "; ".join(words)
