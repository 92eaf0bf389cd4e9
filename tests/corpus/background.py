# SPDX-License-Identifier: GPL-2.0-only
"""How a workload is kept busy: the same step over and over, until it is told otherwise.

The main thread takes the steps, as a service's would. Commands, as in commands.py, are read by a
thread that sleeps in read(), and are carried out between two steps, so that none of them sees half a
step's work. Steps are counted in a file that others can map: to read the progress costs us nothing.
"""
import mmap
import os
import queue
import struct
import sys
import threading
import time

from commands import answer

COUNT = struct.Struct("=Q")


def listen(requests):
    for line in sys.stdin:
        requests.put(line.split())
    os._exit(0)


def mapped(path):
    """The counter's memory; of nobody else if there is no path."""
    if not path:
        return mmap.mmap(-1, COUNT.size)
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), COUNT.size)


def work(step, commands=None, progress=None):
    """Begins idle; `pace max` is flat out, `pace N` takes N steps a second, `pace idle` takes none."""
    requests, memory, count, pace = queue.SimpleQueue(), mapped(progress), 0, "idle"
    threading.Thread(target=listen, args=(requests,), daemon=True).start()
    answer({"ready": os.getpid(), "python": sys.version.split()[0]})
    while True:
        if pace == "idle" or not requests.empty():
            name, *words = requests.get()
            if name == "pace":
                pace = words[0]
                answer({})
            else:
                answer(commands[name](*words))
            continue
        step()
        count += 1
        COUNT.pack_into(memory, 0, count)
        if pace != "max":
            time.sleep(1 / float(pace))
