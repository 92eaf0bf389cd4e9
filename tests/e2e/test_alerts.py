# SPDX-License-Identifier: GPL-2.0-only
"""Is somebody told of a leak, once, and of nothing else?

Minutes are some tenths of a second here (alert-scale): what must have grown for 72 minutes has to
for 17 s, twice that where every block is followed.
"""
import datetime
import json
import os
import signal
import time

from harness import Pygrowd, once, seconds_of, wait_until
from test_discovery import ONLY, wait_regime, write

SCALE = "alert-scale = 0.4%\n"
INTERVAL = "100ms"
LEAK_SECONDS = 75  # long enough to be found, even beside others
HARMLESS = ("sawtooth_batches", "ttl_cache", "connection_pool", "thread_pool")


def watch(t, pids, config=SCALE, words=()):
    path = write(os.path.join(t.directory, "alerts.conf"), config)
    return t.pygrowd(pids, "-c", path, "--interval", INTERVAL, *words).wait_watching()


def alerts(pygrowd):
    return pygrowd.json("alerts", "-n", "100")["alerts"]


def in_state(pygrowd, state):
    return [row for row in alerts(pygrowd) if row["state"] == state]


def make_hook(t):
    """A program for alert-exec, and the file that it writes one line to for each call."""
    hook = os.path.join(t.directory, "hook.sh")
    out = os.path.join(t.directory, "hooked.json")
    os.chmod(write(hook, "#!/bin/sh\ncat >>'%s'\n" % out), 0o755)
    return hook, out


def hooked(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


@once
def leak_fires_and_resolves(t):
    """A leak, beside programs that only look like one; then it is given back."""
    harmless = [t.process(*t.python.argv("-B", t.python.script("harmless/%s.py" % name), "1", "0.1"))
                for name in HARMLESS]
    for program in harmless:
        assert program.popen.stdout.readline() == b"ready\n", program.stderr()
    target = t.target("leak_23.py")
    hook, out = make_hook(t)
    pygrowd = watch(t, [target.pid] + [program.pid for program in harmless],
                    SCALE + "alert-exec = '%s'\n" % hook)
    began = time.time()
    truth = target.ask("steadily", "large", LEAK_SECONDS)["bytes_per_second"]
    row = wait_until("an alert", lambda: in_state(pygrowd, "firing"), LEAK_SECONDS)[0]
    took = time.time() - began
    check_firing(t, row, truth, target, began)
    check_faces(t, pygrowd, row)
    # Until it has ended by itself: what is dropped before is taken again.
    time.sleep(max(0, began + LEAK_SECONDS + 2 - time.time()))
    others = [row for row in alerts(pygrowd) if row["pid"] != target.pid]
    t.result("alerts__harmless_ones_do_not_fire", None if not others else str(others))
    target.ask("drop")
    over = wait_until("it is resolved", lambda: in_state(pygrowd, "resolved"))[0]
    t.result("alerts__given_back_is_resolved", None if over["id"] == row["id"] and
             over["why"] == "released" and over["resolved_at"] and
             "was given back" in over["message"] else str(over))
    check_hook(t, out, row["id"])
    t.result("alerts__logged_once", None if pygrowd.stderr().count("alert: Memory taken by") == 1
             else pygrowd.stderr())
    print("      found after %.0f s, at a scale of 1/250: after %.0f minutes" % (took, took * 250 / 60))
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())


