# SPDX-License-Identifier: GPL-2.0-only
"""What was, over restarts: report --since, show, diff, trends that go on; and disks that fail.

The finest level of these histories is a second, so that some seconds are a past; and there is budget
enough to follow every block, so that figures are what they should be.
"""
import json
import os
import shutil
import subprocess
import time

from harness import need_fast_traps, once, seconds_of, wait_until
from test_discovery import LEVELS, ONLY, wait_regime, write

PLENTY = "overhead = 50%\nhost-overhead = 100%\n"
LEAK = "leak_large"
RATE_POINTS = 30  # of a rate, a second apart


class Service:
    """A leaking target, and daemons one after the other with the same state directory."""

    def __init__(self, t, state=None):
        self.t = t
        self.state = state or os.path.join(t.directory, "state")
        self.config = write(os.path.join(t.directory, "history.conf"),
                            "metrics = off\n" + PLENTY + LEVELS + ONLY % "corpus/leak_23")
        self.target = t.target("leak_23.py")

    def start(self):
        pygrowd = self.t.pygrowd([], "--state", self.state, "-c", self.config, exact=False)
        wait_regime(pygrowd, self.target.pid, ("exact",))
        return pygrowd

    def leak(self, seconds=120):
        return self.target.ask("steadily", "large", seconds)["bytes_per_second"]


def row_of(report):
    rows = [row for row in report["functions"] if row["function"] == LEAK]
    return rows[0] if rows else None


def leak_of(report):
    """The stack of the leak, once it holds anything."""
    rows = [row for row in report["stacks"] if row["blame"] and row["blame"]["function"] == LEAK
            and row["live_bytes"]]
    return rows[0] if rows else None


def near(rate, truth, share=0.15):
    return rate is not None and abs(rate - truth) <= share * truth


@once
def trends_go_on(t):
    """A daemon that was started anew knows how fast it grows, and since when, at once."""
    need_fast_traps()
    service = Service(t)
    pygrowd = service.start()
    truth = service.leak()
    wait_until("it grows", lambda: near(row_of(pygrowd.report())["growth_bytes_per_second"], truth))
    time.sleep(RATE_POINTS)  # before that, what is recalled is in part of a time without a leak
    before = leak_of(pygrowd.report())
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
    stopped = time.time()
    pygrowd = service.start()
    first = wait_until("its first figures", lambda: leak_of(pygrowd.json("report", "-n", "100")))
    t.result("history__growth_is_known_at_once", None if near(
        first["growth_bytes_per_second"], truth) else "%s, truly %s" % (
            first["growth_bytes_per_second"], truth))
    t.result("history__since_is_before_the_restart", None if seconds_of(first["since"]) < stopped and
             abs(seconds_of(first["since"]) - seconds_of(before["since"])) < 3 else
             "%s, before %s" % (first["since"], before["since"]))
    time.sleep(4)
    later = leak_of(pygrowd.report())
    t.result("history__growth_goes_on", None if near(later["growth_bytes_per_second"], truth)
             and later["growth_error"] < truth / 4 else "%s ±%s, truly %s" % (
                 later["growth_bytes_per_second"], later["growth_error"], truth))
    t.result("history__no_drop_is_drawn", None if later["history"] == sorted(later["history"]) else
             str(later["history"]))


@once
def report_since(t):
    """Growth of the time that was asked for, over a restart, beside what held still all along."""
    need_fast_traps()
    service = Service(t)
    pygrowd = service.start()
    service.target.ask("tick", "small", 300)
    began = time.time()
    truth = service.leak()
    time.sleep(8)
    pygrowd.stop()
    pygrowd = service.start()
    wait_until("it is in the report", lambda: leak_of(pygrowd.json("report", "-n", "100")))
    time.sleep(3)
    for words, name in ((["-10s"], "short"), (["@%d" % began], "over_a_restart"), (["-2d"], "all")):
        report = pygrowd.json("report", "-n", "100", "--since", *words)
        row = row_of(report)
        t.result("history__since_%s" % name, None if near(
            row["blamed_growth_bytes_per_second"], truth, 0.25) else "%s, truly %s; %s" % (
                row["blamed_growth_bytes_per_second"], truth, row["blamed_history"]))
    known = seconds_of(report["growth_since"])
    t.result("history__since_says_from_when", None if began - 30 < known < began + 3 else
             report["growth_since"])
    done = pygrowd.ctl("report", "--since", "@%d" % began)
    t.result("history__since_in_words", None if done.returncode == 0 and
             "of the time since 20" in done.stdout and LEAK in done.stdout and
             max(map(len, done.stdout.splitlines())) <= 100 else done.stdout + done.stderr)
    done = pygrowd.ctl("report", "--since", "@%d" % (time.time() + 99))
    t.result("history__since_a_time_to_come", None if done.returncode == 1 and
             len(done.stderr.splitlines()) == 1 else str(done))


