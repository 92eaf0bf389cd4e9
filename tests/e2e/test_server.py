# SPDX-License-Identifier: GPL-2.0-only
"""Does the server answer what INTERFACE promises: the commands, in text and in JSON?"""
import json
import os
import re
import unicodedata

from harness import ctl, function_row, once, process_row

COLUMNS = 100
TOP_KEYS = {"version", "at", "uptime_seconds", "processes", "stacks"}
PROCESS_KEYS = {"pid", "comm", "cmdline", "unit", "python", "build_id", "regime", "duty", "coverage",
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