class Service:
    """A leaking target, one daemon after the other with the same state, and a hook."""

    def __init__(self, t):
        self.t, self.state = t, os.path.join(t.directory, "state")
        self.out, hook = os.path.join(t.directory, "hooked.json"), os.path.join(t.directory, "hook.sh")
        os.chmod(write(hook, "#!/bin/sh\ncat >>'%s'\n" % self.out), 0o755)
        self.config = write(os.path.join(t.directory, "pygrowd.conf"),
                            "metrics = off\noverhead = 50%%\nhost-overhead = 100%%\n%salert-exec = '%s'\n%s"
                            % (SCALE, hook, ONLY % "corpus/leak_23"))
        self.target = t.target("leak_23.py")

    def start(self):
        pygrowd = self.t.pygrowd([], "--state", self.state, "-c", self.config, "--interval", INTERVAL,
                                 exact=False)
        pygrowd.wait_answering()
        return pygrowd

    def hooked(self):
        if not os.path.exists(self.out):
            return []
        with open(self.out) as file:
            return [json.loads(line)["state"] for line in file if line.endswith("\n")]

    def check_goes_on(self, pygrowd, before, name):
        """The same alert, at once, and nobody is told again."""
        rows = alerts(pygrowd)
        same = [row for row in rows if all(row[key] == before[key] for key in
                                           ("id", "state", "since", "fired_at", "function", "unit"))]
        self.t.result("alerts__goes_on_after_%s" % name, None if len(rows) == 1 and same else
                      "%s, before: %s; it says: %s" % (rows, before, pygrowd.stderr()))


@once
def a_restart_does_not_say_it_again(t):
    """Fired; the daemon is killed, and another time stopped in order; then the leak has ended."""
    service = Service(t)
    pygrowd = service.start()
    wait_regime(pygrowd, service.target.pid, ("exact",))
    began = time.time()
    service.target.ask("steadily", "large", LEAK_SECONDS)
    wait_until("an alert", lambda: in_state(pygrowd, "firing"), LEAK_SECONDS)
    wait_until("the hook was called", lambda: service.hooked() == ["firing"])
    before = in_state(pygrowd, "firing")[0]
    pygrowd.end()  # SIGKILL
    pygrowd = service.start()
    service.check_goes_on(pygrowd, before, "sigkill")
    row = wait_until("its stack has come", lambda: [
        row for row in pygrowd.json("report", "-n", "100")["stacks"] if row["verdict"] == "growing"])[0]
    t.result("alerts__the_stack_goes_on", None if row["id"] == before["stack"] and abs(
        seconds_of(row["verdict_since"]) - seconds_of(before["since"])) < 2 else str(row))
    time.sleep(max(0, began + LEAK_SECONDS + 2 - time.time()))
    before = in_state(pygrowd, "firing")[0]
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
    pygrowd = service.start()
    service.check_goes_on(pygrowd, before, "sigterm")
    over = wait_until("it is resolved", lambda: in_state(pygrowd, "resolved"), 60)[0]
    t.result("alerts__not_growing_any_more_is_resolved", None if over["id"] == before["id"] and
             over["why"] == "stopped" and over["fired_at"] == before["fired_at"] else str(over))
    wait_until("the hook was called", lambda: len(service.hooked()) == 2)
    pygrowd.stop()
    pygrowd = service.start()
    rows = alerts(pygrowd)
    t.result("alerts__what_is_over_is_remembered", None if [
        (row["id"], row["resolved_at"]) for row in rows] == [(over["id"], over["resolved_at"])]
        else str(rows))
    time.sleep(2)
    t.result("alerts__the_hook_is_called_once_each", None if service.hooked() ==
             ["firing", "resolved"] else str(service.hooked()))
    pygrowd.stop()
    t.result("alerts__restarts_are_no_trouble", pygrowd.stderr() or None)


@once
def saved_alerts_of_no_use(t):
    """Damaged: said once, put aside, and it goes on."""
    service = Service(t)
    os.mkdir(service.state)
    path = write(os.path.join(service.state, "alerts.json"), '{ "format": 1, "alerts": [')
    pygrowd = service.start()
    lines = [line for line in pygrowd.stderr().splitlines() if "saved alerts" in line]
    t.result("alerts__damaged_ones_are_put_aside", None if len(lines) == 1 and path in lines[0] and
             os.path.exists(path + ".corrupt") and not os.path.exists(path) and
             pygrowd.json("alerts")["lost"].get("alerts_damaged") == 1 else pygrowd.stderr())
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())


