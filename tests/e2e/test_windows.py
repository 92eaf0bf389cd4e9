# SPDX-License-Identifier: GPL-2.0-only
"""Within a budget: who allocates little is followed block by block, who allocates much is sampled."""
import re
import signal
import time

from harness import assert_text_is, function_row, is_running, once, process_row, text_of
from harness import SLOW_TRAP_US, trap_us, wait_until
from loaded import Loaded, guards_of

FULL_SPEED = 0.9  # of its normal speed, within the budget
FIRST_SECONDS = 30  # until the leak leads the report, at 5 %
GROWN_SECONDS = 40  # until a buffer has twice the size, that is made larger by an eighth at a time
OLD_SECONDS = 8  # it has no size for so long meanwhile
MANY, MANY_SECONDS = 30, 60
SURVIVAL_KEYS = {"age_seconds", "share"}


def process_of(pygrowd, pid):
    return process_row(pygrowd.json("status"), pid)


def wait_regime(pygrowd, pid, regime, seconds):
    """The row of the process in this regime; and all regimes that were seen on the way."""
    seen = []

    def is_there():
        row = process_of(pygrowd, pid)
        if row["regime"] not in seen:
            seen.append(row["regime"])
        return row if row["regime"] == regime else None
    try:
        return wait_until("regime %s of pid %d" % (regime, pid), is_there, seconds), seen
    except AssertionError as late:
        raise AssertionError("%s; seen: %s; overhead %s" % (late, " ".join(seen),
                                                            process_of(pygrowd, pid)["overhead"]))


def median(values):
    return sorted(values)[len(values) // 2]


def speed_problem(pygrowd, load, seconds):
    """Does it keep its speed? Where it does not, the machine may have become slower meanwhile: then
    it is compared with what it has while pygrowd is stopped, slice by slice."""
    shares = [load.speed(seconds) / load.normal for _ in range(5)]
    if median(shares) >= FULL_SPEED:
        return None
    pairs = []
    for _ in range(5):
        watched = load.speed(seconds)
        pygrowd.signal(signal.SIGSTOP)
        time.sleep(0.1)  # the guards have closed its windows
        pairs.append(watched / load.speed(seconds))
        pygrowd.signal(signal.SIGCONT)
    return None if median(pairs) >= FULL_SPEED else "of its normal speed: %s; of that beside: %s" % (
        " ".join("%.2f" % share for share in shares), " ".join("%.2f" % pair for pair in pairs))


def assert_exact(process):
    assert (process["regime"], process["duty"]) == ("exact", 1), process
    assert not process["lost"], process["lost"]


def assert_to_the_byte(report, truth, since, pid):
    row = function_row(report, truth["function"], pid)
    missing = truth["bytes"] - since - row["live_bytes"]
    # The interpreter may hang a cache of its own on a function while it is watched: one block.
    assert -64 <= missing <= 0 and row["live_bytes_error"] == 0, \
        "%d bytes were leaked, %s ±%s are in the report" % (
            truth["bytes"] - since, row["live_bytes"], row["live_bytes_error"])


def two_pythons(t):
    """The first of the run, and another one of Debian's builds, or else of any other version."""
    others = [python for python in t.shared["pythons"] if python.minor != t.python.minor]
    others.sort(key=lambda python: (not python.root, "lib" in python.name, python.minor != (3, 13)))
    return [t.python] + others[:1]


def on_each(t, name, function):
    for python in two_pythons(t):
        label = "windows__%s_%s" % (name, python.version)
        try:
            t.result(label, function(t, python, label))
        except AssertionError as problem:
            t.result(label, str(problem))


@once
def idle(t):
    on_each(t, "idle_is_exact", idle_is_exact)


def idle_is_exact(t, python, _):
    """A leak of known size in a process that mostly waits: all of it, to the byte."""
    target = t.target("leak_23.py", python=python)
    pygrowd = t.pygrowd(target, exact=False).wait_watching()
    wait_regime(pygrowd, target.pid, "exact", 10)
    truths = []
    for _ in range(5):
        truths.append(target.ask("tick", "small", 1))
        report = pygrowd.report()
    assert_exact(process_row(report, target.pid))
    all_of_it = {"function": "leak_small", "bytes": sum(truth["bytes"] for truth in truths)}
    assert_to_the_byte(report, all_of_it, 0, target.pid)


@once
def lightly_allocating_is_exact(t):
    """One that computes much and allocates little, busy from the start."""
    load = Loaded(t, "leak_beside.py", "light").pace("8")
    pygrowd = t.pygrowd([load.pid], exact=False).wait_watching()
    wait_regime(pygrowd, load.pid, "exact", 20)
    time.sleep(1)  # what its sites saw halfway on is over
    since, first = load.target.ask("leaked"), pygrowd.report()
    wait_until("30 more steps", lambda: load.target.ask("leaked")["blocks"] >= since["blocks"] + 30)
    load.pace("idle")
    truth, report = load.target.ask("leaked"), pygrowd.report()
    assert_exact(process_row(report, load.pid))
    grown = (function_row(report, "leak_one", load.pid)["live_bytes"] -
             function_row(first, "leak_one", load.pid)["live_bytes"])
    lost = truth["bytes"] - since["bytes"] - grown
    # `since` and `first` are not of the same moment: a few steps of 112 bytes lie between.
    assert -1 <= lost // 112 <= 12, "%d bytes leaked, %d in the report" % (
        truth["bytes"] - since["bytes"], grown)


