# SPDX-License-Identifier: GPL-2.0-only
"""Does the server answer what INTERFACE promises: the commands, in text and in JSON?"""
import json
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import time
import unicodedata
import urllib.request

from harness import CORPUS, PYGROWCTL, ctl, function_row, once, process_row, wait_until

COLUMNS = 100
TOP_KEYS = {"version", "at", "uptime_seconds", "processes", "stacks"}
PROCESS_KEYS = {"pid", "uid", "comm", "cmdline", "unit", "python", "build_id", "regime", "duty", "coverage",
                "coverage_frees", "overhead", "rss_bytes", "uss_bytes", "pymalloc_bytes", "libc_bytes",
                "unexplained_bytes", "samples", "lost", "hits", "gc"}
STACK_KEYS = {"id", "pid", "verdict", "live_bytes", "live_bytes_error", "live_blocks",
              "growth_bytes_per_second", "growth_error", "tau", "p_value", "since", "age_seconds",
              "survival", "types", "gc", "blame", "frames"}


def columns(line):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
               if not unicodedata.combining(char))


def check_text(done):
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "no text"
    wide = [line for line in done.stdout.splitlines() if columns(line) > COLUMNS]
    assert not wide, "%d columns: %s" % (columns(wide[0]), wide[0])
    assert "\x1b" not in done.stdout, "terminal sequences without a terminal"
    return done.stdout


@once
def commands(t):
    target = t.target("leak_23.py")
    pygrowd = t.pygrowd(target).wait_watching()
    for _ in range(3):
        target.ask("tick", "large", 30)
        report = pygrowd.report()
    top = report["stacks"][0]

    def attempt(name, function):
        try:
            function()
            t.result("server__" + name)
        except AssertionError as problem:
            t.result("server__" + name, str(problem))

    def status_text():
        text = check_text(pygrowd.ctl("status"))
        assert str(target.pid) in text and t.python.version in text and "exact" in text, text
        assert check_text(pygrowd.ctl()) and "%" in text, "no coverage in: %s" % text

    def status_json():
        process = process_row(pygrowd.json("status"), target.pid)
        missing = PROCESS_KEYS - set(process)
        assert not missing, "processes[] has no %s" % ", ".join(sorted(missing))
        assert process["regime"] == "exact" and process["python"] == t.python.version, process
        assert process["duty"] == 1 and process["samples"] > 0, process
        with open("/proc/%d/statm" % target.pid) as statm:
            rss = int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        assert abs(process["rss_bytes"] - rss) < 0.2 * rss, "rss %s, is %s" % (process["rss_bytes"], rss)

    def report_text():
        for words in ((), ("-n", "1"), ("--pid", str(target.pid)), ("--by", "stack"), ("--by", "line"),
                      ("--by", "function")):
            text = check_text(pygrowd.ctl("report", *words))
            assert "leak_large" in text and "leak_23.py" in text, "report %s: %s" % (words, text)

    def report_json():
        missing = TOP_KEYS - set(report)
        assert not missing, "the report has no %s" % ", ".join(sorted(missing))
        missing = STACK_KEYS - set(top)
        assert not missing, "stacks[] has no %s" % ", ".join(sorted(missing))
        assert top["blame"]["function"] == "leak_large", top["blame"]
        assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", report["at"]), report["at"]
        assert len(pygrowd.json("report", "-n", "1")["stacks"]) == 1, "-n 1 gives more than one"
        assert not pygrowd.json("report", "--pid", "1")["stacks"], "--pid 1 gives stacks"
        growths = [stack["growth_bytes_per_second"] or 0 for stack in report["stacks"]]
        assert growths == sorted(growths, reverse=True), "stacks are not sorted by growth"
        assert top["live_bytes"] <= function_row(report, "tick", target.pid)["live_bytes"]
        for rows in (report["lines"], report["functions"]):
            assert any(row["function"] == "leak_large" and row["blamed_live_bytes"] for row in rows)

    def show():
        text = check_text(pygrowd.ctl("show", str(top["id"])))
        assert "leak_large" in text and "tick" in text and "serve" in text, text
        shown = pygrowd.json("show", str(top["id"]))
        assert "leak_large" in json.dumps(shown), shown
        wrong = pygrowd.ctl("show", "no-such-stack")
        assert wrong.returncode in (1, 2) and len(wrong.stderr.splitlines()) == 1, wrong

    def top_page():
        text = check_text(pygrowd.ctl("top"))
        assert "leak_large" in text, text

    def stops():
        code, _ = pygrowd.stop()
        assert code == 0, "SIGTERM: exit status %d: %s" % (code, pygrowd.stderr())
        assert not os.path.exists(pygrowd.socket), "the socket is left behind"
        late = ctl(pygrowd.socket, "status")
        assert late.returncode == 1 and len(late.stderr.splitlines()) == 1, late

    for function in (status_text, status_json, report_text, report_json, show, top_page, stops):
        attempt(function.__name__, function)


