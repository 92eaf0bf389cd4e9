# SPDX-License-Identifier: GPL-2.0-only
"""Prefork servers, whom nobody names: is each worker watched, and is the leak of all one row?

Workers of one parent are one where no service says so; a cgroup with a service's name says so.
With so much budget that all stay in the regime that follows every block.
"""
import concurrent.futures
import json
import os
import re
import signal
import urllib.request

from harness import CORPUS, Skip, once, process_row, wait_until
from test_discovery import ONLY, free_port, regimes, wait_regime, write

WORKERS = 4
REQUESTS = 40
UNITS = ("bytes", "blocks")
SERVICE = "pygrowd-e2e-web.service"
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup")  # where systemd's tree is, or could be


def start(t, cmdline):
    path = write(os.path.join(t.directory, "pygrowd.conf"), "metrics = off\n" + ONLY % cmdline)
    return t.pygrowd([], "-c", path, "--overhead", "50%", "--host-overhead", "100%", exact=False)


def wait_watched(pygrowd, pids):
    for pid in pids:
        wait_regime(pygrowd, pid, ("exact",))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return {int(word) for word in file.read().split()}


def rows_of(pygrowd, function, *words, by="lines"):
    """The rows that are blamed on it, two intervals after now."""
    pygrowd.report()
    rows = pygrowd.json("report", "-n", "1000", *words)[by]
    if by != "lines":
        return [row for row in rows if row["blame"] and row["blame"]["function"] == function]
    return [row for row in rows if row["function"] == function and row["blamed_stacks"]]


def check_row(row, truth):
    """truth: {pid: what that worker has leaked}"""
    pids = sorted(truth)
    assert row["pids"] == pids, "of pids %s, not %s" % (row["pids"], pids)
    assert row["pid"] == (pids[0] if len(pids) == 1 else None), "pid %s of %s" % (row["pid"], pids)
    key = "blamed_live_" if "blamed_live_bytes" in row else "live_"
    for unit in UNITS:
        leaked = sum(each[unit] for each in truth.values())
        assert abs(row[key + unit] - leaked) <= 0.01 * leaked + row[key + "bytes_error"], \
            "%d %s of %s, not %d" % (row[key + unit], unit, pids, leaked)


def check_report(t, name, pygrowd, function, truth, unit=None):
    """One row for all, by line and by stack; one for each if split."""
    rows = rows_of(pygrowd, function)
    assert len(rows) == 1, "%d rows of %s: %s" % (len(rows), function, rows)
    assert rows[0]["unit"] == unit and rows[0]["gone"] is None, rows[0]
    check_row(rows[0], truth)
    t.result("workers__%s_is_one_row" % name)
    stacks = rows_of(pygrowd, function, by="unit_stacks")
    check_row(max(stacks, key=lambda row: row["live_bytes"]), truth)
    t.result("workers__%s_is_one_stack" % name)
    split = {row["pid"]: row for row in rows_of(pygrowd, function, "--split")}
    assert set(split) == set(truth), "split into %s" % sorted(split)
    for pid, leaked in truth.items():
        check_row(split[pid], {pid: leaked})
    t.result("workers__%s_can_be_split" % name)
    one = min(truth)
    alone = rows_of(pygrowd, function, "--pid", str(one))
    assert len(alone) == 1, alone
    check_row(alone[0], {one: truth[one]})
    t.result("workers__%s_shows_one" % name)


