# SPDX-License-Identifier: GPL-2.0-only
"""Nobody names a process: those that are there, those that come, rules, reload, metrics."""
import os
import signal
import socket
import subprocess
import time
import urllib.request

from harness import once, wait_until


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


def regimes(pygrowd):
    """{pid: (regime, why)}"""
    return {row["pid"]: (row["regime"], row["why"]) for row in pygrowd.json("status")["processes"]}


def wait_regime(pygrowd, pid, wanted, seconds=15):
    def is_so():
        return regimes(pygrowd).get(pid, ("absent",))[0] in wanted
    wait_until("pid %d is %s; status: %s; it says: %s" % (pid, "/".join(wanted), regimes(pygrowd),
                                                        pygrowd.stderr()), is_so, seconds)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(t, config, *words):
    path = write(os.path.join(t.directory, "pygrowd.conf"), config)
    pygrowd = t.pygrowd([], "-c", path, *words, exact=False)
    pygrowd.wait_answering()
    return pygrowd, path


# What runs on this host besides is left alone: all of these tests watch their own workloads only.
ONLY = "include ours { cmdline = '%s' }\n"
# Of a history: steps of a second. Who is started again writes nothing in the step of the one before.
LEVELS = "history-levels = '1s for 10m, 10s for 1h, 1m for 1d'\n"


@once
def before_and_after(t):
    """Those that were there first, those that came later; and who went, or became another program."""
    first = t.target("leak_23.py")
    pygrowd, _ = start(t, "metrics = off\n" + ONLY % "corpus/leak_23")
    wait_regime(pygrowd, first.pid, ("exact",))
    t.result("discovery__was_there_before")
    began = time.monotonic()
    later = t.target("leak_23.py")
    wait_regime(pygrowd, later.pid, ("exact",), 10)
    t.result("discovery__came_later",
             None if time.monotonic() - began < 5 else "after %.1f s" % (time.monotonic() - began))
    held = later.ask("steadily", "large", 20)
    wait_until("its leak is in the report", lambda: any(
        row["pid"] == later.pid and row["function"] == "leak_large"
        for row in pygrowd.report()["functions"]))
    t.result("discovery__its_leak_is_named", None if held is not None else "no answer")
    later.end()
    wait_regime(pygrowd, later.pid, ("gone",))
    t.result("discovery__went")
    other = t.process("/usr/bin/python3", "-c", "import os, time; time.sleep(2.5); "
                      "os.execv('/usr/bin/sleep', ['sleep', 'corpus/leak_23'])", "corpus/leak_23")
    wait_regime(pygrowd, other.pid, ("exact",))
    wait_regime(pygrowd, other.pid, ("absent", "gone"))
    t.result("discovery__became_another_program")
    code, _ = pygrowd.stop()
    t.result("discovery__sigterm", None if code == 0 else "exit status %d: %s" % (code, pygrowd.stderr()))


@once
def forked_workers(t):
    """Prefork: every worker is a target of its own."""
    pool = t.process("/usr/bin/python3", "-c", "import os, time\n"
                     "pids = [os.fork() for _ in range(3)]\ntime.sleep(60)", "corpus/prefork")
    pygrowd, _ = start(t, "metrics = off\n" + ONLY % "corpus/prefork")

    def all_there():
        return sum(regime == "exact" for regime, _ in regimes(pygrowd).values()) == 8
    wait_until("1 + 7 processes are watched: %s" % regimes(pygrowd), all_there, 20)
    t.result("discovery__forked_workers")
    pool.end()


@once
def rules_and_reload(t):
    target = t.target("leak_23.py")
    pygrowd, path = start(t, "metrics = off\n" + ONLY % "corpus/leak_23"
                          + "exclude large { cmdline = 'leak_23' }\n")
    wait_regime(pygrowd, target.pid, ("excluded",))
    why = regimes(pygrowd)[target.pid][1]
    t.result("discovery__excluded", None if why == "excluded by rule large" else why)
    write(path, "metrics = off\noverhead = 3%\n" + ONLY % "corpus/leak_23")
    pygrowd.signal(signal.SIGHUP)
    wait_regime(pygrowd, target.pid, ("exact",))
    budget = [row["overhead_budget"] for row in pygrowd.json("status")["processes"]
              if row["pid"] == target.pid]
    t.result("discovery__reload", None if budget == [0.03] else "budget %s" % budget)
    write(path, "overhead = 3%\noverhaed = 1%\n")
    pygrowd.signal(signal.SIGHUP)
    wait_until("the mistake is said; it says: %s" % pygrowd.stderr(),
               lambda: "pygrowd.conf:2:" in pygrowd.stderr())
    t.result("discovery__bad_reload", None if regimes(pygrowd)[target.pid][0] == "exact" else
             str(regimes(pygrowd)))
    write(path, "metrics = off\n" + ONLY % "nobody is called that")
    pygrowd.signal(signal.SIGHUP)
    wait_regime(pygrowd, target.pid, ("excluded",))
    t.result("discovery__reload_takes_off", None if pygrowd.popen.poll() is None else pygrowd.stderr())


@once
def bad_config_at_start(t):
    path = write(os.path.join(t.directory, "bad.conf"), "interval = 1 fortnight\n")
    for words, wanted in ((["-c", path], "bad.conf:1:"), (["-c", path + ".not"], "bad.conf.not")):
        process = t.pygrowd([], *words, exact=False)
        status, _ = process.finish(20)
        lines = process.stderr().splitlines()
        ok = status == 1 and len(lines) == 1 and wanted in lines[0]
        t.result("discovery__bad_config_%s" % wanted.strip(":").rpartition(".")[2].replace(":", "_"),
                 None if ok else "exit status %d, stderr %s" % (status, lines))


@once
def match_and_metrics(t):
    target, port = t.target("leak_23.py"), free_port()
    pygrowd = t.pygrowd([], "--match", "corpus/leak_[0-9]+", "--metrics", "127.0.0.1:%d" % port,
                        "-c", write(os.path.join(t.directory, "empty.conf"), ""), exact=False)
    wait_regime(pygrowd, target.pid, ("exact",))
    t.result("discovery__match")
    target.ask("steadily", "large", 20)
    page = []

    def scraped():
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=5) as answer:
            page[:] = [answer.read().decode()]
        return 'function="leak_large"' in page[0]
    wait_until("the leak is in the metrics", scraped)
    t.result("discovery__metrics", None if 'pygrowd_target_info{pid="%d"' % target.pid in page[0] else
             page[0][:500])
    if not os.path.exists("/usr/bin/promtool"):
        t.result("discovery__promtool", skip="no promtool here (package prometheus)")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=page[0], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    t.result("discovery__promtool", None if done.returncode == 0 else done.stdout)
