# SPDX-License-Identifier: GPL-2.0-only
"""Is the interpreter found wherever it is: deleted, replaced, in another mount or PID namespace?

Each test watches corpus/lives.py under an interpreter that stands in such a place, and wants its
known leak in the report.
"""
import os
import shutil

from harness import CORPUS, Skip, function_row, once, process_row, wait_until

BLOCKS = 3000


def system_python():
    return os.path.realpath("/usr/bin/python3")


def check_leak(t, target):
    pygrowd = t.pygrowd(target).wait_watching()
    truth = target.ask("leak", BLOCKS)
    row = function_row(pygrowd.report(), truth["function"], target.pid_to_watch)
    assert 0.99 * BLOCKS <= row["live_blocks"] <= 1.01 * BLOCKS + 10, \
        "%d blocks seen of %d" % (row["live_blocks"], BLOCKS)
    return pygrowd


def check_pid_inside(pygrowd, target):
    """The PID is the host's; the one inside is said beside it."""
    inside = target.hello["ready"]
    assert inside != target.pid_to_watch, "not in another PID namespace"
    row = process_row(pygrowd.json("status"), target.pid_to_watch)
    assert row["pid_inside"] == inside, "pid_inside %s, not %d" % (row["pid_inside"], inside)
    text = pygrowd.ctl("status").stdout
    assert "pid %d in its own namespace" % inside in text, text


def child(pid):
    path = "/proc/%d/task/%d/children" % (pid, pid)
    return int(wait_until("a child of pid %d" % pid, lambda: open(path).read().split())[0])


def copied(t):
    path = os.path.join(t.directory, "python3-copy")
    shutil.copy2(system_python(), path)
    t.python = type(t.python)("copy", t.python.version, "-", path)
    return path


@once
def deleted_interpreter(t):
    path = copied(t)
    target = t.target("lives.py")
    os.unlink(path)
    row = process_row(check_leak(t, target).json("status"), target.pid)
    assert row["pid_inside"] is None, "pid_inside %s in our own namespace" % row["pid_inside"]


@once
def replaced_interpreter(t):
    """As a package upgrade does it: another file has the path now."""
    path = copied(t)
    target = t.target("lives.py")
    os.unlink(path)
    shutil.copy2("/bin/true", path)
    check_leak(t, target)


@once
def other_mount_namespace(t):
    """The interpreter's path leads nowhere in our own namespace."""
    private = os.path.join(t.directory, "private")
    os.mkdir(private)
    script = 'mount -t tmpfs none "$0" && cp "$1" "$0/python3" && exec "$0/python3" "$2"'
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, private,
              system_python()]
    t.python = type(t.python)("private", t.python.version, "-", "")
    t.python.command = []
    target = t.target("lives.py", prefix=prefix)
    assert not os.path.exists(private + "/python3")
    check_leak(t, target)


@once
def other_pid_namespace(t):
    target = t.target("lives.py", prefix=["unshare", "--pid", "--mount", "--fork"], pid=child)
    assert target.hello["ready"] == 1
    check_pid_inside(check_leak(t, target), target)


@once
def namespace_in_a_namespace(t):
    """NSpid has a PID for each level: the innermost is what the process itself sees."""
    prefix = ["unshare", "--pid", "--fork", "sh", "-c", '"$@"; true', "sh", "unshare", "--pid", "--fork",
              "sh", "-c", '"$@"; true', "sh"]
    target = t.target("lives.py", prefix=prefix,
                      pid=lambda pid: child(child(child(child(pid)))))
    assert target.hello["ready"] == 2
    check_pid_inside(check_leak(t, target), target)


@once
def container_of_systemd(t):
    """Of a root of its own, which has this host's /usr and nothing else."""
    if not os.path.exists("/usr/bin/systemd-nspawn"):
        raise Skip("no systemd-nspawn here (package systemd-container)")
    root = os.path.join(t.directory, "root")
    for name in ("etc", "usr"):
        os.makedirs(os.path.join(root, name))
    for name in ("bin", "lib", "lib64", "sbin"):
        os.symlink("usr/" + name, os.path.join(root, name))
    shutil.copy2("/etc/os-release", root + "/etc")
    prefix = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", root,
              "--bind-ro=/usr", "--bind-ro=" + CORPUS, "--console=pipe"]
    t.python = type(t.python)("system", t.python.version, "-", system_python())
    target = t.target("lives.py", prefix=prefix, pid=child)
    check_pid_inside(check_leak(t, target), target)


@once
def two_at_once(t):
    """Two targets of different versions, each with its own figures."""
    other = [python for python in t.shared["pythons"] if python.minor != t.python.minor]
    if not other:
        raise Skip("only one version of Python here")
    targets = [t.target("lives.py"), t.target("lives.py", python=other[0])]
    pygrowd = t.pygrowd([target.pid for target in targets]).wait_watching()
    for factor, target in enumerate(targets, 1):
        target.ask("leak", factor * BLOCKS)
    report = pygrowd.report()
    for factor, target in enumerate(targets, 1):
        row = function_row(report, "leak_before_the_end", target.pid)
        assert abs(row["live_blocks"] - factor * BLOCKS) <= 0.01 * factor * BLOCKS + 10, \
            "pid %d: %d blocks seen of %d" % (target.pid, row["live_blocks"], factor * BLOCKS)