class Server:
    """gunicorn, and what its workers say that they have leaked."""

    def __init__(self, t, prefix=()):
        if not os.path.exists("/usr/bin/gunicorn"):
            raise Skip("no gunicorn here (package gunicorn)")
        self.address = "127.0.0.1:%d" % free_port()
        self.process = t.process(*prefix, "/usr/bin/gunicorn", "--workers", str(WORKERS), "--bind",
                                 self.address, "--chdir", CORPUS, "prefork:app",
                                 env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        self.wait_up()

    def wait_up(self):
        wait_until("gunicorn answers, with %d workers: %s" % (WORKERS, self.process.stderr()),
                   lambda: len(self.workers()) == WORKERS and self.is_up())

    def workers(self):
        return children(self.process.pid)

    def is_up(self):
        try:
            return self.ask("")
        except OSError:
            return False

    def ask(self, what):
        with urllib.request.urlopen("http://%s/%s" % (self.address, what), timeout=10) as answer:
            return json.loads(answer.read())

    def leak(self):
        """{pid: what it has leaked so far}, once each worker has leaked something."""
        truth = {}

        def all_did():
            with concurrent.futures.ThreadPoolExecutor(2 * WORKERS) as pool:
                for answer in pool.map(self.ask, ["leak"] * REQUESTS):
                    before = truth.get(answer["pid"], {"blocks": 0})
                    truth[answer["pid"]] = max(answer, before, key=lambda each: each["blocks"])
            return set(truth) == self.workers()
        wait_until("each of %s has leaked: %s" % (self.workers(), sorted(truth)), all_did)
        return truth


@once
def gunicorn(t):
    server = Server(t)
    pygrowd = start(t, "prefork:app")
    wait_watched(pygrowd, server.workers() | {server.process.pid})
    t.result("workers__each_is_a_target")
    check_report(t, "gunicorn", pygrowd, "leak_block", server.leak())
    text = pygrowd.ctl("report", "-n", "100").stdout
    wide = [line for line in text.splitlines() if len(line) > 100]
    t.result("workers__in_words", None if "  %d processes  " % WORKERS in text and not wide else text)


@once
def one_is_replaced(t):
    """What it held goes from the sum when it ends, and the report says so."""
    server = Server(t)
    pygrowd = start(t, "prefork:app")
    wait_watched(pygrowd, server.workers())
    truth = server.leak()
    old = max(truth, key=lambda pid: truth[pid]["blocks"])
    # Who ends frees what it holds: what it held is known from before.
    before, = (row for row in rows_of(pygrowd, "leak_block", "--split") if row["pid"] == old)
    os.kill(old, signal.SIGTERM)
    wait_regime(pygrowd, old, ("gone",))
    server.wait_up()
    del truth[old]
    row, = rows_of(pygrowd, "leak_block")
    check_row(row, truth)
    assert row["gone"]["pids"] == [old], row["gone"]
    held, error = before["blamed_live_bytes"], before["blamed_live_bytes_error"]
    # At the most: what was estimated meanwhile may have been more.
    assert 0.99 * held - error <= row["gone"]["blamed_held_bytes"] <= 1.5 * held + error, \
        "%s, held %d ±%d" % (row["gone"], held, error)
    t.result("workers__who_has_gone_is_told_apart")
    text = pygrowd.ctl("report", "-n", "100").stdout
    t.result("workers__who_has_gone_in_words",
             None if "without pid %d, gone, which held up to " % old in text else text)
    new = server.workers() - set(truth)
    wait_watched(pygrowd, new)
    truth = server.leak()
    row, = rows_of(pygrowd, "leak_block")
    check_row(row, truth)
    t.result("workers__who_has_come_is_added", None if new < set(row["pids"]) else str(row))


@once
def pool_of_multiprocessing(t):
    target = t.target("pool.py")
    pygrowd = start(t, "corpus/pool.py")
    workers = children(target.pid)
    wait_watched(pygrowd, workers | {target.pid})
    answer, truth = {}, {}

    def all_did():
        answer.update(target.ask("leak", 30, 100))
        truth.update({row["pid"]: row for row in answer["workers"]})
        return set(truth) == workers
    wait_until("each of %s has leaked: %s" % (sorted(workers), sorted(truth)), all_did)
    check_report(t, "pool", pygrowd, "leak_block", truth)


@once
def two_services_stay_apart(t):
    """The same program as two services; their parent, which runs this, does not count."""
    places = [path for path in CGROUPS if os.path.exists(path + "/cgroup.procs")]
    if not places:
        raise Skip("no cgroup tree of systemd's here")
    cgroups = [os.path.join(places[0], above, SERVICE)
               for above in ("pygrowd-e2e-a.slice", "pygrowd-e2e-b.slice")]
    try:
        servers = []
        for cgroup in cgroups:
            try:
                os.makedirs(cgroup)
            except OSError as error:
                raise Skip("cannot make a cgroup: %s" % error)
            servers.append(Server(t, ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup]))
        pygrowd = start(t, "prefork:app")
        for server in servers:
            wait_watched(pygrowd, server.workers())
        truths = [server.leak() for server in servers]
        rows = rows_of(pygrowd, "leak_block")
        assert [row["unit"] for row in rows] == [SERVICE] * 2, rows
        for row, truth in zip(sorted(rows, key=lambda row: row["pids"]), sorted(truths, key=sorted)):
            check_row(row, truth)
        text = pygrowd.ctl("report", "-n", "100").stdout
        assert len(re.findall(r"leak_block\n.*  %d workers of %s  " % (WORKERS, SERVICE), text)) == 2, text
        assert process_row(pygrowd.json("status"), min(truths[0]))["unit"] == SERVICE
    finally:
        for process in (server.process for server in servers):
            process.end()
        for cgroup in cgroups:
            wait_until("the cgroup is empty", lambda: remove(cgroup))
            remove(os.path.dirname(cgroup))


def remove(directory):
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
