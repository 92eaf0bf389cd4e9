#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tests/bench/run.sh — does pygrowd keep its numbers? (root); run.sh --help names benches and knobs.
exec /usr/bin/python3 -B "$(dirname "$0")/bench.py" "$@"
