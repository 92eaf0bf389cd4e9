# SPDX-License-Identifier: GPL-2.0-only
"""Wrong usage: exit 2 and one line; help and version: exit 0; --check: exit 0 where all is well."""
import os
import re
import socket

from harness import PYGROWCTL, PYGROWD, once

WRONG = [  # name, program, words
    ("unknown_flag", PYGROWD, ["--no-such-flag"]),
    ("for_without_number", PYGROWD, ["-p", "1", "--for"]),
    ("for_nonsense", PYGROWD, ["-p", "1", "--for", "soon"]),
    ("for_negative", PYGROWD, ["-p", "1", "--for", "-3s"]),
    ("for_zero", PYGROWD, ["-p", "1", "--for", "0s"]),
    ("for_unknown_unit", PYGROWD, ["-p", "1", "--for", "3 parsecs"]),
    ("for_too_long", PYGROWD, ["-p", "1", "--for", "99999999999999999999s"]),
    ("interval_nonsense", PYGROWD, ["-p", "1", "--interval", "x"]),
    ("pid_nonsense", PYGROWD, ["-p", "python"]),
    ("pid_negative", PYGROWD, ["-p", "-5"]),
    ("pid_zero", PYGROWD, ["-p", "0"]),
    ("pid_too_large", PYGROWD, ["-p", "99999999999999999999"]),
    ("overhead_without_share", PYGROWD, ["-p", "1", "--overhead"]),
    ("overhead_nonsense", PYGROWD, ["-p", "1", "--overhead", "little"]),
    ("overhead_negative", PYGROWD, ["-p", "1", "--overhead", "-1%"]),
    ("overhead_zero", PYGROWD, ["-p", "1", "--overhead", "0%"]),
    ("overhead_too_small", PYGROWD, ["-p", "1", "--overhead", "0.009%"]),
    ("overhead_above_half", PYGROWD, ["-p", "1", "--overhead", "51%"]),
    ("overhead_1_is_all_of_it", PYGROWD, ["-p", "1", "--overhead", "1"]),
    ("overhead_two_signs", PYGROWD, ["-p", "1", "--overhead", "1%%"]),
    ("overhead_infinite", PYGROWD, ["-p", "1", "--overhead", "inf"]),
    ("overhead_empty", PYGROWD, ["-p", "1", "--overhead", ""]),
    ("overhead_and_exact", PYGROWD, ["-p", "1", "--overhead", "1%", "--exact"]),
    ("exact_and_overhead", PYGROWD, ["-p", "1", "--exact", "--overhead", "1%"]),
    ("host_overhead_nonsense", PYGROWD, ["-p", "1", "--host-overhead", "little"]),
    ("host_overhead_zero", PYGROWD, ["-p", "1", "--host-overhead", "0"]),
    ("host_overhead_too_small", PYGROWD, ["-p", "1", "--host-overhead", "0.009%"]),
    ("host_overhead_above_a_core", PYGROWD, ["-p", "1", "--host-overhead", "101%"]),
    ("host_overhead_and_exact", PYGROWD, ["-p", "1", "--host-overhead", "5%", "--exact"]),
    ("exact_without_process", PYGROWD, ["--exact"]),
    ("match_and_process", PYGROWD, ["-p", "1", "--match", "x"]),
    ("match_nonsense", PYGROWD, ["--match", "("]),
    ("match_too_long", PYGROWD, ["--match", "x" * 2000]),
    ("metrics_nonsense", PYGROWD, ["--metrics", "here"]),
    ("metrics_port_too_large", PYGROWD, ["--metrics", "127.0.0.1:65536"]),
    ("stray_word", PYGROWD, ["-p", "1", "stray"]),
    ("ctl_unknown_command", PYGROWCTL, ["no-such-command"]),
    ("ctl_unknown_flag", PYGROWCTL, ["--no-such-flag"]),
    ("ctl_n_nonsense", PYGROWCTL, ["report", "-n", "many"]),
    ("ctl_by_nonsense", PYGROWCTL, ["report", "--by", "colour"]),
    ("ctl_show_nothing", PYGROWCTL, ["show"]),
    ("ctl_diff_nothing", PYGROWCTL, ["diff"]),
    ("ctl_diff_nonsense", PYGROWCTL, ["diff", "yesterday"]),
    ("ctl_diff_minus_nonsense", PYGROWCTL, ["diff", "-10 parsecs"]),
    ("ctl_diff_three", PYGROWCTL, ["diff", "-10m", "-5m", "-1m"]),
]


@once
def wrong(t):
    for name, program, words in WRONG:
        process = t.process(program, *words)
        status, out = process.finish(10)
        lines = [line for line in process.stderr().splitlines() if line.strip()]
        problem = None
        if status != 2 or not 1 <= len(lines) <= 2 or out:
            problem = "exit status %d, stdout %r, stderr %r" % (status, out[:80], process.stderr()[:300])
        t.result("usage__" + name, problem)


