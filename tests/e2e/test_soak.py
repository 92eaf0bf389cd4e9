# SPDX-License-Identifier: GPL-2.0-only
"""Many processes come and go: is the daemon afterwards what it was before?

Fifty idle Pythons stay, two hundred short-lived ones come and go in a minute, more than there are
slots for those that have gone; for so long that all slots are taken when its second half begins.
PYGROWD_SOAK_MINUTES=60 makes it an hour, at that rate.
"""
import collections
import json
import os
import random
import re
import shutil
import subprocess
import time

from harness import once, wait_until
from loaded import guards_of
from test_discovery import ONLY, regimes, start

MINUTES = float(os.environ.get("PYGROWD_SOAK_MINUTES", 1.5))
IDLE, SHORT, SECONDS = 50, round(200 * MINUTES), 60 * MINUTES
LIVES = (0.2, 6.0)  # seconds
SEEN_FROM = 2.0  # who lives that long must be in status,
NAMED_FROM = 4.5  # and its leak in the report
RSS_KIB = 1024  # that the second half may differ by
DROPPED = 10  # at once more than have come, since who came before may be taken on just then
GONE_KEPT = 60  # seconds that the daemon keeps what it knows of who has gone
SLOTS = 127  # processes that are watched at a time
BPF = {"link": "link_id", "map": "map_id", "prog": "prog_id"}
choose = random.Random(50)


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))


def holdings(pid):
    """How many it has of each kind: threads, links, maps, sockets, files."""
    kinds = collections.Counter(threads=len(os.listdir("/proc/%d/task" % pid)))
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            kinds[re.sub(r":\[\d+\]", "", os.readlink("/proc/%d/fd/%s" % (pid, fd)))] += 1
        except FileNotFoundError:
            pass  # it was the daemon's turn
    return kinds


