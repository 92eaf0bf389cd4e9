# SPDX-License-Identifier: GPL-2.0-only
"""Are all blocks seen: 16 small shapes and 5 large ones, handed out and taken back?

One pygrowd per interpreter; the truth is sys.getallocatedblocks() (corpus/shapes.py). Both shares
must be 99 to 101 %. The table of all interpreters is printed at the end of the run.
"""
from harness import each_python, function_row, process_row

LARGE = {"large_bytes": 4000, "large_str": 2000, "large_list": 2000, "large_dict": 1000,
         "large_bytearray": 1000}
SMALL = 5000  # where a trap takes 5 µs, 20,000 of each took half a minute an interpreter
ENOUGH, TOO_MANY = 0.99, 1.01
allocations, frees, labels = {}, {}, []


@each_python
def shapes(t):
    target = t.target("shapes.py")
    names = target.ask("shapes")
    pygrowd = t.pygrowd(target).wait_watching()
    if not labels:
        t.shared["tables"].append(table)
    labels.append(t.python.label)
    made = {name: target.ask("make", name, LARGE.get(name, SMALL)) for name in names}
    full = pygrowd.report()
    for name in names:
        target.ask("drop", name)
    empty = pygrowd.report()
    for name in names:
        seen = function_row(full, made[name]["function"], target.pid)["live_blocks"]
        left = function_row(empty, made[name]["function"], target.pid)["live_blocks"]
        share = allocations[name, labels[-1]] = seen / made[name]["blocks"]
        freed = frees[name, labels[-1]] = (seen - left) / seen if seen else 0.0
        problems = []
        if not ENOUGH <= share <= TOO_MANY:
            problems.append("%d blocks of %d seen (%.2f %%)" % (seen, made[name]["blocks"], 100 * share))
        if not ENOUGH <= freed <= TOO_MANY:
            problems.append("%d blocks of %d still live after all were freed" % (left, seen))
        t.result("coverage__" + name, "; ".join(problems) or None)
    check_claim(t, process_row(full, target.pid))


def check_claim(t, process):
    """What pygrowd says of itself must agree: it proved its coverage on this very build."""
    name = "coverage__is_what_pygrowd_says_itself"
    claims = [process["coverage"], process["coverage_frees"]]
    if None in claims and process["coverage_why"]:
        return t.result(name, skip="pygrowd does not know: %s" % process["coverage_why"])
    problem = None
    if None in claims or min(claims) < ENOUGH or max(claims) > TOO_MANY:
        problem = "pygrowd says coverage %s, of frees %s" % tuple(claims)
    return t.result(name, problem)


def table():
    legend = ["%s = %s" % (chr(ord("a") + i), label) for i, label in enumerate(labels)]
    lines = ["", "Blocks that pygrowd saw, in % of sys.getallocatedblocks():", "  " + "; ".join(legend)]
    for title, cells in (("handed out", allocations), ("taken back", frees)):
        names = list(dict.fromkeys(name for name, _ in cells))
        lines.append("%-16s" % title + "".join("%7s" % chr(ord("a") + i) for i in range(len(labels))))
        for name in names:
            shares = [cells.get((name, label)) for label in labels]
            lines.append("%-16s" % name + "".join("      -" if share is None else "%7.2f" % (100 * share)
                                                  for share in shares))
    return "\n".join(lines + [""])
