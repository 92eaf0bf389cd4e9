# SPDX-License-Identifier: GPL-2.0-only
"""The target ends, is killed or execs in the middle: the report covers what was seen and says so."""
import json
import os
import re
import signal
import time

from harness import assert_text_is, function_row, is_running, once, process_row, text_of

BLOCKS = 5000


def watched_until(t, end):
    target = t.target("lives.py")
    pygrowd = t.pygrowd(target, "--for", "6s", "--json").wait_watching()
    truth = target.ask("leak", BLOCKS)
    time.sleep(1)
    end(target)
    status, out = pygrowd.finish()
    assert status in (0, 1), "exit status %d: %s" % (status, pygrowd.stderr())
    report = json.loads(out)
    row = function_row(report, truth["function"], target.pid)
    assert abs(row["live_blocks"] - BLOCKS) <= 0.01 * BLOCKS + 10, \
        "%d blocks of %d are in the report" % (row["live_blocks"], BLOCKS)
    process = process_row(report, target.pid)
    assert process["regime"] == "gone", process
    return target, "%s; %s" % (process["why"], pygrowd.stderr())


@once
def exits(t):
    _, said = watched_until(t, lambda target: target.tell("end"))
    assert re.search(r"exited|ended|gone", said), said


@once
def killed(t):
    _, said = watched_until(t, lambda target: target.signal(signal.SIGKILL))
    assert re.search(r"exited|ended|killed|gone", said), said


@once
def execs_another_program(t):
    target, said = watched_until(t, lambda target: target.tell("execute", "/bin/sleep", "600"))
    assert re.search(r"exec", said), said
    assert is_running(target.pid), "the new program is gone"


@once
def execs_itself(t):
    """The same interpreter again, in the same process: other memory, a fresh start."""
    python = os.path.realpath("/usr/bin/python3")
    target, said = watched_until(
        t, lambda target: target.tell("execute", python, t.python.script("lives.py")))
    assert target.answer()["ready"] == target.pid
    assert target.ask("work")["right"], "the new program does not work"


@once
def ends_before_the_server(t):
    """A server outlives its target, and still answers."""
    target = t.target("lives.py")
    pygrowd = t.pygrowd(target).wait_watching()
    truth = target.ask("leak", BLOCKS)
    pygrowd.report()
    target.tell("end")
    target.popen.wait()
    if pygrowd.popen.poll() is None:
        report = pygrowd.report()
        row = function_row(report, truth["function"], target.pid)
        assert row["live_blocks"] >= 0.99 * BLOCKS, "%d blocks of %d" % (row["live_blocks"], BLOCKS)
        assert pygrowd.stop()[0] == 0, pygrowd.stderr()


@once
def forks(t):
    """A child inherits the breakpoints, but is not its parent; later it is rid of them."""
    target = t.target("lives.py")
    before = text_of(target.pid)
    pygrowd = t.pygrowd(target).wait_watching()
    target.ask("leak", BLOCKS)
    child = target.ask("fork")["child"]
    for _ in range(2):
        report = pygrowd.report()
    row = function_row(report, "leak_before_the_end", target.pid)
    assert abs(row["live_blocks"] - BLOCKS) <= 0.01 * BLOCKS + 10, \
        "%d blocks of %d: the child's frees were taken for its parent's" % (row["live_blocks"], BLOCKS)
    assert is_running(child), "the child does not work while its parent is watched"
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()
    assert_text_is(before, target.pid)
    assert_text_is(before, child)
    assert is_running(child) and target.ask("work")["right"], "parent or child do not work any more"