def check_firing(t, row, truth, target, began):
    rate = row["growth_bytes_per_second"]
    t.result("alerts__the_function_to_blame", None if row["function"] == "leak_large" and
             row["file"].endswith("leak_23.py") and row["line"] > 0 and row["pid"] == target.pid
             else str(row))
    t.result("alerts__the_rate", None if abs(rate - truth) < 0.15 * truth
             else "%s, truly %s" % (rate, truth))
    t.result("alerts__since_when", None if began - 2 < seconds_of(row["since"]) < began + 25
             else "%s, truly %s" % (row["since"], began))
    words = ("Memory taken by leak_large (", "leak_23.py:%d)" % row["line"], "tau ",
             "At this rate ", "Next: pygrowctl show %s" % row["stack"])
    missing = [word for word in words if word not in row["message"]]
    t.result("alerts__the_sentence", "%s not in: %s" % (missing, row["message"]) if missing else None)


def check_faces(t, pygrowd, row):
    """The same in words, in the status, in the report of the stack."""
    text, status = pygrowd.ctl("alerts"), pygrowd.ctl("status")
    t.result("alerts__in_words", None if text.returncode == 0 and "1 alert fires" in text.stdout and
             "leak_large" in text.stdout and max(map(len, text.stdout.splitlines())) <= 100
             else text.stdout + text.stderr)
    t.result("alerts__in_the_status", None if "1 alert fires: pygrowctl alerts" in status.stdout
             else status.stdout)
    stacks = pygrowd.json("show", row["stack"])["stacks"]
    t.result("alerts__verdict_of_the_stack", None if stacks[0]["verdict"] == "growing" and
             stacks[0]["verdict_why"] == "rises" and stacks[0]["tau"] > 0.9 else str(stacks[0]))


def check_hook(t, path, alert_id):
    rows = wait_until("the hook was called twice",
                      lambda: [rows for rows in [hooked(path)] if len(rows) == 2])[0]
    t.result("alerts__the_hook_gets_both", None if sorted(row["state"] for row in rows) ==
             ["firing", "resolved"] and {row["id"] for row in rows} == {alert_id} else str(rows))


REASON = "mended in 2.4, which goes out in May"


def suppression(until):
    return "suppress known {\n\tfunction = leak_large\n\tfile = '*/leak_23.py'\n" \
           "\treason = '%s'\n\tuntil = %s\n}\n" % (REASON, until)


def reload(t, pygrowd, config, words="configuration read again"):
    """Returns what it says of it."""
    n = len(pygrowd.errors)
    write(os.path.join(t.directory, "alerts.conf"), config)
    pygrowd.signal(signal.SIGHUP)
    wait_until("'%s'" % words, lambda: words in "\n".join(pygrowd.errors[n:]))
    return "\n".join(pygrowd.errors[n:])


@once
def suppressed_leak_is_listed_and_not_said(t):
    """Until the suppression ends by itself; and again when it gets another date."""
    target = t.target("leak_23.py")
    hook, out = make_hook(t)
    config = SCALE + "alert-exec = '%s'\n" % hook
    pygrowd = watch(t, [target.pid], config + suppression("2099-01-01"), ("-v",))
    target.ask("steadily", "large", 2 * LEAK_SECONDS)
    row = wait_until("a suppressed alert", lambda: [row for row in alerts(pygrowd)
                                                    if row["suppressed"]], LEAK_SECONDS)[0]
    check_suppressed(t, pygrowd, row, out)

    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    end = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    reload(t, pygrowd, config + suppression(end))
    fired = wait_until("it fires by itself", lambda: hooked(out))[0]
    said = "alerts.conf:7: suppress known has ended"
    t.result("alerts__a_suppression_ends", None if fired["state"] == "firing" and
             fired["id"] == row["id"] and fired["suppressed"] is None and
             seconds_of(fired["fired_at"]) >= seconds_of(end) and pygrowd.stderr().count(said) == 1
             else "%s; %s" % (fired, pygrowd.stderr()))

    reload(t, pygrowd, config + suppression("2099-01-01"))
    over = wait_until("the hook hears that it is suppressed", lambda: hooked(out)[1:])[0]
    now = alerts(pygrowd)
    t.result("alerts__a_new_suppression_resolves", None if over["state"] == "resolved" and
             over["why"] == "suppressed" and over["suppressed"]["by"] == "known" and
             REASON in over["message"] and len(now) == 1 and now[0]["state"] == "firing" and
             now[0]["suppressed"]["reason"] == REASON else "%s; %s" % (over, now))

    said = reload(t, pygrowd, config + suppression("2027-02-30"), "stays in force")
    t.result("alerts__a_date_that_is_none", None if "alerts.conf:7: suppress known: until "
             "\"2027-02-30\": not a date" in said and alerts(pygrowd)[0]["suppressed"] else said)
    said = reload(t, pygrowd, config + suppression("2020-01-01"))
    wait_until("it fires again", lambda: len(hooked(out)) == 3)
    t.result("alerts__an_old_suppression_is_a_warning", None if "alerts.conf:7: suppress known ended "
             "on 2020-01-01" in said and said.count("has ended") == 0 else said)
    status, _ = pygrowd.stop()
    assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())


