# SPDX-License-Identifier: GPL-2.0-only
"""Whenever and however pygrowd ends, is the target's text byte for byte what it was?

pygrowd is ended at many moments: in the first 300 ms, around the moment when the sites go on, and
while it watches. Each time the text of the target and of a child that was forked before is compared
with a copy, and both must still work: the child does so all the time.
"""
import os
import random
import signal
import tempfile
import time

from harness import assert_text_is, each_python, is_running, once, text_of, wait_until

TRIALS = 25  # a signal; half of them early, half around and after the sites go on


def trial(t, target, child, before, number, moment):
    """End one pygrowd by a signal; what went wrong, or None."""
    pygrowd = t.pygrowd(target, "--for", "60s")
    if moment < 0:
        pygrowd.wait_watching()
        time.sleep(-moment)
    else:
        time.sleep(moment)
    pygrowd.signal(number)
    status, _ = pygrowd.finish(10)
    said = pygrowd.stderr()
    pygrowd.end()
    if number != signal.SIGKILL:
        assert status >= 0 or status == -number, "it died of signal %d: %s" % (-status, said)
        assert not os.path.exists(pygrowd.socket), "its socket is left behind"
    for pid in (target.pid, child):
        assert_text_is(before, pid)
    assert target.ask("work")["right"], "the target does not work any more"
    assert is_running(child), "the child of the target does not work any more"


def run_trials(t, number):
    target = t.target("lives.py")
    before = text_of(target.pid)
    child = target.ask("fork")["child"]
    began = time.monotonic()
    trial(t, target, child, before, number, -0.05)
    until_watching = max(0.3, time.monotonic() - began)
    chance = random.Random(number)
    for count in range(TRIALS):
        moment = (chance.uniform(0, 0.3), chance.uniform(0.3, 1.1 * until_watching),
                  -chance.uniform(0.001, 0.3))[count % 3]
        try:
            trial(t, target, child, before, number, moment)
        except AssertionError as problem:
            raise AssertionError("trial %d, %s %.3f s: %s" % (
                count, "after the start" if moment >= 0 else "after watching", abs(moment), problem))


@once
def sigint_at_any_moment(t):
    run_trials(t, signal.SIGINT)


@once
def sigterm_at_any_moment(t):
    run_trials(t, signal.SIGTERM)


@once
def sigkill_at_any_moment(t):
    run_trials(t, signal.SIGKILL)


@once
def two_signals(t):
    """Impatience: a second Ctrl-C while it drains."""
    target = t.target("lives.py")
    before = text_of(target.pid)
    pygrowd = t.pygrowd(target, "--for", "60s").wait_watching()
    pygrowd.signal(signal.SIGINT)
    pygrowd.signal(signal.SIGINT)
    status, _ = pygrowd.finish(10)
    assert status >= 0 or status == -signal.SIGINT, status
    assert_text_is(before, target.pid)


def interpreters_of(pid):
    """Pythons that this process has started."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        pids = [int(child) for child in children.read().split()]
    return [child for child in pids if "python" in name_of_program(child)]


def name_of_program(pid):
    try:
        return os.path.basename(os.readlink("/proc/%d/exe" % pid))
    except OSError:
        return ""  # it has ended


@once
def sigint_while_coverage_is_measured(t):
    """The child that runs the interpreter takes for ever: whoever is told to end does not wait for it."""
    target = t.target("lives.py")
    before = text_of(target.pid)
    pygrowd = t.pygrowd(target, "--for", "60s", "--state", os.path.join(t.directory, "new"))
    child = wait_until("the interpreter is run", lambda: interpreters_of(pygrowd.pid))[0]
    os.kill(child, signal.SIGSTOP)
    pygrowd.signal(signal.SIGINT)
    status, _ = pygrowd.finish(5)
    assert status >= 0, "it died of signal %d: %s" % (-status, pygrowd.stderr())
    assert not is_running(child), "the interpreter that it has started is left behind"
    assert_text_is(before, target.pid)


@each_python
def text_is_restored(t):
    """On every interpreter: changed while it is watched (so this test can fail), as before afterwards."""
    target = t.target("lives.py")
    before = text_of(target.pid)
    pygrowd = t.pygrowd(target).wait_watching()
    assert text_of(target.pid) != before, "no breakpoint is in the text of a watched target"
    target.ask("work")
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
    assert_text_is(before, target.pid)
    assert target.ask("work")["right"], "the target does not work any more"


def files_of_pygrowd(besides):
    """Paths with our name where a program may leave something behind."""
    found = set()
    for top in ("/run", "/sys/fs/bpf", tempfile.gettempdir()):
        for directory, directories, names in os.walk(top):
            directories[:] = [name for name in directories if not name.startswith(besides)]
            found.update(os.path.join(directory, name) for name in directories + names
                         if "pygrowd" in name)
    return found


@once
def no_files_left(t):
    """Nothing outside the state directory, and no pinned BPF object."""
    before = files_of_pygrowd("pygrowd-e2e-")
    target = t.target("lives.py")
    pygrowd = t.pygrowd(target, "--for", "2s")
    assert pygrowd.finish()[0] == 0, pygrowd.stderr()
    left = files_of_pygrowd("pygrowd-e2e-") - before
    assert not left, "left behind: %s" % ", ".join(sorted(left))
