# SPDX-License-Identifier: GPL-2.0-only
"""Wrong usage: exit 2 and one line; help and version: exit 0; --check: exit 0 where all is well."""
import re

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


@once
def check(t):
    target = t.target("leak_23.py")
    process = t.process(PYGROWD, "--check", "-p", str(target.pid), "--state", t.state)
    status, out = process.finish()
    assert status == 0, "exit status %d: %s%s" % (status, out, process.stderr())
    assert str(target.pid) in out + process.stderr(), "it says nothing of the target: %s" % out
