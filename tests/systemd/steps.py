# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a package in its life, one step after the other, under a real systemd.

Runs in the container that run.sh boots: /mnt/test is this directory, /mnt/packages has old.deb and
new.deb. Prints one line a step and "systemd: N passed, N failed, N skipped" at the end. A step that
fails does not stop the others, unless nothing can work without it.
"""
import datetime
import grp
import json
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.request

UNIT = "pygrowd.service"
SOCKET = "/run/pygrowd/pygrowd.sock"
STATE = "/var/lib/pygrowd"
DROP_IN = "/etc/pygrowd/pygrowd.conf.d/test.conf"
APP = "http://127.0.0.1:8000/?"
METRICS = "http://127.0.0.1:9748/metrics"
BASE = "metrics = 127.0.0.1:9748\ninterval = 500ms\n"
# What a purge is not to be blamed for: logs, what dpkg and apt know and remember, and the /tmp that
# each start of another service has of its own.
NOT_OURS = ("/var/log/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/", "/var/backups/",
            "/var/tmp/systemd-private-")
# Above this, somebody has loosened the unit: see systemd-analyze security pygrowd.
EXPOSURE_MAX = 4.0
HISTORY_STEP_SEC = 10
# MESSAGE_ID= of log.h, as pygrowd(8) promises them.
STARTED, STOPPED = "c28fc4024b8a49f98d064b895217cd00", "e8d956278cb74f68ae727f85bc2173b0"
RELOADED, RELOAD_REFUSED = "df624dd46a2f4ce7b2800514c91429c7", "adf799f7f2764d19b768690c27bb91b9"
STEPS = []


def step(function):
    STEPS.append(function)
    return function


# ── means ────────────────────────────────────────────────────────────────────────────────────
def run(*argv, seconds=60, check=True):
    """What it printed, on both; an AssertionError with that if it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=seconds)
    assert done.returncode == 0 or not check, "%s: exit status %d: %s" % (
        " ".join(argv), done.returncode, done.stdout.strip()[-400:])
    return done.stdout


def succeeds(*argv):
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL, timeout=60).returncode == 0


def apt(*words):
    return run("apt-get", "-q", "-y", *words, seconds=120)


def until(what, condition, seconds=20):
    """Its first true value; `what` is text, or called when it was in vain."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited %g s in vain: %s" % (
            seconds, what() if callable(what) else what)
        time.sleep(0.1)


def unit(name, of=UNIT):
    return run("systemctl", "show", "--value", "-p", name, of).strip()


def main_pid():
    return int(unit("MainPID"))


def is_active():
    return unit("ActiveState") == "active"


def ask(*words):
    """pygrowctl's answer; None while nobody answers."""
    done = subprocess.run(["pygrowctl", "--json", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=30)
    return json.loads(done.stdout) if done.returncode == 0 else None


def regimes():
    """{pid: regime}; nobody while the daemon does not answer."""
    return {row["pid"]: row["regime"] for row in (ask("status") or {"processes": []})["processes"]}


def workers():
    """The PIDs of gunicorn's workers: its children."""
    master = unit("MainPID", "leaky.service")
    return {int(pid) for pid in run("ps", "-o", "pid=", "--ppid", master, check=False).split()}


def are_watched(pids):
    known = regimes()
    return bool(pids) and all(known.get(pid) in ("exact", "windows", "waiting") for pid in pids)


def journal(since):
    return run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT, "--since", since)


def events(message_id):
    """The journal's entries of that kind, with all their fields."""
    lines = run("journalctl", "--no-pager", "-o", "json", "MESSAGE_ID=%s" % message_id, check=False)
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def now():
    return "@%d" % time.time()


def configure(text):
    with open(DROP_IN, "w") as file:
        file.write(BASE + text)
    run("systemctl", "reload", UNIT)


def files():
    """Every path of the root file system, but those that are not ours: the app's /tmp is new with
    each of its starts."""
    paths = run("find", "/", "-xdev", "-print").splitlines()
    return {path for path in paths
            if not (path + "/").startswith(NOT_OURS) and "-leaky.service-" not in path}


def groups():
    with open("/etc/group") as file:
        return file.read()


def leaking_line():
    with open("/mnt/test/leaky.py") as file:
        return [number for number, line in enumerate(file, 1) if line.endswith("# LEAK\n")][0]