@once
def show_what_was(t):
    """A stack's whole series; and what is gone, with its process too."""
    need_fast_traps()
    service = Service(t)
    pygrowd = service.start()
    service.leak()
    wait_until("it is in the report", lambda: leak_of(pygrowd.report()))
    time.sleep(6)
    pygrowd.stop()
    pygrowd = service.start()
    stack = wait_until("it is in the report", lambda: leak_of(pygrowd.json("report", "-n", "100")))
    time.sleep(2.5)
    answer = pygrowd.json("show", stack["id"])
    series = answer["stacks"][0]["series"]
    t.result("history__show_goes_back", None if len(series) >= 5 and any(
        point["is_restart"] for point in series) else str(series))
    text = pygrowd.ctl("show", stack["id"]).stdout
    t.result("history__show_in_words", None if " from 20" in text and "started anew" in text and
             max(map(len, text.splitlines())) <= 100 else text)
    service.target.end()
    wait_regime(pygrowd, service.target.pid, ("gone",))
    pygrowd.stop()
    pygrowd = t.pygrowd([], "--state", service.state, "-c", service.config, exact=False)
    gone = pygrowd.json("show", stack["id"][:6])["stacks"][0]
    t.result("history__show_of_an_ended_process", None if gone["is_gone"] and gone["pid"] is None and
             gone["frames"] == stack["frames"] and gone["last_bytes"] > 0 and
             "leak_23" in gone["process"]["cmdline"] and len(gone["series"]) >= 5 else str(gone))
    text = pygrowd.ctl("show", stack["id"]).stdout
    t.result("history__show_of_what_is_gone_in_words", None if "holds nothing any more" in text and
             LEAK in text and max(map(len, text.splitlines())) <= 100 else text)
    done = pygrowd.ctl("show", "0123456789abcdef")
    t.result("history__show_of_what_never_was", None if done.returncode == 1 and
             len(done.stderr.splitlines()) == 1 else str(done))


@once
def diff_over_a_restart(t):
    """What changed is told from the history, which a restart does not end."""
    need_fast_traps()
    service = Service(t)
    pygrowd = service.start()
    empty = pygrowd.ctl("diff", "-5m", "-4m")
    t.result("history__diff_of_a_time_before", None if empty.returncode == 1 and
             len(empty.stderr.splitlines()) == 1 else str(empty))
    service.leak()
    began = pygrowd.json("status")["at"]
    wait_until("its leak is in the report", lambda: leak_of(pygrowd.report()))
    pygrowd.stop()
    time.sleep(2)
    pygrowd = service.start()
    since = "@%d" % int(seconds_of(began))

    def told():
        """Its first points know of no stack: its sites are on, and nothing has been drained."""
        done = pygrowd.ctl("--json", "diff", since)
        return done.returncode == 0 and any(row["blame"]["function"] == LEAK
                                            for row in json.loads(done.stdout)["stacks"])

    wait_until("the second daemon's points know of the leak", told)
    t.result("history__diff_after_a_restart", None)
    text = pygrowd.ctl("diff", since).stdout
    t.result("history__diff_in_words", None if LEAK in text and "started anew in between" in text and
             max(map(len, text.splitlines())) <= 100 else text)
    second = t.pygrowd([], "--state", service.state, "-c", service.config, exact=False)
    status, _ = second.finish(20)
    t.result("history__one_history_one_daemon", None if status == 1 and
             len(second.stderr().splitlines()) == 1 else second.stderr())


