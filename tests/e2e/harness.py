# SPDX-License-Identifier: GPL-2.0-only
"""Targets, pygrowd and pygrowctl as a test handles them: started, asked, and surely ended.

A test is a function with @once or @each_python; it gets a Context, whose targets and pygrowds end
with it. It reports through asserts (one result), or through Context.result() (many). Nothing here
knows how pygrowd works: only what INTERFACE and --help promise.
"""
import datetime
import errno
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("PYGROWD_BUILD", os.path.join(TOP, "build"))
CORPUS = os.path.join(TOP, "tests", "corpus")
PYGROWD = os.path.join(BUILD, "pygrowd")
PYGROWCTL = os.path.join(BUILD, "pygrowctl")
INTERVAL_MS = 200  # how often pygrowd is told to drain its maps
SLOW_TRAP_US = 2
PATIENCE = 30  # seconds that anything may take at most; nothing should come near
TESTS = []
RUNNING = []  # every Process from its start to its end()


class Skip(Exception):
    """This test cannot run here, for the reason given."""


def once(function):
    TESTS.append((function, False))
    return function


def each_python(function):
    TESTS.append((function, True))
    return function


class Python:
    """One line of pythons.sh."""

    def __init__(self, name, version, root, command):
        self.name, self.version, self.root = name, version, None if root == "-" else root
        self.command = command.split(" ")
        self.minor = tuple(int(part) for part in version.split(".")[:2])
        self.label = "%s %s" % (version, name)

    def argv(self, *words):
        chroot = ["chroot", self.root] if self.root else []
        return chroot + self.command + list(words)

    def script(self, name):
        """Where a script of the corpus is, as this interpreter sees it."""
        if not self.root:
            return os.path.join(CORPUS, name)
        shutil.copytree(CORPUS, self.root + "/corpus", dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
        return "/corpus/" + name


def pythons(fetch=True):
    """Supported interpreters, foreign ones, and (name, reason) of those that are missing."""
    argv = [os.path.join(HERE, "pythons.sh")] + ([] if fetch else ["--no-fetch"])
    lines = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    return ([Python(*row[1:]) for row in rows if row[0] == "python"],
            [Python(*row[1:]) for row in rows if row[0] == "foreign"],
            [row[1:] for row in rows if row[0] == "skip"])


def wait_until(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, "waited %g s in vain: %s" % (seconds, what)
        time.sleep(0.05)


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Process:
    """A child in a session of its own; its stderr is kept, line by line, with time stamps."""

    def __init__(self, argv, env=None):
        self.argv = argv
        self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=env, start_new_session=True)
        RUNNING.append(self)
        self.pid = self.popen.pid
        self.errors = []
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()

    def read_errors(self):
        for line in self.popen.stderr:
            self.errors.append(line.decode(errors="replace").rstrip("\n"))

    def stderr(self):
        return "\n".join(self.errors)

    def finish(self, seconds=PATIENCE):
        """Exit status and stdout, once it has ended by itself."""
        try:
            out, _ = self.communicate(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end within %g s; stderr: %s"
                                 % (os.path.basename(self.argv[0]), seconds, self.stderr()))
        return self.popen.returncode, out

    def communicate(self, seconds):
        # stderr has its own reader; read stdout to its end in another, so that a full pipe is no trap.
        chunks = []
        reader = threading.Thread(target=lambda: chunks.append(self.popen.stdout.read()), daemon=True)
        reader.start()
        self.popen.wait(seconds)
        reader.join(5)
        self.reader.join(5)
        return b"".join(chunks).decode(errors="replace"), None

    def signal(self, number):
        self.popen.send_signal(number)

    def end(self):
        if self in RUNNING:
            RUNNING.remove(self)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Target(Process):
    """A workload of tests/corpus, which does as it is told."""

    def __init__(self, argv, env=None, pid=None):
        super().__init__(argv, env)
        self.hello = self.answer()
        # Below unshare --fork, the workload is a child and counts PIDs on its own.
        self.pid_to_watch = pid(self.pid) if pid else self.pid

    def answer(self, seconds=PATIENCE):
        line = b""
        end = time.monotonic() + seconds
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.popen.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, "the workload did not answer within %g s" % seconds
            byte = os.read(self.popen.stdout.fileno(), 65536)
            assert byte, "the workload ended: %s" % self.stderr()[-500:]
            line += byte
        return json.loads(line)

    def tell(self, *words):
        self.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.popen.stdin.flush()

    def ask(self, *words, seconds=PATIENCE):
        self.tell(*words)
        return self.answer(seconds)


class Pygrowd(Process):
    """The daemon, with a socket and a state directory of its own; exact, or within its budget."""
    has_answered = False

    def __init__(self, context, pids, *words, exact=True, prefix=()):
        self.socket = tempfile.mktemp(".sock", "pygrowd-", context.directory)
        argv = list(prefix) + [PYGROWD, "--interval", "%dms" % INTERVAL_MS, "--socket", self.socket,
                               "--state", context.state] + (["--exact"] if exact else [])
        for pid in pids:
            argv += ["-p", str(pid)]
        argv += words
        super().__init__(argv)
        self.pids = pids

    def wait_watching(self, seconds=PATIENCE):
        for pid in self.pids:
            wait_until("'watching pid %d' on stderr; it says: %s" % (pid, self.stderr()),
                       lambda: self.is_watching(pid), seconds)
        return self

    def is_watching(self, pid):
        assert self.popen.poll() is None, "pygrowd ended with %d: %s" % (self.popen.returncode,
                                                                       self.stderr())
        return re.search(r"watching pid %d\b" % pid, self.stderr())

    def wait_answering(self):
        """It is watching, and its socket's file is there, a moment before; or it has ended."""
        if not self.has_answered:
            wait_until("'%s' answers; it says: %s" % (self.socket, self.stderr()),
                       lambda: self.popen.poll() is not None or self.is_answering())
            self.has_answered = True

    def ctl(self, *words):
        self.wait_answering()
        return ctl(self.socket, *words)

    def json(self, *words):
        done = self.ctl("--json", *words)
        assert done.returncode == 0, "pygrowctl %s: %s%s" % (" ".join(words), done.stderr,
                                                             self.end_of_it())
        return json.loads(done.stdout)

    def is_answering(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket) not in (errno.ENOENT, errno.ECONNREFUSED)

    def end_of_it(self):
        """Nothing while it runs; else how it ended, and its last words."""
        time.sleep(0.1)
        if self.popen.poll() is None:
            return ""
        return "; it ended with %d: %s" % (self.popen.returncode, self.stderr()[-1000:])

    def report(self):
        """A report whose figures are not older than this call: two intervals on, a drain was done."""
        due = time.time() + 2 * INTERVAL_MS / 1000
        time.sleep(2 * INTERVAL_MS / 1000)
        answers = []

        def fresh():
            answers[:] = [self.json("report", "-n", "100000", "--split")]
            return seconds_of(answers[0]["at"]) >= due
        wait_until("a report newer than now", fresh)
        return answers[0]

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.finish()


@functools.lru_cache(maxsize=None)
def trap_us():
    """What a trap costs on this machine: 0.5, or 5 where each entry into the kernel switches page tables."""
    done = subprocess.run([PYGROWD, "--check"], stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
    return float(re.search(r"a trap costs ([\d.]+) µs", done.stdout).group(1))


def need_fast_traps():
    """For tests in which every block must fit into a budget, or figures must be known after seconds."""
    if trap_us() > SLOW_TRAP_US:
        raise Skip("a trap takes %.1f µs here: too long for what must be followed in so short a time"
                   % trap_us())


def ctl(socket, *words):
    return subprocess.run([PYGROWCTL, "--socket", socket] + list(words), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)


def seconds_of(rfc3339):
    text = rfc3339.replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


def function_row(report, function, pid):
    """The cumulative row of a function; all zeros if the report has none."""
    for row in report["functions"]:
        if row["function"] == function and row["pid"] == pid:
            return row
    return {"function": function, "live_bytes": 0, "live_blocks": 0}


def process_row(report, pid):
    rows = [row for row in report["processes"] if row["pid"] == pid]
    assert rows, "the report has no process %d" % pid
    return rows[0]


def text_of(pid):
    """What the CPU would execute: every executable mapping of a file, byte for byte."""
    text = {}
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or len(fields) < 6 or not fields[5].startswith("/"):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            memory.seek(start)
            content = b""
            while len(content) < end - start:
                content += memory.read(end - start - len(content))
            text[start, fields[5]] = content
    assert text, "no executable mapping in pid %d" % pid
    return text


def changed(before, after):
    """Where two texts differ; the first few places of each mapping."""
    places = []
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key, b""), after.get(key, b"")
        if old != new:
            where = [i for i in range(min(len(old), len(new))) if old[i] != new[i]]
            places.append("%s: %d bytes differ, at %s" % (key[1], len(where) or abs(len(old) - len(new)),
                                                          " ".join(hex(key[0] + i) for i in where[:4])))
    return places


def assert_text_is(before, pid, seconds=3):
    """The kernel takes breakpoints out when the last user of a link is gone: soon, but not at once."""
    end = time.monotonic() + seconds
    while changed(before, text_of(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    places = changed(before, text_of(pid))
    assert not places, "the text of pid %d is not what it was: %s" % (pid, "; ".join(places))


def printable(text):
    """One line, whatever was found."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)[:1500]


class Results:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, where, problem=None, skip=None):
        label = "%s%s" % (name, "  [%s]" % where if where else "")
        if skip is not None:
            self.skipped += 1
            print("skip  %s: %s" % (label, skip))
        elif problem is None:
            self.passed += 1
            print("ok    %s" % label)
        else:
            self.failed += 1
            self.failures.append(label)
            print("FAIL  %s: %s" % (label, printable(problem)))
        sys.stdout.flush()


class Context:
    """What one test runs with, and the end of all that it started."""

    def __init__(self, results, name, python, where, shared):
        self.results, self.name, self.python, self.shared = results, name, python, shared
        self.where = where
        self.directory = tempfile.mkdtemp(prefix="pygrowd-e2e-")
        os.chmod(self.directory, 0o755)
        self.state = shared["state"]
        self.has_results = False

    def target(self, script, *words, python=None, env=None, prefix=(), pid=None):
        python = python or self.python
        path = python.script(script)
        return Target(list(prefix) + python.argv(path, *words), env, pid)

    def process(self, *argv, env=None):
        return Process(list(argv), env)

    def pygrowd(self, pids, *words, **how):
        if isinstance(pids, Process):
            pids = [pids.pid_to_watch]
        return Pygrowd(self, pids, *words, **how)

    def result(self, name, problem=None, skip=None):
        self.has_results = True
        self.results.add(name, self.where, problem, skip)

    def run(self, function):
        try:
            function(self)
            if not self.has_results:
                self.results.add(self.name, self.where)
        except Skip as reason:
            self.results.add(self.name, self.where, skip=str(reason))
        except Exception as error:
            ours = [frame for frame in traceback.extract_tb(error.__traceback__)
                    if os.path.realpath(frame.filename).startswith(TOP)]
            self.results.add(self.name, self.where, "%s (%s:%d)" % (
                str(error) if isinstance(error, AssertionError) else repr(error),
                os.path.basename(ours[-1].filename), ours[-1].lineno))
        finally:
            for process in RUNNING[::-1]:
                process.end()
            shutil.rmtree(self.directory, ignore_errors=True)