class Visitors:
    """Ask the app for ever new things; count the answers and the failures."""

    def __init__(self):
        self.served = self.failed = 0
        self.thread = threading.Thread(target=self.visit, daemon=True)

    def visit(self):
        while True:
            try:
                with urllib.request.urlopen(APP + str(self.served), timeout=5) as answer:
                    answer.read()
                self.served += 1
            except OSError:
                self.failed += 1
            time.sleep(0.01)


VISITORS = Visitors()
BEFORE = {}  # what the root was like before the package came


# ── the life of a package ────────────────────────────────────────────────────────────────────
@step
def install():
    apt("install", "/mnt/packages/old.deb")
    until("the service is active: %s" % unit("StatusText"), is_active)
    assert unit("UnitFileState") == "enabled", unit("UnitFileState")
    until("pygrowctl is answered", lambda: ask("status"))


@step
def files_have_the_right_owners():
    group = grp.getgrnam("pygrowd").gr_gid
    for path, mode, owner in ((SOCKET, 0o660, group), ("/run/pygrowd", 0o750, group),
                              (STATE, 0o700, None), ("/etc/pygrowd/pygrowd.conf", 0o644, 0)):
        found = os.stat(path)
        assert stat.S_IMODE(found.st_mode) == mode, "%s: mode %o" % (path, found.st_mode)
        assert found.st_uid == 0 and owner in (None, found.st_gid), "%s: gid %d" % (path, found.st_gid)


@step
def only_its_group_may_ask():
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534")
    assert succeeds(*as_nobody, "--groups=pygrowd", "pygrowctl", "status"), "a member is refused"
    assert not succeeds(*as_nobody, "--clear-groups", "pygrowctl", "status"), "anybody may ask"
    os.chmod("/run/pygrowd", 0o755)
    os.chmod(SOCKET, 0o666)
    why = run(*as_nobody, "--clear-groups", "pygrowctl", "status", check=False)
    os.chmod(SOCKET, 0o660)
    os.chmod("/run/pygrowd", 0o750)
    assert "may not ask" in why and len(why.splitlines()) == 1, "a loosened mode lets in: %s" % why


def cmdlines(user):
    """What a member of the group sees of the workers."""
    known = pwd.getpwnam(user)
    text = run("setpriv", "--reuid=%d" % known.pw_uid, "--regid=%d" % known.pw_gid,
               "--groups=pygrowd", "pygrowctl", "--json", "status")
    return [row["cmdline"] for row in json.loads(text)["processes"] if row["pid"] in workers()]


@step
def command_lines_are_their_owners():
    until(lambda: "all workers are watched: %s" % regimes(), lambda: are_watched(workers()), 60)
    assert set(cmdlines("nobody")) == {None}, cmdlines("nobody")
    assert all("gunicorn" in text for text in cmdlines("www-data")), cmdlines("www-data")


@step
def check_says_that_it_could_run():
    text = run("pygrowd", "--check")
    assert "ok    group pygrowd" in text and "answers on %s already" % SOCKET in text, text


@step
def reload_good_config():
    configure("")
    until(lambda: "all workers are watched: %s" % regimes(), lambda: are_watched(workers()), 60)
    configure("exclude leaky {\n\tunit = 'leaky.service'\n}\n")
    until(lambda: "workers are excluded: %s" % regimes(),
          lambda: all(regimes().get(pid) == "excluded" for pid in workers()))
    configure("")
    until(lambda: "workers are watched again: %s" % regimes(), lambda: are_watched(workers()))


def names_the_leak():
    """The report's row of the leaking line in one of the workers, if it grows."""
    rows = (ask("report", "--by", "stack") or {"stacks": []})["stacks"]
    for row in rows:
        blame = row["blame"] or {}
        if (row["pid"] in workers() and (blame.get("file") or "").endswith("/leaky.py")
                and blame["line"] == leaking_line() and (row["growth_bytes_per_second"] or 0) > 0):
            return row
    return None


@step
def the_leaking_line_is_named():
    until(lambda: "leaky.py:%d of a worker is in the report: %s" % (
        leaking_line(), run("pygrowctl", "report", check=False)[:1500]), names_the_leak, 90)


@step
def metrics_are_served():
    with urllib.request.urlopen(METRICS, timeout=10) as answer:
        text = answer.read().decode()
    assert "\npygrowd_build_info{" in "\n" + text, text[:300]


