#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tests/e2e/run.sh — the end-to-end tests (root); run.sh --help names the choices.
exec /usr/bin/python3 -B "$(dirname "$0")/run.py" "$@"
