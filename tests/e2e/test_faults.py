# SPDX-License-Identifier: GPL-2.0-only
"""Windows that are cut off: whatever happens to pygrowd, its target is at full speed within 1 s.

And what happens to the target in mid-window is not pygrowd's end. Moments are random, and seeded;
half of them are at once when a window's breakpoints are seen in the target's text.
"""
import json
import os
import random
import re
import signal
import subprocess
import time

from harness import Skip, assert_text_is, function_row, is_running, once, process_row, text_of
from harness import wait_until
from loaded import Loaded, Places, cgroup, guards_of
from test_windows import wait_regime

KILLS, STOPS = 20, 10
OFTEN = ("--overhead", "20%", "--host-overhead", "60%")
choose = random.Random(11)


def watch(t, load, *words):
    return t.pygrowd([load.pid], *(words or OFTEN), exact=False).wait_watching()


def assert_alive(pygrowd):
    assert pygrowd.popen.poll() is None, "pygrowd ended with %d: %s" % (pygrowd.popen.returncode,
                                                                     pygrowd.stderr())


def assert_ends_well(pygrowd):
    assert_alive(pygrowd)
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())


@once
def killed(t):
    """SIGKILL, from the first scouting on: nothing in the text, no guard, full speed."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    before, places, problems = text_of(load.pid), None, []
    for attempt in range(KILLS):
        pygrowd = watch(t, load)
        guards = guards_of(pygrowd.pid)
        if places is None:
            places = Places(load.pid)
        if attempt % 2:
            places.wait_on()
            time.sleep(choose.uniform(0, 0.01))
        else:
            time.sleep(choose.uniform(0, 1.5))
        pygrowd.signal(signal.SIGKILL)
        try:
            load.assert_full_speed("killed for the %d. time" % (attempt + 1))
            assert_text_is(before, load.pid, 2)
            assert guards, "it had no guards"
            wait_until("the guards' end", lambda: not any(map(is_running, guards)), 2)
        except AssertionError as problem:
            problems.append(str(problem))
        pygrowd.end()
    assert not problems, "%d times of %d: %s" % (len(problems), KILLS, problems[0])


@once
def stopped(t):
    """SIGSTOP: the guards close what is open; after SIGCONT it goes on."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    places, slow = Places(load.pid), []
    for attempt in range(STOPS):
        if attempt % 2:
            places.wait_on()
        else:
            time.sleep(choose.uniform(0, 0.3))
        pygrowd.signal(signal.SIGSTOP)
        try:
            load.assert_full_speed("stopped for the %d. time" % (attempt + 1), places=places)
        except AssertionError as problem:
            slow.append(str(problem))
        pygrowd.signal(signal.SIGCONT)
        time.sleep(0.1)
        assert_alive(pygrowd)
    t.result("faults__stopped_full_speed", slow and "%d times of %d: %s" % (
        len(slow), STOPS, slow[0]) or None)
    t.result("faults__stopped_goes_on", goes_on_problem(pygrowd, load))
    assert_ends_well(pygrowd)


def goes_on_problem(pygrowd, load):
    windows = process_row(pygrowd.json("status"), load.pid)["windows"]
    try:
        wait_until("windows after SIGCONT", lambda: process_row(pygrowd.json("status"), load.pid)[
            "windows"] > windows + 5, 20)
    except AssertionError as late:
        return str(late)
    process = process_row(pygrowd.json("status"), load.pid)
    if process["regime"] != "windows" or set(process["lost"]) - {"window_late", "birth_off"}:
        return "regime %s, lost %s" % (process["regime"], process["lost"])
    return None if process["lost"].get("window_late", 0) <= STOPS else "lost: %s" % process["lost"]


@once
def stuttering(t):
    """SIGSTOP and SIGCONT in quick alternation, which is what no CPU time at all looks like."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    places = Places(load.pid)
    end, speeds = time.monotonic() + 5, []
    while time.monotonic() < end:
        pygrowd.signal(signal.SIGSTOP)
        speeds.append(load.speed() / load.beside_others)
        pygrowd.signal(signal.SIGCONT)
        time.sleep(choose.uniform(0.001, 0.03))
    slow = sum(speed < 0.5 for speed in speeds) / len(speeds)
    t.result("faults__stuttering_speed", None if slow <= 0.4 else
             "%.0f %% of the time it ran at half its speed or less" % (slow * 100))
    load.assert_full_speed("after that", 3, places)
    t.result("faults__stuttering_goes_on", goes_on_problem(pygrowd, load))
    assert_ends_well(pygrowd)


@once
def starved(t):
    """1 % of a CPU for pygrowd and its guards: windows still close."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    places = Places(load.pid)
    with cgroup("pygrowd-e2e-starved-%d" % os.getpid(), 1000, 100000) as add:
        for pid in [pygrowd.pid] + guards_of(pygrowd.pid):
            add(pid)
        longest, _ = places.longest_on(5)
        assert longest < 1, "a window was open for %.2f s" % longest
        load.assert_full_speed("starved", 2, places)
    windows = process_row(pygrowd.json("status"), load.pid)["windows"]
    wait_until("windows once it is fed", lambda: process_row(pygrowd.json("status"), load.pid)[
        "windows"] > windows + 3, 20)
    assert_ends_well(pygrowd)