@step
def a_watched_unit_is_restarted():
    """Its processes go and others come: these are watched, and their leak is named."""
    old = workers()
    run("systemctl", "restart", "leaky.service")
    served = VISITORS.served
    until("the app serves again", lambda: VISITORS.served > served + 40 and len(workers()) == 4)
    VISITORS.failed = 0  # while there was no app
    new = BEFORE["workers"] = workers()
    assert not new & old, "%s are still there" % (new & old)
    until(lambda: "the new workers are watched: %s" % regimes(), lambda: are_watched(new))
    rows = {row["pid"]: row for row in ask("status")["processes"]}
    assert {rows[pid]["unit"] for pid in new} == {"leaky.service"}, rows
    assert {rows[pid]["regime"] for pid in old & set(rows)} <= {"gone"}, regimes()
    until(lambda: "the leak is named again: %s" % regimes(), names_the_leak, 90)


@step
def a_bad_config_is_said_and_changes_nothing():
    pid, since = main_pid(), now()
    configure("overhaed = 2%\n")
    wanted = "%s:%d:" % (DROP_IN, len(BASE.splitlines()) + 1)
    until(lambda: "the journal has %s: %s" % (wanted, journal(since)),
          lambda: wanted in journal(since))
    assert is_active() and main_pid() == pid, "the service did not go on"
    assert are_watched(workers()), "workers are not watched any more: %s" % regimes()
    configure("")


@step
def the_journal_has_fields():
    for what, message_id, priority in (("started", STARTED, "6"), ("reloaded", RELOADED, "6"),
                                       ("refused", RELOAD_REFUSED, "3")):
        rows = until("the journal has an entry for %s" % what, lambda: events(message_id))
        assert all(row["PRIORITY"] == priority and row["SYSLOG_IDENTIFIER"] == "pygrowd" and
                   row["CODE_FILE"].endswith(".c") and row["_SYSTEMD_UNIT"] == UNIT
                   for row in rows), rows
    assert "overhaed" in events(RELOAD_REFUSED)[-1]["MESSAGE"], events(RELOAD_REFUSED)