def check_suppressed(t, pygrowd, row, out):
    doc, text, status = pygrowd.json("alerts"), pygrowd.ctl("alerts").stdout, pygrowd.ctl("status").stdout
    want = {"by": "known", "reason": REASON, "until": "2099-01-01T00:00:00.000Z"}
    t.result("alerts__suppressed_row", None if row["state"] == "firing" and row["was_sent"] is False
             and row["suppressed"] == want and doc["alerts_firing"] == 0 and
             doc["alerts_suppressed"] == 1 and doc["lost"]["alerts_suppressed"] == 1 else str(doc))
    t.result("alerts__suppressed_in_words", None if "0 alerts fire, 1 suppressed, 0 resolved" in text
             and "Suppressed until 2099-01-01T00:00:00.000Z by known: " + REASON in text and
             "1 alert is suppressed: pygrowctl alerts" in status else text + status)
    verdict = pygrowd.json("show", row["stack"])["stacks"][0]["verdict"]
    time.sleep(1)
    t.result("alerts__suppressed_is_not_said", None if not hooked(out) and verdict == "growing" and
             "Memory taken by" not in pygrowd.stderr() else "%s; %s" % (verdict, pygrowd.stderr()))


@once
def thresholds_are_by_rule(t):
    """Two that leak alike, and one alert: of the function that a section names."""
    chosen, other = t.target("leak_23.py"), t.target("leak_23.py")
    pygrowd = watch(t, [chosen.pid, other.pid], SCALE + "alert-min-growth = 1TiB\n"
                    "alert chosen { function = leak_large alert-min-growth = 128KiB }\n")
    other.ask("steadily", "small", LEAK_SECONDS)
    chosen.ask("steadily", "large", LEAK_SECONDS)
    row = wait_until("an alert", lambda: in_state(pygrowd, "firing"), LEAK_SECONDS)[0]
    time.sleep(3)
    others = [stack for stack in pygrowd.json("report", "--split", "-n", "1000")["stacks"]
              if stack["pid"] == other.pid and stack["blame"]["function"] == "leak_small"]
    t.result("alerts__the_section_decides", None if row["pid"] == chosen.pid and
             len(alerts(pygrowd)) == 1 else str(alerts(pygrowd)))
    largest = max(others, key=lambda stack: stack["live_bytes"])
    t.result("alerts__elsewhere_it_is_too_small", None if largest["live_bytes"] > 1 << 20 and
             largest["verdict_why"] == "too-small" else str(largest))


@once
def wrong_keys_are_refused(t):
    """One clear line each, and no daemon."""
    for line, part in (("alert-after = soon", "not a duration"),
                       ("alert-exec = /no/such/hook", "/no/such/hook"),
                       ("alert-webhook = 'gopher://u:secret@h/'", "alert-webhook"),
                       ("suppress x { unit = y until = 2099-01-01 }", "without a reason"),
                       ("alert x { unit = y reason = z }", "no such option 'reason'")):
        path = write(os.path.join(t.directory, "wrong.conf"), line + "\n")
        target = t.target("leak_23.py")
        pygrowd = Pygrowd(t, [target.pid], "-c", path)
        status, _ = pygrowd.finish()
        lines = [text for text in pygrowd.errors if "watching pid" not in text]
        t.result("alerts__refused_%s" % line.split()[0], None if status == 1 and len(lines) == 1 and
                 part in lines[0] and "secret" not in lines[0] else "%d: %s" % (status, lines))
