# SPDX-License-Identifier: GPL-2.0-only
"""SIGKILL at a hundred moments, and the same daemon is started again each time.

Its history opens, and nothing that was in it is lost; no breakpoint is left in who it watched; the
next one answers, and adds to that history. A third of the moments is anywhere from the start on, a
third in mid-window, a third while the history is written. PYGROWD_CRASHES=1000 makes it more.
"""
import collections
import os
import random
import shutil
import sqlite3
import time

from harness import assert_text_is, is_running, once, text_of, wait_until
from loaded import Loaded, Places, guards_of
from test_discovery import LEVELS, ONLY, free_port, regimes, write

CRASHES = int(os.environ.get("PYGROWD_CRASHES", 100))
FROM_START = (0.0, 3.0)  # seconds
KINDS = ("from the start", "in mid-window", "in mid-write")
TICKS_PER_SECOND = 1  # of the calm one: so little that all of it is followed, at any cost of a trap
CALM = 20  # processes with all sites on, in started_again_at_once
PUT_IN_ORDER = 60  # seconds; 0.15 for each of them, unless all cores are busy
ADDS_AFTER = 2.0  # a daemon that has answered for so long has written something
choose = random.Random(100)
Known = collections.namedtuple("Known", "first ticks stacks")


class Service:
    """One daemon after the other, at the same place."""

    def __init__(self, t, watched, port=None):
        self.t, self.state = t, os.path.join(t.directory, "state")
        self.socket = os.path.join(t.directory, "pygrowd.sock")
        self.database = os.path.join(self.state, "history.db")
        config = write(os.path.join(t.directory, "pygrowd.conf"),
                       "metrics = %s\noverhead = 20%%\nhost-overhead = 60%%\n"
                       % ("127.0.0.1:%d" % port if port else "off")
                       + LEVELS + ONLY % watched)
        self.words = ("-c", config, "--socket", self.socket, "--state", self.state)

    def start(self):
        self.pygrowd = self.t.pygrowd([], *self.words, exact=False)
        self.pygrowd.socket = self.socket
        return self.pygrowd

    def start_answering(self):
        pygrowd = self.start()
        pygrowd.json("status")
        return pygrowd

    def wait_write(self, seconds=5):
        """Returns just when something was added to the write-ahead log."""
        def stamp():
            try:
                return os.stat(self.database + "-wal").st_mtime_ns
            except FileNotFoundError:
                return 0
        before, end = stamp(), time.monotonic() + seconds
        while stamp() == before:
            assert time.monotonic() < end, "no write to the history within %g s" % seconds

    def known(self):
        """What is in the history: of a copy, since the daemon shall recover its own."""
        copy = os.path.join(self.t.directory, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        os.mkdir(copy)
        for end in ("", "-wal"):
            if os.path.exists(self.database + end):
                shutil.copy(self.database + end, copy)
        connection = sqlite3.connect(os.path.join(copy, "history.db"))
        try:
            said = connection.execute("PRAGMA integrity_check").fetchall()
            assert said == [("ok",)], "the history is damaged: %s" % said[:3]
            if not connection.execute("SELECT * FROM sqlite_master").fetchall():
                return Known(None, 0, 0)  # killed before it had made its tables
            first, ticks = connection.execute(
                "SELECT min(at), coalesce(sum(ticks), 0) FROM tick WHERE level = 0").fetchone()
            stacks, = connection.execute("SELECT count(*) FROM series").fetchone()
            return Known(first, ticks, stacks)
        finally:
            connection.close()


def assert_goes_on(before, now, adds):
    assert before.first in (None, now.first), "the history begins at %s, not at %s any more" % (
        now.first, before.first)
    assert now.ticks >= before.ticks and now.stacks >= before.stacks, "%s after %s" % (now, before)
    assert not adds or now.ticks > before.ticks, "nothing was added to %s" % (before,)


def kill(pygrowd):
    """Returns when nothing of it runs any more: its guards put the targets in order, and end."""
    guards = guards_of(pygrowd.pid)
    assert pygrowd.popen.poll() is None, "it had ended by itself: %s" % pygrowd.stderr()
    pygrowd.end()
    assert not pygrowd.stderr(), "it said: %s" % pygrowd.stderr()
    wait_until("the guards' end", lambda: not any(map(is_running, guards)), 3)


def run_until(service, kind, places):
    """A daemon at a moment of that kind, and whether it must have added to the history by now."""
    if kind == "from the start":
        pygrowd = service.start()
        time.sleep(choose.uniform(*FROM_START))
        return pygrowd, False
    pygrowd, began = service.start_answering(), time.monotonic()
    if kind == "in mid-window":
        places.wait_on()
    else:
        service.wait_write()
    time.sleep(choose.uniform(0, 0.01))
    return pygrowd, time.monotonic() - began > ADDS_AFTER


def crash(service, kind, places, texts, before):
    """What is in the history afterwards."""
    pygrowd, adds = run_until(service, kind, places)
    kill(pygrowd)
    for pid, text in texts.items():
        assert is_running(pid), "pid %d has died" % pid
        assert_text_is(text, pid)
    now = service.known()
    assert_goes_on(before, now, adds)
    return now


@once
def a_hundred_times(t):
    busy, calm = Loaded(t, "leak_beside.py", "json").saturate(), t.target("leak_23.py")
    texts, service = {pid: text_of(pid) for pid in (busy.pid, calm.pid)}, Service(t, "corpus/leak_")
    calm.ask("steadily", "large", 3600, TICKS_PER_SECOND)
    pygrowd = service.start_answering()
    places = Places(busy.pid)
    wait_until("the calm one is watched", lambda: regimes(pygrowd)[calm.pid][0] == "exact")
    since, known, problems = pygrowd.json("status")["at"], Known(None, 0, 0), []
    kill(pygrowd)
    for number in range(CRASHES):
        kind = KINDS[number % len(KINDS)]
        try:
            known = crash(service, kind, places, texts, known)
        except AssertionError as problem:
            problems.append("the %d. time, %s: %s" % (number + 1, kind, problem))
            service.pygrowd.end()
    t.result("crash__nothing_is_lost_or_left", "%d times of %d: %s" % (
        len(problems), CRASHES, "; ".join(problems[:3])) if problems else None)
    pygrowd = service.start_answering()
    wait_until("the leak in a diff since %s" % since, lambda: leak_in_diff(pygrowd, since))
    t.result("crash__the_last_knows_what_the_first_saw")
    left = sorted(name for name in os.listdir(service.state) if "corrupt" in name)
    t.result("crash__no_history_was_put_aside", " ".join(left) or None)
    status, _ = pygrowd.stop()
    t.result("crash__the_last_ends_well", None if status == 0 and not pygrowd.stderr() else
             "exit status %d, stderr: %s" % (status, pygrowd.stderr()))
    for pid, text in texts.items():
        assert_text_is(text, pid)


@once
def started_again_at_once(t):
    """Who was killed has left guards, which take seconds if there are many processes to put in order:
    the next one need not wait for that."""
    calm = [t.target("lives.py").pid for _ in range(CALM)]
    service, texts = Service(t, "corpus/lives", free_port()), {pid: text_of(pid) for pid in calm}
    for number in range(3):
        pygrowd = service.start_answering()
        wait_until("all are watched", lambda: [
            regime for regime, _ in regimes(pygrowd).values()].count("exact") == CALM)
        pygrowd.end()
        assert not pygrowd.stderr(), "the %d. one: %s" % (number + 1, pygrowd.stderr())
    for pid, text in texts.items():
        assert_text_is(text, pid, PUT_IN_ORDER)


def leak_in_diff(pygrowd, since):
    """The calm one's leak: what it held in the time of the first daemon, and what it holds now."""
    answer = pygrowd.json("diff", "-n", "1000", since)
    return [row for row in answer["stacks"] if row["blame"]["function"] == "leak_large"
            and row["from_bytes"] and row["to_bytes"]]