@once
def named_processes_keep_no_history(t):
    target = t.target("leak_23.py")
    pygrowd = t.pygrowd(target).wait_watching()
    done = pygrowd.ctl("diff", "-1m")
    t.result("history__diff_without_history", None if done.returncode == 1 and
             "keeps no history" in done.stderr else str(done))
    truth = target.ask("steadily", "large", 60)["bytes_per_second"]
    time.sleep(5)
    report = pygrowd.json("report", "-n", "100", "--since", "-3s")
    row = row_of(report)
    t.result("history__since_without_history", None if near(
        row["blamed_growth_bytes_per_second"], truth) else str(row))
    answer = pygrowd.json("show", leak_of(report)["id"])
    t.result("history__show_without_history", None if answer["stacks"][0]["series"] is None else
             str(answer["stacks"][0]["series"]))


def assert_goes_on(t, name, pygrowd, service, said):
    """It answers, and has said `said` once."""
    service.leak(5)
    report = pygrowd.report()
    lines = [line for line in pygrowd.stderr().splitlines() if "history" in line]
    t.result("history__" + name, None if leak_of(report) and len(lines) == 1 and said in lines[0] else
             "stderr: %s" % pygrowd.stderr())
    return report


@once
def directory_vanishes(t):
    service = Service(t)
    pygrowd = service.start()
    wait_until("it is written", lambda: os.path.exists(service.state + "/history.db"))
    time.sleep(0.5)
    shutil.rmtree(service.state)
    time.sleep(1)
    report = assert_goes_on(t, "vanished_and_begun_anew", pygrowd, service, "has been removed")
    t.result("history__vanished_is_counted", None if report["lost"].get("history_vanished") == 1 and
             os.path.exists(service.state + "/history.db") else str(report["lost"]))


@once
def disk_is_full(t):
    """A disk of 400 KiB, most of which is taken; then there is room."""
    state = os.path.join(t.directory, "small")
    os.mkdir(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", state], check=True)
    try:
        service = Service(t, state)
        pygrowd = service.start()
        wait_until("it is written", lambda: os.path.exists(state + "/history.db"))
        with open(state + "/filler", "wb", 0) as filler:
            for size in (4096, 1):
                try:
                    while filler.write(bytes(size)):
                        pass
                except OSError:
                    pass
        wait_until("it says so; it says: %s" % pygrowd.stderr(),
                   lambda: "going on in memory" in pygrowd.stderr())
        report = assert_goes_on(t, "full_disk", pygrowd, service, "cannot write history")
        t.result("history__full_disk_is_counted", None if report["lost"].get("history_unwritten", 0) > 0
                 else str(report["lost"]))
        status, _ = pygrowd.stop()
        t.result("history__full_disk_ends_well", None if status == 0 else pygrowd.stderr())
    finally:
        for process in (pygrowd, service.target):
            process.end()
        subprocess.run(["umount", "-l", state], check=True)


@once
def directory_is_read_only(t):
    state = os.path.join(t.directory, "frozen")
    os.mkdir(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", state], check=True)
    try:
        service = Service(t, state)
        pygrowd = service.start()
        report = assert_goes_on(t, "read_only_directory", pygrowd, service, "Read-only file system")
        t.result("history__read_only_is_counted", None if report["lost"].get("history_unwritten", 0) > 0
                 else str(report["lost"]))
        pygrowd.stop()
    finally:
        for process in (pygrowd, service.target):
            process.end()
        subprocess.run(["umount", "-l", state], check=True)


@once
def file_is_damaged(t):
    service = Service(t)
    pygrowd = service.start()
    time.sleep(1)
    pygrowd.stop()
    with open(service.state + "/history.db", "r+b") as file:
        file.write(b"x" * 5000)
    pygrowd = service.start()
    report = assert_goes_on(t, "damaged_file_is_put_aside", pygrowd, service, "is damaged")
    t.result("history__damage_is_counted", None if report["lost"].get("history_corrupt") == 1 and
             any("corrupt-" in name for name in os.listdir(service.state)) else str(report["lost"]))
