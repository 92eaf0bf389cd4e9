# SPDX-License-Identifier: GPL-2.0-only
"""Is a leak of known size measured to the byte, and is nothing left of what was freed?"""
import json

from harness import each_python, function_row

TICKS = 200  # with fewer, one odd block of 2 KiB that CPython takes below the leak is 1 %
WITHIN = 0.01


def stacks_of(report, function, pid):
    return [stack for stack in report["stacks"]
            if stack["pid"] == pid and stack["frames"] and stack["frames"][0]["function"] == function]


@each_python
def known_size(t):
    target = t.target("leak_23.py")
    pygrowd = t.pygrowd(target).wait_watching()
    truths = [target.ask("tick", kind, TICKS) for kind in ("small", "large", "collected")]
    full = pygrowd.report()
    for truth in truths:
        check_size(t, full, truth, target.pid)
    churned = stacks_of(full, "churn", target.pid) + stacks_of(full, "churn.<locals>.<listcomp>",
                                                               target.pid)
    held = sum(stack["live_bytes"] for stack in churned)
    t.result("leak__churn_holds_nothing", "%d bytes live in churn()" % held if held else None)
    target.ask("drop")
    empty = pygrowd.report()
    for truth in truths[:2]:
        stacks = stacks_of(empty, truth["function"], target.pid)
        left = [(stack["live_bytes"], stack["live_blocks"]) for stack in stacks]
        problem = "(bytes, blocks) left: %s" % left if any(sum(pair) for pair in left) else None
        t.result("leak__%s_freed_is_zero" % truth["function"], problem)


def check_size(t, report, truth, pid):
    stacks = stacks_of(report, truth["function"], pid)
    live_bytes = sum(stack["live_bytes"] for stack in stacks)
    live_blocks = sum(stack["live_blocks"] for stack in stacks)
    problems = []
    if abs(live_bytes - truth["bytes"]) > WITHIN * truth["bytes"]:
        problems.append("%d bytes live, %d leaked" % (live_bytes, truth["bytes"]))
    if abs(live_blocks - truth["blocks"]) > WITHIN * truth["blocks"]:
        problems.append("%d blocks live, %d leaked" % (live_blocks, truth["blocks"]))
    if any(stack["live_bytes_error"] != 0 for stack in stacks):
        problems.append("an exact figure has an error that is not 0")
    row = function_row(report, truth["function"], pid)
    if row["live_bytes"] != live_bytes:
        problems.append("the function's row says %s, its stacks %s" % (row["live_bytes"], live_bytes))
    if problems:
        problems.append("by stack: %s" % [(stack["live_bytes"], stack["live_blocks"], stack["frames"][0]["line"])
                                          for stack in stacks])
    t.result("leak__%s_within_1_percent" % truth["function"], "; ".join(problems) or None)


@each_python
def growth_rate(t):
    """An even leak, looked at for some seconds by --for: rate, order and blame."""
    target = t.target("leak_23.py")
    pygrowd = t.pygrowd(target, "--for", "8s", "--interval", "1s", "--json").wait_watching()
    truth = target.ask("steadily", "large", 60)["bytes_per_second"]
    status, out = pygrowd.finish()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
    top = json.loads(out)["stacks"][0]
    frames = [frame["function"] for frame in top["frames"]]
    assert frames[:3] == ["leak_large", "tick", "tick_for"], "the top stack is %s" % frames[:4]
    assert top["blame"]["function"] == "leak_large", "blamed: %s" % top["blame"]
    assert top["blame"]["file"].endswith("leak_23.py"), "blamed: %s" % top["blame"]
    rate = top["growth_bytes_per_second"]
    assert abs(rate - truth) < 0.15 * truth, "%.0f bytes a second, %.0f leaked" % (rate, truth)