@once
def crowded_out(t):
    """More work of others than there are CPUs, all before pygrowd: windows still close."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    places = Places(load.pid)
    for pid in (int(task) for task in os.listdir("/proc/%d/task" % pygrowd.pid)):
        if os.sched_getscheduler(pid) == os.SCHED_OTHER:
            os.setpriority(os.PRIO_PROCESS, pid, 19)
    hogs = [t.process("/usr/bin/python3", "-c", "while True: pass") for _ in range(2 * os.cpu_count())]
    longest, count = places.longest_on(4)
    for hog in hogs:
        hog.end()
    assert longest < 1, "a window was open for %.2f s" % longest
    assert count, "no window at all was seen"
    load.assert_full_speed("crowded out", 3, places)
    assert_ends_well(pygrowd)


# ── what happens to the target ───────────────────────────────────────────────────────────────────
def in_mid_window(t, deed, kind="json"):
    load = Loaded(t, "leak_beside.py", kind).saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    Places(load.pid).wait_on()
    result = deed(load)
    return load, pygrowd, result


@once
def target_killed(t):
    for _ in range(3):
        load, pygrowd, _ = in_mid_window(t, lambda load: load.target.signal(signal.SIGKILL))
        process, _ = wait_regime(pygrowd, load.pid, "gone", 5)
        assert re.search("killed|exit", process["why"]), process
        assert_ends_well(pygrowd)


@once
def target_execs(t):
    for words in ("execute", "execute_other"):
        load, pygrowd, _ = in_mid_window(t, lambda load: load.target.tell(words))
        process, _ = wait_regime(pygrowd, load.pid, "gone", 5)
        assert re.search("exec", process["why"]), process
        if words == "execute":
            assert load.target.answer()["ready"] == load.pid
            load.saturate()
            load.assert_full_speed("the new program", 3)
        assert is_running(load.pid), "the new program is gone"
        assert_ends_well(pygrowd)


@once
def target_forks(t):
    """The child has the breakpoints in its text until the window ends, and is not its parent."""
    load = Loaded(t, "leak_beside.py", "json").saturate()
    before = text_of(load.pid)
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    places, children = Places(load.pid), []
    for _ in range(5):
        places.wait_on()
        children.append(load.target.ask("fork")["child"])
    process = process_row(pygrowd.json("status"), load.pid)
    assert process["regime"] in ("windows", "waiting"), process
    windows = process["windows"]
    wait_until("windows after the forks", lambda: process_row(pygrowd.json("status"), load.pid)[
        "windows"] > windows + 3, 20)
    dead = [child for child in children if not is_running(child)]
    assert not dead, "%d of the %d children have died" % (len(dead), len(children))
    assert_ends_well(pygrowd)
    for pid in [load.pid] + children:
        assert_text_is(before, pid)


@once
def memory_unmapped(t):
    """Blocks whose pages are gone when they are looked at: dead, and nothing worse."""
    env = dict(os.environ, MALLOC_MMAP_THRESHOLD_="131072")
    loads = [Loaded(t, "unmapped.py", kind, env=env).pace("20") for kind in ("arenas", "blocks", "maps")]
    pygrowd = t.pygrowd([load.pid for load in loads], *OFTEN, "--for", "15s", "--json", exact=False)
    pygrowd.wait_watching()
    for load in loads:
        wait_until("100 steps of pid %d" % load.pid, lambda: load.steps() > 100)
    for load in loads[::2]:
        load.pace("max")
    status, out = pygrowd.finish(40)
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
    for load in loads:
        assert is_running(load.pid), "target %d has died" % load.pid
        load.speed()
    assert '"samples"' in out


@once
def other_clocks(t):
    """A target in a time namespace has been started at another time, for who asks there."""
    enter = ["unshare", "--time", "--monotonic", "100000", "--boottime", "100000"]
    if subprocess.run(enter + ["true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no time namespaces here")
    load = Loaded(t, "leak_beside.py", "json", prefix=enter).saturate()
    pygrowd = watch(t, load)
    wait_regime(pygrowd, load.pid, "windows", 20)
    wait_until("the leak", lambda: function_row(pygrowd.json("report", "-n", "1000"), "leak_one",
                                                load.pid)["live_bytes"], 30)
    assert_ends_well(pygrowd)


@once
def own_clock_is_another(t):
    """pygrowd in a time namespace: its clock is not the kernel's. It works, or says that it cannot."""
    for shift in ("100000", "-1000"):
        enter = ["unshare", "--time", "--monotonic", shift, "--boottime", shift]
        if subprocess.run(enter + ["true"], stderr=subprocess.DEVNULL).returncode:
            raise Skip("no time namespaces here")
        load = Loaded(t, "leak_beside.py", "json").saturate()
        pygrowd = t.pygrowd([load.pid], *OFTEN, "--for", "8s", "--json", exact=False, prefix=enter)
        status, out = pygrowd.finish()
        if status == 0:
            samples = json.loads(out)["processes"][0]["samples"]
            problem = None if samples else "it watched, and saw nothing"
        else:
            lines = pygrowd.stderr().splitlines()
            problem = None if len(lines) == 1 and not out else "exit status %d: %s" % (status, lines)
        t.result("faults__own_clock_shifted_by_%s_s" % shift, problem)
        load.target.end()


@once
def clock_jumps(_):
    raise Skip("setting the clock back and forth is not for a machine that others work on: the "
               "budget's unit test jumps its own")
