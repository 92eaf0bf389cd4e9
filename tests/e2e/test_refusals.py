# SPDX-License-Identifier: GPL-2.0-only
"""What cannot be watched gets one clear line, exit status 1, and is left as it was."""
import os
import subprocess

from harness import PATIENCE, assert_text_is, once, text_of

SLEEP = "import sys, time\nsys.stdout.write('ready\\n')\nsys.stdout.flush()\ntime.sleep(600)"


def refused(t, pid, *says):
    """None, or what is wrong with how pygrowd refuses this PID; it must say one of `says`."""
    pygrowd = t.pygrowd([pid], "--for", "3s")
    status, out = pygrowd.finish(PATIENCE)
    lines = [line for line in pygrowd.stderr().splitlines() if line.strip()]
    if status == 0 or status < 0:
        return "exit status %d; stdout %r, stderr %r" % (status, out[:200], pygrowd.stderr()[:300])
    if len(lines) != 1 or not lines[0].startswith("pygrowd: "):
        return "not one line: %r" % pygrowd.stderr()[:600]
    if out.strip():
        return "a report of nothing: %r" % out[:200]
    if str(pid) not in lines[0]:
        return "the PID is not named: %s" % lines[0]
    if not any(word.lower() in lines[0].lower() for word in says):
        return "none of %s is said: %s" % (says, lines[0])
    return None


def refused_and_untouched(t, process, *says):
    before = text_of(process.pid)
    problem = refused(t, process.pid, *says)
    assert_text_is(before, process.pid)
    assert process.popen.poll() is None, "the target is gone"
    return problem


@once
def no_such_pid(t):
    with open("/proc/sys/kernel/pid_max") as pid_max:
        problem = refused(t, int(pid_max.read()) - 1, "no such process", "no process")
    assert not problem, problem


@once
def just_ended(t):
    """A PID that was a process, and is a zombie now."""
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    problem = refused(t, process.pid, "ended", "exited", "zombie", "no such process", "gone")
    process.wait()
    assert not problem, problem


@once
def kernel_thread(t):
    with open("/proc/2/comm") as comm:
        assert comm.read().strip(), "no PID 2 here"
    problem = refused(t, 2, "kernel", "not Python", "no Python", "not a Python", "no interpreter")
    assert not problem, problem


@once
def not_python(t):
    process = t.process("cat")
    process.popen.stdin.write(b"ready\n")
    process.popen.stdin.flush()
    assert process.popen.stdout.readline() == b"ready\n", process.stderr()  # its libraries are mapped
    problem = refused_and_untouched(t, process, "not Python", "no Python", "not a Python",
                                    "no interpreter")
    assert not problem, problem


@once
def other_versions(t):
    """Python 2, 3.6, 3.7, 3.15 and newer, free-threaded builds: as far as the machine has them."""
    for version in ("2.7", "3.6", "3.7", "3.15", "free-threaded"):
        free = version == "free-threaded"
        fitting = [python for python in t.shared["foreign"]
                   if (free and python.minor >= (3, 13) and python.minor < (3, 15))
                   or python.version.startswith(version + ".")]
        name = "refusals__python_" + version
        if not fitting:
            t.result(name, skip="no such interpreter here")
            continue
        process = t.process(*fitting[0].argv("-c", SLEEP))
        assert process.popen.stdout.readline() == b"ready\n", process.stderr()
        says = ("free-threaded", "nogil", "no GIL") if free else (version,)
        t.result(name, refused_and_untouched(t, process, *says))


@once
def other_allocators(t):
    """pymalloc is switched off or wrapped: said in words, never an empty report."""
    ways = [("malloc", {"PYTHONMALLOC": "malloc"}, []),
            ("malloc_debug", {"PYTHONMALLOC": "malloc_debug"}, []),
            ("debug", {"PYTHONMALLOC": "debug"}, []),
            ("pymalloc_debug", {"PYTHONMALLOC": "pymalloc_debug"}, []),
            ("dev_mode", {}, ["-X", "dev"])]
    for name, env, flags in ways:
        for python in first_of_each_minor(t.shared["pythons"]):
            process = t.process(*(python.argv(*flags) + ["-c", SLEEP]), env=dict(os.environ, **env))
            assert process.popen.stdout.readline() == b"ready\n", process.stderr()
            t.result("refusals__%s_%s" % (name, python.name),
                     refused_and_untouched(t, process, "PYTHONMALLOC", "malloc"))
            process.end()


def first_of_each_minor(pythons):
    return list({python.minor: python for python in reversed(pythons)}.values())


@once
def one_bad_target_among_good_ones(t):
    """Nothing is watched by half: the whole call is refused, and the good target is as before."""
    target, sleeper = t.target("lives.py"), t.process("sleep", "600")
    before = text_of(target.pid)
    pygrowd = t.pygrowd([target.pid, sleeper.pid], "--for", "3s")
    status, _ = pygrowd.finish()
    assert status == 1 and str(sleeper.pid) in pygrowd.stderr(), (status, pygrowd.stderr())
    assert_text_is(before, target.pid)