def bpf_ids(pid):
    """{("link", 12), ("map", 3), ...} of its descriptors."""
    ids = set()
    for fd in os.listdir("/proc/%d/fdinfo" % pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
                text = info.read()
        except FileNotFoundError:
            continue
        for kind, key in BPF.items():
            ids.update((kind, int(found.group(1)))
                       for found in re.finditer(r"^%s:\s+(\d+)" % key, text, re.M))
    return ids


def bpf_ids_in_kernel():
    bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin")
    return {(kind, row["id"]) for kind in BPF for row in json.loads(subprocess.run(
        [bpftool, "-j", kind, "show"], stdout=subprocess.PIPE, check=True).stdout)}


def same_when_quiet(what, look, seconds):
    """What look() says once it says the same for 2 s."""
    values = [None]

    def is_same():
        values.append(look())
        return values[-40:].count(values[-1]) == 40
    wait_until("%s does not change any more" % what, is_same, seconds)
    return values[-1]


class Crowd:
    """The short-lived ones, and what the daemon knows of them."""

    def __init__(self, t, pygrowd):
        self.t, self.pygrowd = t, pygrowd
        self.began, self.there, self.lived = time.monotonic(), {}, {}
        self.started = self.started_at_last = 0
        self.listed, self.seen, self.named = set(), set(), set()
        self.dropped = 0

    def tend(self):
        """Start who is due, see who has ended. False: all are through."""
        now = time.monotonic()
        if self.started < min(SHORT, (now - self.began) / SECONDS * SHORT):
            process = brief(self.t, "%.2f" % choose.uniform(*LIVES))
            self.there[process.pid] = process, now
            self.started += 1
        for pid, (process, since) in list(self.there.items()):
            if process.popen.poll() is not None:
                self.lived[pid] = now - since
                del self.there[pid]
                process.end()
        return self.started < SHORT or self.there

    def ask(self):
        """Of whom does the daemon know, and whose leak can it name? Who comes takes one place."""
        assert self.pygrowd.popen.poll() is None, "pygrowd ended with %d after %d s: %s" % (
            self.pygrowd.popen.returncode, time.monotonic() - self.began, self.pygrowd.stderr())
        listed = {pid for pid, (regime, _) in regimes(self.pygrowd).items()
                  if regime in ("exact", "windows", "waiting", "gone")}
        dropped = len(self.listed - listed) - (self.started - self.started_at_last)
        self.dropped = max(self.dropped, dropped)
        self.listed, self.started_at_last = listed, self.started
        self.seen |= listed
        report = self.pygrowd.json("report", "-n", "100000")
        self.named |= {row["pid"] for row in report["functions"]
                       if row["function"] == "keep" and row["live_bytes"]}

    def told_missing(self, known, lived_from):
        """None, or how long those lived that should be among these, and are not."""
        lives = {pid: lived for pid, lived in self.lived.items() if lived > lived_from}
        assert len(lives) > SHORT / 5, "only %d lived for %g s" % (len(lives), lived_from)
        missing = sorted(lived for pid, lived in lives.items() if pid not in known)
        return missing and "%d of %d are not, which lived for %s s" % (
            len(missing), len(lives), " ".join("%.1f" % lived for lived in missing)) or None


@once
def more_than_fit(t):
    """One is said to be too many, and takes the place of one that ends."""
    idle = [brief(t, "0") for _ in range(SLOTS + 4)]
    pygrowd, _ = start(t, "metrics = off\n" + ONLY % "corpus/brief", "--interval", "1s",
                       "--state", os.path.join(t.directory, "state"))
    known = regimes(pygrowd)
    left_out = [why for regime, why in known.values() if regime == "unsupported"]
    assert len(left_out) == 4 and all("too many" in why for why in left_out), str(left_out)
    for process in idle[:10]:
        process.end()
    stay = [process.pid for process in idle[10:]]

    def are_watched():
        known = regimes(pygrowd)
        return all(known.get(pid, ("absent",))[0] == "exact" for pid in stay)
    wait_until("the last have room", are_watched)
    for process in idle:
        process.end()  # first: taking the sites out of so many takes half a minute
    status, _ = pygrowd.stop()
    assert status == 0 and not pygrowd.stderr(), "exit status %d: %s" % (status, pygrowd.stderr())


def brief(t, seconds):
    return t.process(*t.python.argv(t.python.script("brief.py"), seconds))


def watch_idle(t):
    """The daemon, watching those that stay; and all of its processes."""
    idle = [brief(t, "0").pid for _ in range(IDLE)]
    pygrowd, _ = start(t, "metrics = off\n" + ONLY % "corpus/brief", "--interval", "1s",
                       "--state", os.path.join(t.directory, "state"))

    def are_exact():
        known = regimes(pygrowd)
        return all(known.get(pid, ("absent",))[0] == "exact" for pid in idle)
    wait_until("%d idle processes are watched" % IDLE, are_exact)
    return pygrowd, idle, [pygrowd.pid] + guards_of(pygrowd.pid)


def soak(t, pygrowd, ours):
    """The crowd that went through, {pid: its RSS, once a second}, and what BPF objects we had."""
    crowd, rss, ids, second = Crowd(t, pygrowd), {pid: [] for pid in ours}, set(), 0
    while crowd.tend():
        if time.monotonic() - crowd.began > second:
            second += 1
            crowd.ask()
            for pid in ours:
                rss[pid].append(rss_kib(pid))
                ids |= bpf_ids(pid)
        time.sleep(0.05)
    crowd.ask()
    return crowd, rss, ids


def told_rss(pygrowd, rss):
    """None, or whose memory was not flat over the second half."""
    for pid, kib in rss.items():
        half = kib[len(kib) // 2:]
        if max(half) - min(half) > RSS_KIB:
            return "%s: from %d to %d KiB" % ("pygrowd" if pid == pygrowd.pid else "a guard",
                                              min(half), max(half))
    return None


@once
def two_hundred_a_minute(t):
    pygrowd, idle, ours = watch_idle(t)

    def held():
        return [holdings(pid) for pid in ours]
    before = same_when_quiet("what it holds", held, 20)
    crowd, rss, ids = soak(t, pygrowd, ours)
    t.result("soak__rss_is_flat", told_rss(pygrowd, rss))
    t.result("soak__all_are_seen", crowd.told_missing(crowd.seen, SEEN_FROM))
    t.result("soak__their_leaks_are_named", crowd.told_missing(crowd.named, NAMED_FROM))
    t.result("soak__who_comes_takes_one_place", "%d more had to go" % crowd.dropped
             if crowd.dropped > DROPPED else None)
    wait_until("those that have gone are forgotten", lambda: all(
        pid in idle or regime == "excluded" for pid, (regime, _) in regimes(pygrowd).items()),
               GONE_KEPT + 20)
    known = regimes(pygrowd)
    t.result("soak__idle_ones_stayed", None if all(known[pid][0] == "exact" for pid in idle) else
             str([known[pid] for pid in idle if known[pid][0] != "exact"]))
    after = same_when_quiet("what it holds", held, 20)
    t.result("soak__holds_what_it_held", None if after == before else "; ".join(
        "%s: %d, was %d" % (kind, now[kind], was[kind]) for was, now in zip(before, after)
        for kind in sorted(was | now) if now[kind] != was[kind]))
    ids |= bpf_ids(pygrowd.pid)
    status, _ = pygrowd.stop()
    t.result("soak__nothing_to_complain", None if status == 0 and not pygrowd.stderr() else
             "exit status %d, stderr: %s" % (status, pygrowd.stderr()))
    assert {kind for kind, _ in ids} == set(BPF), "it had no objects of all kinds: %s" % ids
    wait_until("no BPF object of its is left", lambda: not ids & bpf_ids_in_kernel(), 20)
    t.result("soak__no_bpf_object_is_left")