@once
def right(t):
    for program in (PYGROWD, PYGROWCTL):
        name = program.rpartition("/")[2]
        process = t.process(program, "--help")
        status, out = process.finish(10)
        t.result("usage__%s_help" % name, None if status == 0 and name in out else
                 "exit status %d: %r" % (status, out[:200] + process.stderr()[:200]))
        wide = [line for line in out.splitlines() if len(line) > 100]
        t.result("usage__%s_help_fits" % name, "100 columns: %s" % wide[0] if wide else None)
        process = t.process(program, "--version")
        status, out = process.finish(10)
        t.result("usage__%s_version" % name, None if status == 0 and re.search(r"\d+\.\d+", out) else
                 "exit status %d: %r" % (status, out))


def run_check(t, *words, state=None):
    """Exit status, and {first words of each line: the line} of --check."""
    process = t.process(PYGROWD, "--check", "--socket", os.path.join(t.directory, "sock"), "--state",
                        state or t.state, *words)
    status, out = process.finish()
    assert not process.stderr(), process.stderr()
    return status, out.splitlines()


def verdict(lines, about):
    """ok, warn or fail of the only line about that."""
    found = [line.split()[0] for line in lines if about in line]
    assert len(found) == 1, "%d lines about %s: %s" % (len(found), about, lines)
    return found[0]


@once
def check(t):
    word = "the-one-of-%d" % os.getpid()
    target = t.target("leak_23.py", word)
    config = os.path.join(t.directory, "pygrowd.conf")
    with open(config, "w") as file:
        file.write("include one { cmdline = 'leak_23.py %s$' }\nmetrics = 127.0.0.1:0\n" % word)
    status, lines = run_check(t, "-c", config)
    assert status == 0, lines
    for about in ("config: " + config, "kernel, BTF", "state: ", "socket: ", "metrics: ", "select 1"):
        assert verdict(lines, about) == "ok", lines
    assert verdict(lines, "group pygrowd") in ("ok", "warn"), lines
    assert not os.path.exists(os.path.join(t.directory, "sock")), "the socket is left"
    status, lines = run_check(t, "-p", str(target.pid))
    assert status == 0 and verdict(lines, "pid %d: python %s" % (target.pid, t.python.version)) == "ok"


@once
def check_says_what_is_wrong(t):
    config, plain = os.path.join(t.directory, "bad.conf"), os.path.join(t.directory, "plain")
    section, ended = os.path.join(t.directory, "date.conf"), os.path.join(t.directory, "ended.conf")
    suppress = "suppress known {\n\tfunction = f\n\treason = known\n\tuntil = %s\n}\n"
    for path, text in ((config, "interval = 10s\noverhaed = 2%\n"), (plain, ""),
                       (section, suppress % "2027-02-30"), (ended, suppress % "2020-01-01")):
        with open(path, "w") as file:
            file.write(text)
    taken = socket.create_server(("127.0.0.1", 0))
    for name, about, wanted, words in (
            ("config", config + ":2: ", "fail", ("-c", config)),
            ("section", section + ":4: suppress known: until \"2027-02-30\"", "fail",
             ("-c", section)),
            ("no_config", "/nowhere.conf", "fail", ("-c", "/nowhere.conf")),
            ("metrics", ":%d: Address already in use" % taken.getsockname()[1], "fail",
             ("--metrics", "127.0.0.1:%d" % taken.getsockname()[1])),
            ("socket", "something that is no socket is there", "fail", ("--socket", plain)),
            ("process", "process 1", "fail", ("-p", "1"))):
        status, lines = run_check(t, *words)
        got = verdict(lines, about)
        t.result("usage__check_%s" % name, None if got == wanted and status == 1 else
                 "exit status %d: %s" % (status, lines))
    taken.close()
    status, lines = run_check(t, "-c", ended)
    t.result("usage__check_ended_suppression", None if status == 0 and
             verdict(lines, ended + ":4: suppress known ended on 2020-01-01") == "warn"
             else "exit status %d: %s" % (status, lines))
    status, lines = run_check(t, state="/proc/nowhere")
    t.result("usage__check_state", None if verdict(lines, "no history would be kept") == "warn" and
             status == 0 else "exit status %d: %s" % (status, lines))


@once
def check_beside_a_daemon(t):
    """That one is not disturbed, and what it has is not a failure."""
    pygrowd = t.pygrowd(t.target("leak_23.py")).wait_watching()
    status, lines = run_check(t, "--socket", pygrowd.socket)
    assert status == 0 and verdict(lines, "answers on %s already" % pygrowd.socket) == "warn", lines
    assert pygrowd.ctl("status").returncode == 0, pygrowd.stderr()