@once
def for_a_while(t):
    """On demand: no daemon, no configuration, the report on stdout, as text and as JSON."""
    target = t.target("leak_23.py")
    for words in ((), ("--json",)):
        pygrowd = t.pygrowd(target, "--for", "4s", *words).wait_watching()
        target.ask("steadily", "large", 4)
        status, out = pygrowd.finish()
        assert status == 0, "exit status %d: %s" % (status, pygrowd.stderr())
        if words:
            assert json.loads(out)["stacks"][0]["blame"]["function"] == "leak_large", out[:500]
        else:
            wide = [line for line in out.splitlines() if columns(line) > COLUMNS]
            assert not wide, "%d columns: %s" % (columns(wide[0]), wide[0])
            assert "leak_large" in out and "leak_23.py:" in out, out


@once
def a_second_server_is_refused(t):
    target = t.target("leak_23.py")
    first = t.pygrowd(target).wait_watching()
    second = t.process(*first.argv)
    status, _ = second.finish()
    assert status == 1 and first.socket in second.stderr(), (status, second.stderr())
    assert first.ctl("status").returncode == 0, "the first server does not answer any more"


# ── clients that are many, slow, hostile, or somebody else ───────────────────────────────────
PLACES = 1016  # CTL_CLIENTS_MAX; given that many descriptors, times four
NOBODY = 65534
STATUS = b'{"command":"status"}'


def frame(text, length=None):
    return b"PYGD" + struct.pack("<II", 1, len(text) if length is None else length) + text


def connect(pygrowd):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(pygrowd.socket)
    return client


def send(client, data):
    """As much as the daemon takes: it may have said no, and closed, long before the end."""
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def answer(client):
    """What it says until it closes, which it must."""
    got = b""
    while True:
        try:
            part = client.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        got += part
    client.close()
    assert got[:4] == b"PYGD", "no answer: %r" % got[:80]
    return json.loads(got[12:])


