#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tests/bench/run.sh — cost a hit, and slowdown beside memleak and tracemalloc, as markdown (root).
exec /usr/bin/python3 -B "$(dirname "$0")/bench.py" "$@"