def leads(report, truth, pid):
    """Is the leak first, by stack, line and function?"""
    stack, line, function = report["stacks"][:1], report["lines"][:1], report["functions"][:1]
    return (stack and line and function and stack[0]["blame"] and
            stack[0]["blame"]["function"] == truth["function"] and stack[0]["pid"] == pid and
            (line[0]["function"], line[0]["line"]) == (truth["function"], truth["line"]) and
            function[0]["function"] == truth["function"])


@once
def saturated(t):
    on_each(t, "text_afterwards", saturated_is_sampled)


def saturated_is_sampled(t, python, label):
    """JSON flat out with a leak beside it, at 5 %: regime, cost, the leak's place and size, words."""
    load = Loaded(t, "leak_beside.py", "json", python=python).saturate()
    text_before = text_of(load.pid)
    pygrowd = t.pygrowd([load.pid], "--overhead", "5%", exact=False).wait_watching()
    began, before = time.monotonic(), load.target.ask("leaked")
    wait_regime(pygrowd, load.pid, "windows", 15)
    report = []

    def found():
        report[:] = [pygrowd.json("report")]
        return leads(report[0], before, load.pid)
    wait_until("the leak first in the report", found, FIRST_SECONDS)

    def result(name, problem=None, skip=None):
        t.result(label.replace("text_afterwards", name), problem, skip)
    result("leak_first")
    wait_until("15 s", lambda: time.monotonic() > began + 15)
    process = process_of(pygrowd, load.pid)
    slow = "overhead %s, duty %s" % (process["overhead"], process["duty"])
    result("overhead", None if 0 < process["overhead"] <= 1.5 * 0.05 and
             0 < process["duty"] < 0.1 and process["overhead_budget"] == 0.05 else slow)
    result("speed_is_kept", speed_problem(pygrowd, load, 0.5))
    if trap_us() > SLOW_TRAP_US:
        result("size", skip="a trap takes %.1f µs here, so that 15 s have too few windows" % trap_us())
    else:
        result("size", size_problem(t, pygrowd, load, before))
    result("words", words_problem(pygrowd, load, before))
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()
    assert_text_is(text_before, load.pid)
    load.target.end()


def size_problem(t, pygrowd, load, before):
    """Loosely: the truth is within twice the error bar."""
    truth = load.target.ask("leaked")["bytes"] - before["bytes"]
    row = function_row(pygrowd.report(), before["function"], load.pid)
    said = "%d bytes leaked, the report says %s ±%s" % (truth, row["live_bytes"],
                                                       row["live_bytes_error"])
    t.shared["tables"].append(lambda: "windows__size: %s" % said)
    ok = row["live_bytes_error"] > 0 and abs(row["live_bytes"] - truth) <= 2 * row["live_bytes_error"]
    return None if ok else said


