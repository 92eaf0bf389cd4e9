# SPDX-License-Identifier: GPL-2.0-only
"""Without the rights it needs, pygrowd names the missing capability in one line, and exits with 1.

CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON, so it goes first, and then each of the others.
"""
import os
import re
import shutil
import tempfile

from harness import PYGROWD, Skip, assert_text_is, once, text_of

NEEDED = ["bpf", "perfmon", "sys_ptrace"]


def run_as(t, target, *prefix):
    program = os.path.join(t.directory, "pygrowd")
    shutil.copy2(PYGROWD, program)
    state = tempfile.mkdtemp(dir=t.directory)
    os.chmod(state, 0o777)
    os.chmod(t.directory, 0o777)
    process = t.process(*prefix, program, "-p", str(target.pid), "--exact", "--for", "2s",
                        "--state", state)
    status, out = process.finish()
    return status, [line for line in process.stderr().splitlines() if line.strip()], out


@once
def one_capability_at_a_time(t):
    if not shutil.which("setpriv"):
        raise Skip("no setpriv (package util-linux)")
    target = t.target("lives.py")
    before = text_of(target.pid)
    for dropped in [[]] + [[name] for name in NEEDED]:
        words = ",".join("-" + name for name in ["sys_admin"] + dropped)
        status, lines, out = run_as(t, target, "setpriv", "--bounding-set", words)
        problem = None
        named = [name for name in dropped + ["sys_admin"]
                 if re.search(r"cap_%s\b" % name, " ".join(lines), re.I)]
        if status == 0 and dropped:
            problem = "it ran without CAP_%s; is that capability needed?" % dropped[0].upper()
        elif status != 0 and (len(lines) != 1 or not named):
            problem = "exit status %d, and not one line that names it: %s" % (status, lines)
        t.result("permissions__without_%s" % "_and_".join(["sys_admin"] + dropped), problem)
    assert_text_is(before, target.pid)


@once
def nobody(t):
    if not shutil.which("setpriv"):
        raise Skip("no setpriv (package util-linux)")
    target = t.target("lives.py")
    status, lines, out = run_as(t, target, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert status == 1, "exit status %d: %s" % (status, lines)
    assert len(lines) == 1 and re.search(r"cap_[a-z]+|root", lines[0], re.I), lines
    assert not out.strip(), out