def lost(pygrowd):
    return pygrowd.json("status")["lost"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def descriptors(pygrowd):
    return len(os.listdir("/proc/%d/fd" % pygrowd.pid))


@once
def a_thousand_clients(t):
    """All of them are answered, the one too many is told at once, and all of it is counted."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4 * PLACES), max(before[1], 4 * PLACES)))
    port = free_port()
    try:
        pygrowd = t.pygrowd(t.target("leak_23.py"), "--metrics", "127.0.0.1:%d" % port).wait_watching()
        pygrowd.wait_answering()
        idle = descriptors(pygrowd)
        clients = [connect(pygrowd) for _ in range(PLACES)]
        refused = answer(connect(pygrowd))
        assert "as many clients as it takes" in refused.get("error", ""), refused
        for client in clients:
            send(client, frame(STATUS))
        wrong = [got for got in map(answer, clients) if "processes" not in got]
        assert not wrong, "%d of %d have no document, but %s" % (len(wrong), PLACES, wrong[0])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert lost(pygrowd) == {"ctl_busy": 1}, lost(pygrowd)
    assert "ctl_busy" in check_text(pygrowd.ctl("status"))
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=10) as page:
        text = page.read().decode()
    assert '\npygrowd_lost_total{reason="ctl_busy"} 1\n' in text, text[-1500:]
    wait_until("its descriptors are those of before", lambda: descriptors(pygrowd) <= idle)


@once
def hostile_clients(t):
    """Each is told what is wrong, nobody else notices, nothing of them stays."""
    pygrowd = t.pygrowd(t.target("leak_23.py")).wait_watching()
    pygrowd.wait_answering()
    idle, began = descriptors(pygrowd), time.monotonic()
    silent, unread = connect(pygrowd), connect(pygrowd)
    slow = connect(pygrowd)
    send(unread, frame(b'{"command":"report","limit":5000}'))
    for name, data, wanted in (
            ("garbage", os.urandom(4096), "not in pygrowctl's protocol"),
            ("http", b"GET / HTTP/1.1\r\n\r\n", "not in pygrowctl's protocol"),
            ("10_megabytes", frame(b" " * (10 << 20)), "longer than 64 KiB"),
            ("10_megabytes_of_garbage", os.urandom(10 << 20), "not in pygrowctl's protocol"),
            ("most_that_can_be_said", frame(b"", 0xffffffff), "longer than 64 KiB"),
            ("no_json", frame(b"\0" * 1000), "not one JSON object"),
            ("deep_json", frame(b"[" * 60000), "not one JSON object"),
            ("wrong_types", frame(b'{"command":["status"],"pid":{}}'), "not known")):
        client = connect(pygrowd)
        send(client, data)
        got = answer(client).get("error", "")
        t.result("server__hostile_" + name, None if wanted in got and "\n" not in got else repr(got))
    for byte in frame(STATUS)[:6]:
        slow.sendall(bytes([byte]))
        if pygrowd.ctl("status").returncode != 0:
            t.result("server__hostile_slow", "nobody else is answered meanwhile")
        time.sleep(0.7)
    told = [answer(client).get("error", "") for client in (silent, slow)]
    seconds = time.monotonic() - began
    t.result("server__hostile_slow", None if all("in time" in words for words in told) and seconds < 8
             else "after %.1f s: %s" % (seconds, told))
    counted = lost(pygrowd)
    t.result("server__hostile_counted", None if counted == {"ctl_wrong": 7, "ctl_slow": 2} else counted)
    unread.close()
    wait_until("its descriptors are those of before", lambda: descriptors(pygrowd) <= idle)
    t.result("server__hostile_leaves_nothing")


def ctl_as(t, pygrowd, *groups):
    """pygrowctl --json status as nobody, in these groups."""
    program = os.path.join(t.directory, "pygrowctl")
    if not os.path.exists(program):
        shutil.copy2(PYGROWCTL, program)
    return subprocess.run(["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY,
                           "--groups=" + ",".join(groups) if groups else "--clear-groups", program,
                           "--socket", pygrowd.socket, "--json", "status"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30)


@once
def others_may_not_ask(t):
    """Not through the socket's mode; nor if somebody has loosened it."""
    pygrowd = t.pygrowd(t.target("leak_23.py")).wait_watching()
    pygrowd.wait_answering()
    done = ctl_as(t, pygrowd)
    assert done.returncode == 1 and "Permission denied" in done.stderr, done
    os.chmod(pygrowd.socket, 0o666)
    for _ in range(3):
        done = ctl_as(t, pygrowd)
        assert done.returncode == 1 and not done.stdout, done
        assert "may not ask" in done.stderr and len(done.stderr.splitlines()) == 1, done
    assert lost(pygrowd) == {"ctl_denied": 3}, lost(pygrowd)
    lines = [line for line in pygrowd.errors if "uid %d may not ask" % NOBODY in line]
    assert len(lines) == 1, "not one line in its log: %s" % pygrowd.stderr()


@once
def command_lines_are_their_owners(t):
    """A member of the group is shown its own; root all."""
    roots = t.target("leak_23.py", "secret")
    # The sources may be in a directory that is closed to others.
    for name in ("leak_23.py", "commands.py"):
        os.chmod(shutil.copyfile(os.path.join(CORPUS, name), os.path.join(t.directory, name)), 0o644)
    nobodys = t.process("setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups",
                        *t.python.command, os.path.join(t.directory, "leak_23.py"), "token")
    assert nobodys.popen.stdout.readline(), nobodys.stderr()
    pygrowd = t.pygrowd([roots.pid, nobodys.pid]).wait_watching()
    everything = pygrowd.json("status")
    for pid, word, uid in ((roots.pid, "secret", 0), (nobodys.pid, "token", NOBODY)):
        row = process_row(everything, pid)
        assert word in row["cmdline"] and row["uid"] == uid, row
    done = ctl_as(t, pygrowd, str(os.stat(pygrowd.socket).st_gid))
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout, done.stdout
    seen = json.loads(done.stdout)
    assert process_row(seen, roots.pid)["cmdline"] is None, process_row(seen, roots.pid)
    assert process_row(seen, roots.pid)["comm"], process_row(seen, roots.pid)
    assert "token" in process_row(seen, nobodys.pid)["cmdline"], process_row(seen, nobodys.pid)