@step
def a_restart_keeps_history():
    pid, moment = main_pid(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(HISTORY_STEP_SEC)  # so that the point of that moment is the first daemon's only
    run("systemctl", "stop", UNIT)
    until("the journal says that it stopped", lambda: events(STOPPED))
    stopped = datetime.datetime.now(datetime.timezone.utc).isoformat()
    run("systemctl", "start", UNIT)
    assert is_active() and main_pid() != pid, "not another process: %d" % pid
    until(lambda: "the leak is named again: %s" % regimes(), names_the_leak, 90)

    def leak_in_diff():
        """What the leak held at a moment before, and what it holds now."""
        answer = ask("diff", "-n", "100", moment) or {"stacks": []}
        return [row for row in answer["stacks"] if row["from_bytes"] and row["to_bytes"]
                and any((frame["file"] or "").endswith("/leaky.py") for frame in row["frames"])
                and answer["from"]["at"] < stopped < answer["to"]["at"]]
    until(lambda: "diff knows what the leak held before %s: %s" % (stopped, run(
        "pygrowctl", "diff", moment, check=False)), leak_in_diff)


@step
def who_is_killed_is_started_again():
    pid, since = main_pid(), now()
    os.kill(pid, signal.SIGKILL)
    until(lambda: "another process: %s" % journal(since),
          lambda: is_active() and main_pid() not in (0, pid))
    assert int(unit("NRestarts")) == 1, "not at the first try: %s" % journal(since)
    until(lambda: "workers are watched again: %s" % regimes(), lambda: are_watched(workers()))
    until(lambda: "the leak is named again: %s" % regimes(), names_the_leak, 90)


@step
def the_watchdog_restarts_what_is_stopped():
    os.makedirs("/run/systemd/system/pygrowd.service.d", exist_ok=True)
    with open("/run/systemd/system/pygrowd.service.d/watchdog.conf", "w") as file:
        file.write("[Service]\nWatchdogSec=3s\nRestartSec=1s\nTimeoutStopSec=10s\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    pid, since = main_pid(), now()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: "another process: %s" % journal(since),
          lambda: is_active() and main_pid() not in (0, pid), 40)
    assert int(unit("NRestarts")) == 1, "NRestarts is %s" % unit("NRestarts")
    assert "atchdog" in journal(since), "not by the watchdog: %s" % journal(since)
    assert not os.path.exists("/proc/%d" % pid), "the stopped one is still there"
    until(lambda: "workers are watched again: %s" % regimes(), lambda: are_watched(workers()))


@step
def upgrade():
    pid, old = main_pid(), run("dpkg-query", "-W", "-f", "${Version}", "pygrowd")
    apt("install", "/mnt/packages/new.deb")
    new = run("dpkg-query", "-W", "-f", "${Version}", "pygrowd")
    assert succeeds("dpkg", "--compare-versions", new, "gt", old), "%s after %s" % (new, old)
    assert is_active() and main_pid() != pid, "the old one still runs"
    assert os.path.exists(DROP_IN), "the configuration is gone"
    until(lambda: "workers are watched again: %s" % regimes(), lambda: are_watched(workers()))


@step
def an_upgrade_leaves_a_disabled_service_disabled():
    run("systemctl", "disable", UNIT)
    apt("install", "--reinstall", "/mnt/packages/new.deb")
    assert unit("UnitFileState") == "disabled", unit("UnitFileState")
    run("systemctl", "enable", UNIT)


@step
def exposure():
    line = run("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1]
    score = float(re.search(r": ([0-9.]+) ", line).group(1))
    print("  note   %s" % line.strip("→ "))
    assert score <= EXPOSURE_MAX, "%.1f, more than %.1f" % (score, EXPOSURE_MAX)


@step
def remove_keeps_config_and_history():
    pid = main_pid()
    apt("remove", "pygrowd")
    assert not os.path.exists("/proc/%d" % pid), "the service still runs"
    assert os.path.exists(DROP_IN) and os.path.isdir(STATE), "more is gone than the programs"
    left = [name for name in commands() if name.startswith("pygrowd")]
    assert not left, "still running: %s" % left


def commands():
    return run("ps", "-e", "-o", "comm=").split()


@step
def the_app_never_noticed():
    """No breakpoint stayed: the workers are those of the beginning, and no request ever failed."""
    served = VISITORS.served
    until("visitors are served", lambda: VISITORS.served > served + 40)
    assert workers() == BEFORE["workers"], "workers died: %s of %s are left" % (
        workers() & BEFORE["workers"], BEFORE["workers"])
    assert not VISITORS.failed, "%d of %d requests failed" % (VISITORS.failed, VISITORS.served)


@step
def purge_leaves_nothing():
    apt("purge", "pygrowd")
    left = sorted(files() - BEFORE["files"])
    assert not left, "left: %s" % " ".join(left[:20])
    gone = sorted(BEFORE["files"] - files())
    assert not gone, "gone with it: %s" % " ".join(gone[:20])
    assert groups() == BEFORE["groups"], "/etc/group: %s" % groups().splitlines()[-1]
    assert not os.path.exists("/run/pygrowd"), "/run/pygrowd is left"
    assert unit("LoadState") in ("not-found", "masked"), unit("LoadState")


# ── all of them ──────────────────────────────────────────────────────────────────────────────
def prepare():
    """The app is there before the package, and stays when that goes."""
    run("systemctl", "start", "leaky.service")
    until("the app has 4 workers", lambda: len(workers()) == 4)
    VISITORS.thread.start()
    until("the app serves", lambda: VISITORS.served)
    VISITORS.failed = 0
    BEFORE.update(files=files(), groups=groups(), workers=workers())


def why_not(function):
    """None, or in one line why it failed."""
    try:
        function()
        return None
    except Exception as error:  # whatever it is, the other steps are of interest
        return " ".join(("%s: %s" % (type(error).__name__, error)).split())


def main():
    sys.stdout.reconfigure(line_buffering=True)
    passed = failed = skipped = 0
    prepare()
    for function in STEPS:
        if failed and passed == 0:
            print("  skip   systemd__%s: the package could not be installed" % function.__name__)
            skipped += 1
            continue
        why = why_not(function)
        passed, failed = passed + (why is None), failed + (why is not None)
        print("  %-6s systemd__%s%s" % ("FAIL" if why else "ok", function.__name__,
                                        ": " + why if why else ""))
    if failed:
        print(run("journalctl", "--no-pager", "-n", "80", "-u", UNIT, check=False), file=sys.stderr)
    print("systemd: %d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