def words_problem(pygrowd, load, truth):
    """Survival, types, regime, duty and budget: in JSON and in words."""
    stack = next(row for row in pygrowd.json("report", "-n", "1000")["stacks"]
                 if row["blame"] and row["blame"]["function"] == truth["function"])
    shown = pygrowd.json("show", stack["id"])["stacks"][0]
    curve = shown["survival"]
    if not curve or set(curve[0]) != SURVIVAL_KEYS or not all(0 <= p["share"] <= 1 for p in curve):
        return "survival: %s of %s" % (curve, stack)
    if curve[-1]["age_seconds"] < 2 or curve[-1]["share"] < 0.9:
        return "a leak has a floor, not %s" % curve
    types = {row["name"]: row["share"] for row in shown["types"]}
    if types.get("bytes", 0) < 0.9:
        return "types: %s" % types
    text = pygrowd.ctl("show", stack["id"]).stdout
    if truth["function"] not in text or not re.search(r"alive after .* %", text) or \
            not re.search(r"bytes \d+ %", text):
        return "show says: %s" % text
    text = pygrowd.ctl("status").stdout
    row = re.search(r"^ *%d .*\bwindows\b.*" % load.pid, text, re.M)
    if not row or not re.search(r"\b[\d.]+ %.*\b5 %", row.group()):
        return "status says: %s" % text
    return None


@once
def a_step_of_load_and_back(t):
    """Idle, saturated, idle: exact, windows, exact; what was followed before stays in the report."""
    load = Loaded(t, "leak_beside.py", "json").saturate().pace("idle")
    pygrowd = t.pygrowd([load.pid], exact=False).wait_watching()
    wait_regime(pygrowd, load.pid, "exact", 10)
    load.pace("4")  # what a new target is let off with pays for these few
    began = load.steps()
    wait_until("8 steps", lambda: load.steps() >= began + 8)
    load.pace("idle")
    # If that was too much for exact mode, samples count once they are some seconds old.
    wait_until("the leak is in the report",
               lambda: function_row(pygrowd.report(), "leak_one", load.pid)["live_bytes"])
    held = function_row(pygrowd.report(), "leak_one", load.pid)["live_bytes"]
    t.result("windows__step_exact_before")
    load.pace("max")
    step = time.monotonic()
    _, seen = wait_regime(pygrowd, load.pid, "windows", 15)
    t.result("windows__step_up_regimes", None if set(seen) <= {"exact", "waiting", "windows"} else
             " ".join(seen))
    wait_until("5 s from the step", lambda: time.monotonic() > step + 5)
    t.result("windows__step_up_speed", speed_problem(pygrowd, load, 0.3))
    row = function_row(pygrowd.report(), "leak_one", load.pid)
    t.result("windows__step_up_keeps", None if row["live_bytes"] >= held else
             "%d bytes were followed before, now the report says %s" % (held, row["live_bytes"]))
    load.pace("idle")
    wait_regime(pygrowd, load.pid, "exact", 45)
    row = function_row(pygrowd.report(), "leak_one", load.pid)
    t.result("windows__step_down_keeps", None if row["live_bytes"] >= held else
             "%d bytes were followed before, now the report says %s" % (held, row["live_bytes"]))


@once
def two_targets(t):
    loads = [Loaded(t, "leak_beside.py", kind).saturate() for kind in ("json", "service")]
    pygrowd = t.pygrowd([load.pid for load in loads], "--overhead", "5%", "--host-overhead", "20%",
                        exact=False).wait_watching()
    for load in loads:
        wait_regime(pygrowd, load.pid, "windows", 20)

    def both_found():
        report = pygrowd.json("report", "-n", "100000")
        return all(function_row(report, "leak_one", load.pid)["live_bytes"] for load in loads)
    wait_until("both leaks in the report", both_found, FIRST_SECONDS)
    for load in loads:
        process = process_of(pygrowd, load.pid)
        assert process["samples"] > 0 and process["windows"] > 0, process
        # What a new target is let off with is in it at first.
        wait_until("overhead within twice the budget",
                   lambda: process_of(pygrowd, load.pid)["overhead"] <= 2 * 0.05)


