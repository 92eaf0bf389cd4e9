# SPDX-License-Identifier: GPL-2.0-only
"""gc.freeze() after each batch: garbage that waited for the collector stays as well.

Modelled after: python/cpython#75739, freeze() called more than once, before the garbage was
collected.
"""
import gc
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "run_batch"


def run_batch(number):
    """Jobs know each other: when the batch is done, they wait for the collector."""
    jobs = []
    for i in range(20):
        jobs.append({"name": "job %d" % (number + i), "others": jobs, "result": [number * i]})
    return len(jobs)


def handle(request):
    for _ in range(traffic.times(5)):
        run_batch(request["id"])
        gc.freeze()


if __name__ == "__main__":
    traffic.serve(handle)
