# SPDX-License-Identifier: GPL-2.0-only
"""What does exact mode cost: a hit, and a whole program, beside memleak and tracemalloc?

Prints the tables of docs/OVERHEAD.md. Watched and unwatched slices of one process alternate, ratios
are taken within a round, and the median round is printed: a busy machine shifts both sides.

memleak (bcc) knows nothing of pymalloc: on a stock interpreter it sees blocks over 512 bytes only,
and on a distribution's build no exported function sees the small ones. So that it does the same
work as pygrowd, its target runs with PYTHONMALLOC=malloc, where every block is a malloc() of libc;
its ratio is against the same target unwatched, so malloc's own slowness is not held against it.
It prints nothing while it is measured: reading and naming stacks is not part of its cost here.
"""
import glob
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

ROUNDS = 3
SLICE_SECONDS = 0.7
LOOPS = ["json", "churn", "service"]
HIT_BLOCKS = 20000
HIT_REPEATS = 5
DEPTHS = (5, 10, 40)
MEMLEAK = shutil.which("memleak-bpfcc", path=os.environ["PATH"] + ":/usr/sbin:/usr/share/bcc/tools")


# bcc looks for the running kernel's headers below /lib/modules. Where the machine has those of another
# kernel only, memleak gets a /lib/modules of its own that leads to them: it reads no kernel structure.
BORROW_HEADERS = """
    mount -t tmpfs none /lib/modules && cd /lib/modules && mkdir "$(uname -r)" && cd "$(uname -r)" &&
    ln -s "$0" build && ln -s "${0%-amd64}-common" source && cd / && exec "$@" """


def memleak_argv(pid):
    argv = [MEMLEAK, "-p", str(pid), "3600"]
    others = sorted(glob.glob("/usr/src/linux-headers-*-amd64"))
    if others and not os.path.exists("/lib/modules/%s/build" % platform.release()):
        argv = ["unshare", "--mount", "sh", "-c", BORROW_HEADERS, others[-1]] + argv
    return argv


class Memleak(harness.Process):
    def __init__(self, pid):
        super().__init__(memleak_argv(pid), dict(os.environ, PYTHONUNBUFFERED="1"))
        for line in self.popen.stdout:
            if b"Attaching" in line:
                break
        assert self.popen.poll() is None, "memleak ended: %s" % self.stderr()
        time.sleep(1)  # it says so just before it attaches
        assert self.popen.poll() is None, "memleak ended: %s" % self.stderr()


def rates(target):
    return {loop: target.ask("run", loop, SLICE_SECONDS)["per_second"] for loop in LOOPS}


def watched_by(process, target):
    """The rates while `process` watches, which ends then."""
    result = rates(target)
    process.end()
    return result


def one_round(t, target, plain_malloc):
    """{watcher: {loop: how many times slower}}"""
    def slower(bare, watched):
        return {loop: bare[loop] / watched[loop] for loop in LOOPS}
    ratios = {}
    bare = rates(target)
    ratios["pygrowd --exact"] = slower(bare, watched_by(t.pygrowd(target).wait_watching(), target))
    bare = rates(target)
    for frames in (1, 25):
        target.ask("trace", frames)
        ratios["tracemalloc(%d)" % frames] = slower(bare, rates(target))
    target.ask("trace", 0)
    if plain_malloc:
        bare = rates(plain_malloc)
        ratios["memleak"] = slower(bare, watched_by(Memleak(plain_malloc.pid), plain_malloc))
    return ratios


def slowdown(t):
    target, plain_malloc = t.target("loops.py"), None
    if MEMLEAK:
        plain_malloc = t.target("loops.py", env=dict(os.environ, PYTHONMALLOC="malloc"))
    rounds = [one_round(t, target, plain_malloc) for _ in range(ROUNDS)]
    print("Times slower than unwatched (median of %d rounds):\n" % ROUNDS)
    print("| watcher | %s |" % " | ".join("%s loop" % loop for loop in LOOPS))
    print("|---|%s" % ("---:|" * len(LOOPS)))
    median = {watcher: {loop: statistics.median(row[watcher][loop] for row in rounds) for loop in LOOPS}
              for watcher in rounds[0]}
    for watcher, row in median.items():
        print("| %s | %s |" % (watcher, " | ".join("%.1f" % row[loop] for loop in LOOPS)))
    if "memleak" in median:
        cheaper = ["%.1f" % ((median["memleak"][loop] - 1) / (median["pygrowd --exact"][loop] - 1))
                   for loop in LOOPS]
        print("| memleak's cost / pygrowd's | %s |" % " | ".join(cheaper))
    else:
        print("\nmemleak was not measured: no memleak-bpfcc here (package bpfcc-tools)")


def hit_costs(target):
    """Nanoseconds for each allocation by depth, and for each free."""
    costs = {depth: [] for depth in DEPTHS}
    costs["free"] = []
    for _ in range(HIT_REPEATS):
        for depth in DEPTHS:
            costs[depth].append(target.ask("allocate", HIT_BLOCKS, depth)["ns"])
            costs["free"].append(target.ask("free")["ns"])
    return {what: statistics.median(values) for what, values in costs.items()}


def hits(t):
    target = t.target("loops.py")
    bare = hit_costs(target)
    target.ask("allocate", HIT_REPEATS * HIT_BLOCKS, DEPTHS[0])
    pygrowd = t.pygrowd(target).wait_watching()
    # These blocks were made before anybody looked: the free finds nothing to take off.
    unknown = target.ask("free")["ns"] - bare["free"]
    watched = hit_costs(target)
    process = harness.process_row(pygrowd.report(), target.pid)
    expected = HIT_REPEATS * HIT_BLOCKS * (2 * len(DEPTHS) + 1)
    extra = {what: watched[what] - bare[what] for what in bare}
    frame = (extra[40] - extra[10]) / 30
    print("Cost of a hit: extra time of a loop with known numbers of blocks (median of %d x %d):\n"
          % (HIT_REPEATS, HIT_BLOCKS))
    print("| hit | ns |\n|---|---:|")
    print("| free of a block that is not followed | %.0f |" % unknown)
    print("| free of a followed block | %.0f |" % extra["free"])
    print("| alloc, stack of 10 frames walked | %.0f |" % extra[10])
    print("| alloc, stack of 40 frames walked | %.0f |" % extra[40])
    print("| each further frame | %.0f |" % frame)
    print("| alloc without the walk (10 frames less ten times that) | %.0f |" % (extra[10] - 10 * frame))
    print("\npygrowd counted %d hits in this; %d were due.\n" % (process["hits"], expected))


def main():
    supported, _, _ = harness.pythons(fetch=False)
    state = tempfile.mkdtemp(prefix="pygrowd-bench-")
    t = harness.Context(harness.Results(), "bench", supported[0], "", {"state": state})
    with open("/proc/cpuinfo") as cpuinfo:
        cpu = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")][0]
    print("Linux %s, %d x %s, %s, Python %s\n" % (platform.release(), os.cpu_count(), cpu,
                                                 time.strftime("%Y-%m-%d"), supported[0].version))
    began = time.monotonic()

    def measure(context):
        hits(context)
        slowdown(context)
        print("\nmeasured in %d s" % (time.monotonic() - began))
        context.has_results = True  # the tables are the result; only a failure has a line
    try:
        t.run(measure)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return t.results.failed


if __name__ == "__main__":
    sys.exit(main())