@once
def exits_between_and_in_windows(t):
    """The regime is gone, the figures stay; the other target is observed on."""
    ends, stays = [Loaded(t, "leak_beside.py", "json").saturate() for _ in range(2)]
    pygrowd = t.pygrowd([ends.pid, stays.pid], "--overhead", "10%", "--host-overhead", "40%",
                        exact=False).wait_watching()
    for load in (ends, stays):
        wait_regime(pygrowd, load.pid, "windows", 20)
    wait_until("a leak", lambda: function_row(pygrowd.json("report", "-n", "1000"), "leak_one",
                                              ends.pid)["live_bytes"], FIRST_SECONDS)
    held = function_row(pygrowd.report(), "leak_one", ends.pid)["live_bytes"]
    ends.target.popen.stdin.close()  # it leaves by os._exit()
    process, _ = wait_regime(pygrowd, ends.pid, "gone", 5)
    assert re.search("exit", process["why"]), process
    windows = process_of(pygrowd, stays.pid)["windows"]
    report = pygrowd.report()
    row = function_row(report, "leak_one", ends.pid)
    assert row["live_bytes"] >= held / 2, "%s bytes before, %s after" % (held, row["live_bytes"])
    wait_until("more windows of the other one",
               lambda: process_of(pygrowd, stays.pid)["windows"] > windows + 3, 10)
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()


def wait_all_are(pygrowd, programs, regimes):
    rows = []

    def all_are():
        rows[:] = pygrowd.json("status")["processes"]
        return len(rows) == len(programs) and all(row["regime"] in regimes for row in rows)
    try:
        wait_until("all are %s" % " or ".join(regimes), all_are, MANY_SECONDS)
    except AssertionError as late:
        raise AssertionError("%s; %s; %s" % (late, [row["regime"] for row in rows], pygrowd.stderr()[-300:]))


@once
def many_that_do_a_little(t):
    """Each looks idle, and is too busy to be followed exactly: found out of a few at a time."""
    programs = [t.process(*t.python.argv(t.python.script("leaks/unbounded_dict.py"), str(seed), "1", "30"))
                for seed in range(MANY)]
    for program in programs:
        assert program.popen.stdout.readline() == b"ready\n", program.stderr()
    pygrowd = t.pygrowd([program.pid for program in programs], exact=False)
    wait_all_are(pygrowd, programs, ("windows", "exact"))
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()


@once
def many_wake_together(t):
    """Workers that were idle, each followed exactly, get requests in the same second."""
    workers = [t.target("busy.py", "json") for _ in range(MANY)]
    pygrowd = t.pygrowd([worker.pid for worker in workers], exact=False)
    wait_all_are(pygrowd, workers, ("exact",))
    for worker in workers:
        worker.tell("pace", 20)
    for worker in workers:
        worker.answer()
    wait_all_are(pygrowd, workers, ("windows",))
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()


@once
def growing_buffer(t):
    """realloc makes one block larger and larger: it was born once, and gets older than it ever was of
    one size."""
    program = t.process(*t.python.argv(t.python.script("leaks/receive_buffer.py"), "1", "0.2", "40"))
    assert program.popen.stdout.readline() == b"ready\n", program.stderr()
    pygrowd = t.pygrowd([program.pid], "--overhead", "20%", "--host-overhead", "100%", "--interval", "1s",
                        exact=False).wait_watching()
    wait_regime(pygrowd, program.pid, "windows", 30)
    sizes, ages = [], []

    def is_old():
        for stack in pygrowd.report()["stacks"]:
            if stack["blame"] and stack["blame"]["function"] == "receive" and stack["live_bytes"]:
                sizes.append(stack["live_bytes"])
                ages[:] = [point["age_seconds"] for point in stack["survival"] if point["share"]]
        time.sleep(0.5)
        return ages and max(ages) >= OLD_SECONDS and sizes[-1] > 2 * sizes[0]
    try:
        wait_until("the buffer is twice as large, and known to be old", is_old, GROWN_SECONDS)
    except AssertionError as late:
        raise AssertionError("%s; sizes: %s; ages: %s" % (late, sizes, ages))


@once
def sigterm(t):
    """Ended while windows come and go: the text as it was, and nobody left behind."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    before = text_of(load.pid)
    for attempt in range(4):
        pygrowd = t.pygrowd([load.pid], "--overhead", "20%", exact=False).wait_watching()
        guards = guards_of(pygrowd.pid)
        assert guards, "no guard of pygrowd's is there"
        if attempt:
            wait_regime(pygrowd, load.pid, "windows", 15)
        status, _ = pygrowd.stop()
        assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
        left = [pid for pid in guards if is_running(pid)]
        assert not left, "guards are left behind: %s" % left
        assert_text_is(before, load.pid)
    load.assert_full_speed("after pygrowd's end")
