# SPDX-License-Identifier: GPL-2.0-only
"""Tables are loaded when they are first needed, in the first 20 seconds.

Modelled after: lazy loading; the growth is steep, steady and over.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

SHARDS = {}
N_SHARDS, LOADED_AFTER_SECONDS = 60, 20


def load_shard(number):
    SHARDS[number] = {"key %d" % i: "value %d" % (number * i) for i in range(100)}


def handle(_request):
    due = min(N_SHARDS, int(N_SHARDS * traffic.now() / LOADED_AFTER_SECONDS))
    while len(SHARDS) < due:
        load_shard(len(SHARDS))


if __name__ == "__main__":
    traffic.serve(handle)
